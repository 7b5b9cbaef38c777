package push

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hermod/pkg/deliver"
)

// A Handshake is how endpoints of webhooks are asked whether they want deliveries, by
// the validation handshake of CloudEvents (HTTP 1.1 Web Hooks for Event Delivery 1.0.2,
// section 4). It proves that whoever answers for the URL agrees, so that nobody can have
// Hermod push to a site that never asked for it.
type Handshake struct {
	// Origin is who asks: the DNS name of this deployment; "" for localhost.
	Origin string
	// Required has every webhook asked, not those alone whose configuration asks
	// for it.
	Required bool
}

// ParseHandshake reads whether the handshake is required, from "required" or "optional"
// ("" too), and who asks from the URL at which the deployment is reached ("" for none).
func ParseHandshake(text, publicURL string) (Handshake, error) {
	u, err := url.Parse(publicURL)
	if err != nil {
		return Handshake{}, fmt.Errorf("%q is no URL", publicURL)
	}
	switch text {
	case "", "optional", "required":
		return Handshake{Origin: u.Hostname(), Required: text == "required"}, nil
	default:
		return Handshake{}, fmt.Errorf("%q: want optional or required", text)
	}
}

// The headers of the handshake. Deliveries to an endpoint that has agreed carry the
// first one too (section 2.1).
const (
	headerRequestOrigin = "Webhook-Request-Origin"
	headerAllowedOrigin = "Webhook-Allowed-Origin"
)

// handshakeTimeout bounds a handshake: whoever writes the subscription waits for it.
const handshakeTimeout = 5 * time.Second

// asks reports whether an endpoint is one that is asked.
func (h Handshake) asks(e *endpoint) bool { return h.Required || e.verify }

// Agree has the endpoint of a webhook agree to deliveries, where its configuration or
// the operator asks for that. One that has agreed is not asked again: before is the
// configuration that stands, nil for none. The error is CodeInvalid and names
// typeConfiguration.url where the endpoint does not agree.
//
// The handshake goes by the rules of a delivery, with the subscriber's own headers: the
// target policy, no redirects, a bounded answer; and takes 5 s at most.
func (ps *Pushers) Agree(ctx context.Context, kind string, configuration, before json.RawMessage) error {
	hooks, ok := ps.kinds[kind].(*webhooks)
	if !ok {
		return nil
	}
	e, err := newEndpoint(configuration, hooks.policy, hooks.timeout)
	if err != nil || !hooks.handshake.asks(e) {
		return err
	}
	// Where it is the operator who asks, an endpoint from before is left in peace.
	was, err := newEndpoint(before, hooks.policy, hooks.timeout)
	if err == nil && was.url.String() == e.url.String() && hooks.handshake.asks(was) {
		return nil
	}
	return hooks.shake(ctx, e)
}

// shake asks an endpoint. Status codes alone say nothing, since anything may answer
// OPTIONS; what counts is the header of a success.
func (w *webhooks) shake(ctx context.Context, e *endpoint) error {
	ctx, cancel := within(ctx, min(handshakeTimeout, w.timeout))
	defer cancel()
	header := maps.Clone(e.header)
	header[headerRequestOrigin] = []string{w.handshake.origin()}
	a := w.exchanger.do(ctx, request{method: http.MethodOptions, url: e.url, target: e.target, header: header})
	if a.Class == deliver.ClassInterrupted {
		return fmt.Errorf("asking an endpoint: %w", context.Cause(ctx))
	}
	if a.Class != "" {
		return badURL("does not agree to deliveries: asked by OPTIONS, " + a.Message)
	}
	switch allowed := a.header.Values(headerAllowedOrigin); {
	case len(allowed) == 0:
		return badURL("does not agree to deliveries: its answer to OPTIONS has no WebHook-Allowed-Origin")
	case len(allowed) > 1 || allowed[0] != "*" && !strings.EqualFold(allowed[0], w.handshake.origin()):
		return badURL("does not agree to deliveries from " + w.handshake.origin() + ": its answer to OPTIONS allows another origin")
	}
	return nil
}

func (h Handshake) origin() string { return cmp.Or(h.Origin, "localhost") }
