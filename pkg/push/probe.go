package push

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// Probe says what a push to the subscription would meet, without an event. The
// first finding that failed is what a push would fail by.
func (ps *Pushers) Probe(ctx context.Context, s *hermod.Subscription) []deliver.Finding {
	to, err := ps.place(s)
	if err != nil {
		r := unusable(err)
		return []deliver.Finding{failed("configuration", r.Message)}
	}
	ctx, cancel := within(ctx, ps.timeout)
	defer cancel()
	return append([]deliver.Finding{passed("configuration", "it can be used")}, to.probe(ctx)...)
}

func passed(name, message string) deliver.Finding {
	return deliver.Finding{Name: name, Verdict: deliver.Passed, Message: message}
}

func failed(name, message string) deliver.Finding {
	return deliver.Finding{Name: name, Verdict: deliver.Failed, Message: message}
}

func unknown(name, message string) deliver.Finding {
	return deliver.Finding{Name: name, Message: message}
}

// A journey notes how far an exchange came. Its marks may be set after the exchange
// has ended, by a dial that nobody waits for any more.
type journey struct{ resolved, connected, open atomic.Bool }

func (j *journey) on(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart: func(string, string) { j.resolved.Store(true) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				j.connected.Store(true)
			}
		},
		GotConn: func(httptrace.GotConnInfo) { j.open.Store(true) },
	})
}

// reach sends a request and says how far it came: to the name, the connection, TLS
// and an answer, whatever its status. Where none came, arrived is false.
func (x *exchanger) reach(ctx context.Context, r request) (a answer, findings []deliver.Finding, arrived bool) {
	var j journey
	to := x.instead.of(r.url)
	_, noAddress := netip.ParseAddr(to.Hostname())
	a = x.do(j.on(ctx), r)
	open := j.open.Load() || a.StatusCode != 0
	connected := open || j.connected.Load()
	stages := []struct {
		name, message string
		applies, ok   bool
	}{
		{"name", "it resolves", noAddress != nil, connected || j.resolved.Load()},
		{"connection", "it is accepted", true, connected},
		{"tls", tlsSummary(a.tls, x.now()), to.Scheme == "https", open},
		{"answer", fmt.Sprintf("it came, with status %d", a.StatusCode), true, a.StatusCode != 0},
	}
	for _, stage := range stages {
		if !stage.applies {
			continue
		}
		if !stage.ok {
			return a, append(findings, failed(stage.name, a.Message)), false
		}
		findings = append(findings, passed(stage.name, stage.message))
	}
	return a, findings, true
}

// tlsSummary says which TLS was spoken and how long the certificate lasts.
func tlsSummary(state *tls.ConnectionState, now time.Time) string {
	if state == nil || len(state.PeerCertificates) == 0 {
		return "the handshake is done"
	}
	until := state.PeerCertificates[0].NotAfter
	return fmt.Sprintf("%s; the certificate is valid until %s, for %d more days",
		tls.VersionName(state.Version), until.UTC().Format(time.DateOnly), int(until.Sub(now).Hours()/24))
}

// probe asks for the endpoint's header: HEAD changes nothing there (RFC 9110,
// section 9.2.1). The subscriber's own headers go along, as with a delivery.
func (w *webhook) probe(ctx context.Context) []deliver.Finding {
	ctx, cancel := w.within(ctx)
	defer cancel()
	_, findings, arrived := w.exchanger.reach(ctx, request{method: http.MethodHead, url: w.url, target: w.target, header: w.header.Clone()})
	if arrived {
		findings = append(findings, unknown("delivery", "how the endpoint takes an event is not known: a HEAD was sent, and no event; a mocked event tells"))
	}
	return findings
}
