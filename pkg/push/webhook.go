package push

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A webhooks opens webhooks, which push by HTTP POST.
type webhooks struct {
	exchanger *exchanger
	policy    *Policy
	timeout   time.Duration
	handshake Handshake
}

func (w *webhooks) open(_ hermod.Ref, configuration json.RawMessage) (place, error) {
	e, err := newEndpoint(configuration, w.policy, w.timeout)
	if err != nil {
		return nil, err
	}
	hook := &webhook{endpoint: e, exchanger: w.exchanger, bounded: e.timeout < w.timeout}
	if w.handshake.asks(e) {
		hook.origin = w.handshake.origin()
	}
	return hook, nil
}

// A webhook is an endpoint of a subscriber.
type webhook struct {
	*endpoint
	exchanger *exchanger
	// bounded says that the endpoint's timeout is shorter than that of every push.
	bounded bool
	// origin is whose deliveries the endpoint has agreed to; "" where it was not asked.
	origin string
}

// push posts the payload. The signature and id headers win over the subscriber's
// own.
func (w *webhook) push(ctx context.Context, p deliver.Payload) deliver.Result {
	ctx, cancel := w.within(ctx)
	defer cancel()
	header := make(http.Header, len(w.header)+len(p.Header)+3)
	for name, values := range w.header {
		header[name] = values
	}
	for name, values := range p.Header {
		header[name] = values
	}
	if w.origin != "" {
		header[headerRequestOrigin] = []string{w.origin}
	}
	addCloudEvent(header, &p)
	header["Content-Type"] = []string{p.ContentType}
	return w.exchanger.do(ctx, request{url: w.url, target: w.target, header: header, body: p.Body}).Result
}

// within gives ctx the endpoint's own time where that is shorter.
func (w *webhook) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if !w.bounded {
		return ctx, func() {}
	}
	return within(ctx, w.timeout)
}
