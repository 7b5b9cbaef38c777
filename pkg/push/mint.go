package push

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A Mint is where the flows of Mint are triggered, as the operator says. Nil is
// nowhere.
type Mint struct{ template string }

// mintFlow stands in the operator's URL where the id of a flow belongs.
const mintFlow = "{flowId}"

// ParseMint reads the operator's URL, which has {flowId} in its path or its query;
// an empty text is nowhere. Like every target it must be one that the policy takes,
// and so must each address that its host resolves to.
func ParseMint(template string, policy *Policy) (*Mint, error) {
	if template == "" {
		return nil, nil
	}
	before, _, ok := strings.Cut(template, mintFlow)
	if u, err := url.Parse(before); !ok || err != nil || u.Host == "" || (u.Path == "" && u.RawQuery == "") {
		return nil, errors.New("the URL that triggers flows of Mint must have " + mintFlow + " in its path or its query")
	}
	m := &Mint{template}
	if _, err := m.url("flow", policy); err != nil {
		return nil, errors.New("the URL that triggers flows of Mint " + reasonOf(err))
	}
	return m, nil
}

// url gives where the flow is triggered.
func (m *Mint) url(flow string, policy *Policy) (*url.URL, error) {
	return policy.parse(strings.ReplaceAll(m.template, mintFlow, flow))
}

func reasonOf(err error) string {
	if e, ok := errors.AsType[*hermod.Error](err); ok && len(e.Fields) > 0 {
		return e.Fields[0].Reason
	}
	return "cannot be read"
}

// mintConfiguration is typeConfiguration of a Mint.
type mintConfiguration struct {
	FlowID string `json:"flowId"`
}

// mintFlows open flows of Mint.
type mintFlows struct {
	exchanger *exchanger
	policy    *Policy
	trigger   *Mint
}

func (m *mintFlows) open(_ hermod.Ref, configuration json.RawMessage) (place, error) {
	if m.trigger == nil {
		return nil, hermod.InvalidFields(hermod.FieldError{Name: "type", Reason: "is not configured here"})
	}
	var c mintConfiguration
	if err := decode(configuration, &c, "must be an object with a text flowId"); err != nil {
		return nil, err
	}
	var f faults
	switch {
	case c.FlowID == "":
		f.add("flowId", "is required")
	case !validFlow(c.FlowID):
		f.add("flowId", "must be 1 to 128 letters, digits, '.', '-', '_' and '~'")
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	u, err := m.trigger.url(c.FlowID, m.policy)
	if err != nil {
		return nil, err
	}
	return &mintPlace{exchanger: m.exchanger, url: u}, nil
}

// maxFlow bounds the id of a flow in bytes.
const maxFlow = 128

// validFlow lets through what stands in a path or a query as it is, and is no step in
// a path.
func validFlow(id string) bool {
	return len(id) <= maxFlow && strings.Trim(id, ".") != "" &&
		!strings.ContainsFunc(id, func(r rune) bool { return !unreserved(r) })
}

// A mintPlace is a flow of Mint.
type mintPlace struct {
	exchanger *exchanger
	url       *url.URL
}

// push posts the event; the flow is in the URL. A 401 or 403 is about the operator's
// URL, which the subscriber cannot mend: it is tried again.
func (m *mintPlace) push(ctx context.Context, p deliver.Payload) deliver.Result {
	header := make(http.Header, len(p.Header)+3)
	for name, values := range p.Header {
		header[name] = values
	}
	addCloudEvent(header, &p)
	header["Content-Type"] = []string{p.ContentType}
	a := m.exchanger.do(ctx, request{url: m.url, header: header, body: p.Body})
	if a.StatusCode != http.StatusUnauthorized && a.StatusCode != http.StatusForbidden {
		a.refine()
	}
	return a.Result
}

// probe asks for the trigger's header, which starts nothing.
func (m *mintPlace) probe(ctx context.Context) []deliver.Finding {
	_, findings, arrived := m.exchanger.reach(ctx, request{method: http.MethodHead, url: m.url})
	if arrived {
		findings = append(findings, unknown("flow", "whether it exists is not known: a HEAD was sent, and no event; a mocked event tells"))
	}
	return findings
}
