package push_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// A conformer is a kind of destination as the suite below sees it. Every kind has a
// row in conformers.
type conformer struct {
	kind string
	// options are what the kind needs beside the local policy to push to the server
	// in its hosts' place; nil for nothing.
	options func(t *testing.T, server string) push.Options
	// configuration is a good one. Each secret in it holds the text s3cret.
	configuration func(server string) string
	// side answers what is no push, such as the request of a token, and reports false
	// of a push; nil where the kind makes no other requests.
	side func(w http.ResponseWriter, r *http.Request) bool
	// success is how the destination takes an event.
	success func(w http.ResponseWriter)
	// answers are how it says each of what failures() lists, and what the kind must
	// make of it.
	answers map[string]failing
	// hostile are configurations that must be refused when they are written, by the
	// member that must be named. None may be shown.
	hostile map[string]string
	// target is what a result shows of the destination.
	target func(server string) string
	// asks says that a probe may make other requests than HEAD, with a body.
	asks bool
}

// failing is an answer of a destination and what must become of it.
type failing struct {
	status     int
	header     map[string]string
	body       string
	class      string
	reason     hermod.Reason // what ends the run; "" where it goes on
	retryAfter time.Duration
}

// failures are what every row has an answer for.
func failures() []string {
	return []string{"throttled", "busy", "bad credential", "too large", "gone", "server error"}
}

func conformers() []conformer {
	return append([]conformer{
		webhookRow(), azureRow(), mintRow(), pubsubRow(), sqsRow(), snsRow(), eventBridgeRow(), kinesisRow(),
	}, keylessRows()...)
}

// suite runs f for each kind.
func suite(t *testing.T, f func(t *testing.T, c conformer)) {
	t.Helper()
	t.Parallel()
	for _, c := range conformers() {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			f(t, c)
		})
	}
}

// serving is a server that answers the kind's pushes so, and what pushes to it.
func (c conformer) serving(t *testing.T, answer http.HandlerFunc) (*push.Pushers, *hermod.Subscription, string) {
	t.Helper()
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if c.side == nil || !c.side(w, r) {
			answer(w, r)
		}
	})
	ps, s := c.pushing(t, server.URL)
	return ps, s, server.URL
}

// pushing is what pushes to the server in the place of the kind's hosts.
func (c conformer) pushing(t *testing.T, server string) (*push.Pushers, *hermod.Subscription) {
	t.Helper()
	var o push.Options
	if c.options != nil {
		o = c.options(t, server)
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	return newPushers(t, o), &hermod.Subscription{
		ID: "s-1", Owner: "a-1", Type: c.kind, Version: 1, Secrets: hermod.Secrets{Configuration: json.RawMessage(c.configuration(server))},
	}
}

// eventPayload is an event that a queue gets.
func eventPayload() deliver.Payload {
	p := payload()
	p.Body = []byte("{\"id\":\"82fa52a9bc7549438b8c6aee71569fa7\",\"text\":\"<&>\u2028æ\"}\n")
	p.Header = http.Header{"X-Signicat-Signature": {"0123abcd"}, "Webhook-Id": {"82fa52a9bc7549438b8c6aee71569fa7"}}
	p.Event = deliver.Attributes{
		ID: "82fa52a9bc7549438b8c6aee71569fa7", Sender: "signature-api", Name: "order.completed",
		Time: time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC), Account: "a-1", Tags: []string{"one", "nøkkel", `"q"`},
	}
	return p
}

// discreet fails the test where a result shows a secret.
func discreet(t *testing.T, r any) {
	t.Helper()
	if strings.Contains(fmt.Sprintf("%+v", r), "s3cret") {
		t.Errorf("a secret in %+v", r)
	}
}

func TestEveryKindPushesAnEvent(t *testing.T) {
	suite(t, func(t *testing.T, c conformer) {
		ps, s, url := c.serving(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			c.success(w)
		})
		for range 3 {
			r := ps.Push(t.Context(), s, eventPayload())
			if !r.Succeeded() || r.Permanent != "" || r.Message != "" || r.StatusCode == 0 || r.Target != c.target(url) {
				t.Errorf("got %+v", r)
			}
			discreet(t, r)
		}
	})
}

func TestEveryKindTellsItsFailuresApart(t *testing.T) {
	suite(t, func(t *testing.T, c conformer) {
		for _, name := range failures() {
			if _, there := c.answers[name]; !there {
				t.Errorf("no answer for %q", name)
			}
		}
		for name, f := range c.answers {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ps, s, url := c.serving(t, func(w http.ResponseWriter, _ *http.Request) {
					for name, value := range f.header {
						w.Header().Set(name, value)
					}
					w.WriteHeader(f.status)
					_, _ = io.WriteString(w, f.body)
				})
				r := ps.Push(t.Context(), s, eventPayload())
				if r.Class != f.class || r.Permanent != f.reason || r.RetryAfter != f.retryAfter || r.StatusCode != f.status || r.Target != c.target(url) || r.Message == "" {
					t.Errorf("got %+v, want %+v", r, f)
				}
				discreet(t, r)
			})
		}
	})
}

