package push_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// FuzzConfiguration: whatever a subscriber writes for any kind of destination (URLs,
// headers, connection strings, service accounts, ARNs), it is taken or refused by members
// that are named, and no fault quotes a secret.
func FuzzConfiguration(f *testing.F) {
	rows := conformers()
	kinds := make([]*push.Pushers, len(rows))
	for i, c := range rows {
		var o push.Options
		if c.options != nil {
			o = c.options(&testing.T{}, "https://receiver.example")
		}
		o.Policy = push.Strict()
		kinds[i] = push.New(o)
		f.Add(byte(i), []byte(c.configuration("https://receiver.example")))
		for _, hostile := range slices.Sorted(maps.Keys(c.hostile)) {
			f.Add(byte(i), []byte(hostile))
		}
	}
	f.Fuzz(func(t *testing.T, n byte, configuration []byte) {
		i := int(n) % len(rows)
		err := kinds[i].Check(rows[i].kind, configuration)
		if err == nil {
			if !json.Valid(configuration) {
				t.Fatalf("took %q", configuration)
			}
			return
		}
		refused, ok := errors.AsType[*hermod.Error](err)
		if !ok || refused.Code != hermod.CodeInvalid || len(refused.Fields) == 0 {
			t.Fatalf("%q: %v", configuration, err)
		}
		for _, field := range refused.Fields {
			if !strings.HasPrefix(field.Name, "typeConfiguration") || field.Reason == "" || !utf8.ValidString(field.Name) || strings.Contains(field.Reason, "s3cret") {
				t.Fatalf("%q: %+v", configuration, field)
			}
		}
	})
}

// whatever answers as a fuzz test says.
type whatever struct {
	mu sync.Mutex
	// status, header and body are of each answer.
	status int
	header http.Header
	body   []byte
	// tokens says that token services answer so too.
	tokens bool
}

func (a *whatever) set(status int, retryAfter, kind string, body []byte, tokens bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.body, a.tokens = status, body, tokens
	a.header = http.Header{"Retry-After": {retryAfter}, "Content-Type": {kind}, "X-Amzn-Errortype": {kind}, "Location": {retryAfter}}
}

func (a *whatever) answer(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, values := range a.header {
		w.Header().Set(name, printable(values[0]))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// printable is a text that can stand in a header: without control characters the answer
// breaks off no earlier than the test wants.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// side answers what is no push, unless whatever is to answer that too.
func (a *whatever) side(c conformer, w http.ResponseWriter, r *http.Request) bool {
	a.mu.Lock()
	tokens := a.tokens
	a.mu.Unlock()
	return !tokens && c.side != nil && c.side(w, r)
}

// FuzzAnswer: whatever an endpoint, a queue or a token service answers, the result is one
// that can be kept: a class unless it succeeded, a wait of a day at most, and of the answer
// no more than its bound, in UTF-8.
func FuzzAnswer(f *testing.F) {
	rows := conformers()
	answers := make([]whatever, len(rows))
	pushers := make([]*push.Pushers, len(rows))
	subscriptions := make([]*hermod.Subscription, len(rows))
	for i, c := range rows {
		server := newServer(f, func(w http.ResponseWriter, r *http.Request) {
			if !answers[i].side(c, w, r) {
				answers[i].answer(w, r)
			}
		})
		pushers[i], subscriptions[i] = c.pushing(&testing.T{}, server.URL) // made once: each has connections of its own
		for _, name := range slices.Sorted(maps.Keys(c.answers)) {
			a := c.answers[name]
			f.Add(byte(i), a.status, a.header["Retry-After"], "application/json", []byte(a.body), false)
		}
	}
	f.Add(byte(3), 200, "Wed, 21 Oct 2015 07:28:00 GMT", "", []byte(`{"access_token":"t","expires_in":1e99}`), true)
	f.Add(byte(3), 200, "-1", "text/html", []byte(`{"messageIds":[null]}`), false)
	f.Add(byte(6), 200, "99999999999999999999", "", []byte(`{"FailedEntryCount":1,"Entries":[{"ErrorCode":"x"}]}`), false)
	f.Add(byte(4), 200, "", "text/xml", []byte("<AssumeRoleResponse><AssumeRoleResult><Credentials><Expiration>x"), true)
	f.Fuzz(func(t *testing.T, n byte, status int, retryAfter, kind string, body []byte, tokens bool) {
		if status < 200 || status > 599 {
			status = 200 + int(uint(status)%400)
		}
		i := int(n) % len(rows)
		answers[i].set(status, retryAfter, kind, body, tokens)
		ps, s := pushers[i], subscriptions[i]
		s.Version++ // what it has kept, tokens too, is made anew
		check := func(r deliver.Result) {
			if r.Succeeded() != (r.Class == "") || r.RetryAfter < 0 || r.RetryAfter > 24*time.Hour || len(r.Response) > hermod.MaxFailedResponseKept ||
				!utf8.ValidString(r.Response) || !utf8.ValidString(r.Message) || (r.Class != "" && r.Message == "") || strings.Contains(r.Message+r.Target, "s3cret") {
				t.Fatalf("%s: %+v", rows[i].kind, r)
			}
			if !tokens && r.StatusCode != status && !bytes.Contains(body, []byte("essage")) {
				t.Fatalf("%s: %d for %d", rows[i].kind, r.StatusCode, status)
			}
		}
		check(ps.Push(t.Context(), s, eventPayload()))
		for _, finding := range ps.Probe(t.Context(), s) {
			if finding.Name == "" || finding.Message == "" || strings.Contains(finding.Message, "s3cret") {
				t.Fatalf("%s: %+v", rows[i].kind, finding)
			}
		}
	})
}