func TestEveryKindTriesAgainWhatNeverArrived(t *testing.T) {
	suite(t, func(t *testing.T, c conformer) {
		for name, f := range map[string]struct {
			url            string
			class, message string
		}{
			"refused": {refused(t), deliver.ClassConnect, "the connection was refused"},
			"closed": {
				rawServer(t, func(c net.Conn) { _ = c.Close() }), deliver.ClassConnect, "the connection was closed before the endpoint answered",
			},
			"no HTTP": {answering(t, "SSH-2.0-OpenSSH_9.9\r\n"), deliver.ClassProtocol, "the endpoint's answer was not understood as HTTP"},
		} {
			ps, s := c.pushing(t, f.url)
			r := ps.Push(t.Context(), s, eventPayload())
			if r.Class != f.class || r.Message != f.message || r.Permanent != "" {
				t.Errorf("%s: got %+v", name, r)
			}
			discreet(t, r)
		}
	})
}

func TestEveryKindIsOutOfTimeSoon(t *testing.T) {
	suite(t, func(t *testing.T, c conformer) {
		quickly := c
		quickly.options = func(t *testing.T, server string) push.Options {
			var o push.Options
			if c.options != nil {
				o = c.options(t, server)
			}
			o.Timeout = quick
			return o
		}
		ps, s := quickly.pushing(t, rawServer(t, func(net.Conn) {}))
		r := ps.Push(t.Context(), s, eventPayload())
		if r.Class != deliver.ClassTimeout || r.Permanent != "" {
			t.Errorf("got %+v", r)
		}
		discreet(t, r)
	})
}

func TestNoKindHoldsTheCallersEndAgainstTheDestination(t *testing.T) {
	suite(t, func(t *testing.T, c conformer) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ps, s, _ := c.serving(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		})
		if r := ps.Push(ctx, s, eventPayload()); r.Class != deliver.ClassInterrupted || r.Permanent != "" {
			t.Errorf("got %+v", r)
		}
		if r := ps.Push(ctx, s, eventPayload()); r.Class != deliver.ClassInterrupted {
			t.Errorf("of a caller that has ended already: %+v", r)
		}
	})
}

func TestEveryKindKeepsToTheTargetPolicy(t *testing.T) {
	suite(t, func(t *testing.T, c conformer) {
		var asked atomic.Int64
		server := newServer(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
		ps, s := c.pushing(t, server.URL)
		if r := ps.Push(t.Context(), s, eventPayload()); r.Class == deliver.ClassBlockedTarget {
			t.Fatalf("the local policy: %+v", r)
		}
		before := asked.Load()
		strict := c
		strict.options = func(t *testing.T, server string) push.Options {
			var o push.Options
			if c.options != nil {
				o = c.options(t, server)
			}
			o.Policy = push.Strict()
			return o
		}
		ps, _ = strict.pushing(t, server.URL)
		r := ps.Push(t.Context(), s, eventPayload())
		if r.Class != deliver.ClassBlockedTarget || r.Permanent != hermod.ReasonBlockedTarget || asked.Load() != before {
			t.Errorf("got %+v", r)
		}
		discreet(t, r)
	})
}

func TestNoKindTakesAHostileConfiguration(t *testing.T) {
	suite(t, func(t *testing.T, c conformer) {
		ps, good := c.pushing(t, "http://127.0.0.1:9")
		if err := ps.Check(c.kind, good.Secrets.Configuration); err != nil {
			t.Errorf("a good one: %v", err)
		}
		for _, common := range []string{"", "null", "[]", `"text"`, "{", "7", "{}"} {
			c.hostile[common] = "typeConfiguration"
		}
		for configuration, member := range c.hostile {
			err := ps.Check(c.kind, json.RawMessage(configuration))
			named := fields(err)
			if !slices.ContainsFunc(named, func(name string) bool { return strings.HasPrefix(name, member) }) {
				t.Errorf("%.100s: got %v, want a complaint of %s", configuration, err, member)
			}
			s := &hermod.Subscription{Type: c.kind, Secrets: hermod.Secrets{Configuration: json.RawMessage(configuration)}}
			r := ps.Push(t.Context(), s, eventPayload())
			if r.Class != deliver.ClassConfiguration && r.Class != deliver.ClassBlockedTarget {
				t.Errorf("%.100s: pushed: %+v", configuration, r)
			}
			discreet(t, err)
			discreet(t, r)
			discreet(t, ps.Probe(t.Context(), s))
		}
	})
}

func TestEveryKindIsProbedWithoutAnEvent(t *testing.T) {
	suite(t, func(t *testing.T, c conformer) {
		ps, s, _ := c.serving(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || strings.Contains(string(body), "82fa52") || (!c.asks && (r.Method != http.MethodHead || len(body) > 0)) {
				t.Errorf("%s %s with %q", r.Method, r.URL, body)
			}
			w.WriteHeader(http.StatusTeapot)
		})
		found := ps.Probe(t.Context(), s)
		names := map[string]deliver.Verdict{}
		for _, f := range found {
			names[f.Name] = f.Verdict
			if f.Message == "" || f.Name == "" {
				t.Errorf("%+v", f)
			}
		}
		if names["configuration"] != deliver.Passed || names["connection"] != deliver.Passed || names["answer"] != deliver.Passed {
			t.Errorf("got %+v", found)
		}
		discreet(t, found)

		ps, s = c.pushing(t, refused(t))
		found = ps.Probe(t.Context(), s)
		if last := found[len(found)-1]; last.Verdict != deliver.Failed || last.Message != "the connection was refused" {
			t.Errorf("nobody listens: %+v", found)
		}
	})
}
