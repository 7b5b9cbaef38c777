// Package e2e is the end-to-end suite: what a platform and its subscribers see of
// Hermod, through the API, the queues and the bus alone. It runs against the
// embedded engine in process, and against the deployed template on an emulator.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hermod/test/openapi/contract"
	"hermod/test/vault"
)

// A Target is a running Hermod with the local owners and clients of
// provision.Local.
type Target struct {
	// BaseURL is where clients reach it.
	BaseURL string
	// OwnHost is where a dialect has a host of its own, and the name to call it by;
	// "" for the name of where it is.
	OwnHost func(t *testing.T, dialect string) (base, host string)
	// SendIngest puts a body into the ingest queue.
	SendIngest func(ctx context.Context, body []byte) error
	// PutBusEvent puts an event on the event bus.
	PutBusEvent func(ctx context.Context, source, detailType string, detail []byte) error
	// IngestDeadLetters and DeadLetters are the bodies in the dead-letter queues.
	IngestDeadLetters func(ctx context.Context) ([][]byte, error)
	DeadLetters       func(ctx context.Context) ([][]byte, error)
	// Redrive moves dead letters of the delivery queue back, that of the event at
	// least.
	Redrive func(ctx context.Context, eventID string) error
	// Clouds stands in for the hosts of clouds; nil where a target cannot be told so.
	Clouds *Clouds
	// Vault keeps the secrets that the suite uses; nil for none.
	Vault *vault.Vault
	// Patience bounds every wait for what must come about.
	Patience time.Duration
}

// Waits are the waits between attempts that a target must be set to. The last one is longer
// than QueueWait and so goes by the due index.
func Waits() []time.Duration { return []time.Duration{time.Second, time.Second, 2 * time.Second} }

// QueueWait is the longest wait that a target may leave in the queue.
const QueueWait = 1500 * time.Millisecond

// The owners of the local clients.
const (
	localAccount      = "a-spge-LocalAccount00000001"
	localOrganization = "o-p-LocalOrganization001"
	otherAccount      = "a-spge-OtherAccount00000002"
)

// A caller calls the API as one client.
type caller struct {
	t      *testing.T
	target Target
	token  string
}

// as gets a token for a local client, with its credentials in the body.
func (target Target) as(t *testing.T, client string) *caller {
	t.Helper()
	c := &caller{t: t, target: target}
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"signicat-api events.publish"},
		"client_id": {client}, "client_secret": {client + "-secret"},
	}
	answer := c.do(http.MethodPost, target.BaseURL+"/auth/open/connect/token", "application/x-www-form-urlencoded", form.Encode())
	c.token = answer.want(http.StatusOK).text("access_token")
	return c
}

// An answer is what the API said.
type answer struct {
	t      *testing.T
	call   string
	status int
	header http.Header
	body   []byte
}

func (c *caller) do(method, link, contentType, body string, header ...string) *answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, link, strings.NewReader(body))
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, link, err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	c.target.Vault.KeepRequest(r, []byte(body))
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, link, err)
	}
	defer got.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(got.Body)
	if err != nil {
		c.t.Fatalf("%s %s: reading the answer: %v", method, link, err)
	}
	c.target.Vault.KeepJSON(text)
	c.compare(contract.Exchange{
		Method: method, Target: strings.TrimPrefix(link, c.target.BaseURL), RequestType: contentType, RequestBody: []byte(body),
		Status: got.StatusCode, Header: got.Header, Body: text,
	})
	return &answer{t: c.t, call: method + " " + link, status: got.StatusCode, header: got.Header, body: text}
}

// compare fails the test where an answer is not one that docs/openapi.yaml
// describes: the description is the oracle of the suite.
func (c *caller) compare(x contract.Exchange) {
	c.t.Helper()
	description, err := contract.Shared()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := description.Check(x); err != nil {
		c.t.Errorf("against docs/openapi.yaml: %v", err)
	}
}

// api calls a path of the native API with a JSON body; a link is called as it is.
func (c *caller) api(method, path string, body any, header ...string) *answer {
	c.t.Helper()
	link := path
	if strings.HasPrefix(path, "/") {
		link = c.target.BaseURL + "/events-management" + path
	}
	if body == nil {
		return c.do(method, link, "", "", header...)
	}
	text, ok := body.(string)
	if !ok {
		text = toJSON(c.t, body)
	}
	return c.do(method, link, "application/json", text, header...)
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.call, a.status, status, a.body)
	}
	return a
}

// value is a member of the answer by its path, such as "data.0.event.id".
func (a *answer) value(path string) any {
	a.t.Helper()
	var v any
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		a.t.Fatalf("%s: not JSON: %v: %s", a.call, err, a.body)
	}
	return dig(v, path)
}

func dig(v any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[part]
		case []any:
			i := 0
			for _, digit := range part {
				i = 10*i + int(digit-'0')
			}
			if i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

func (a *answer) text(path string) string {
	a.t.Helper()
	s, ok := a.value(path).(string)
	if !ok {
		a.t.Fatalf("%s: %s is no text: %s", a.call, path, a.body)
	}
	return s
}

// number is a whole number in the answer; -1 where there is none.
func (a *answer) number(path string) int64 {
	a.t.Helper()
	n, ok := a.value(path).(json.Number)
	if !ok {
		return -1
	}
	i, err := n.Int64()
	if err != nil {
		a.t.Fatalf("%s: %s is no whole number: %s", a.call, path, a.body)
	}
	return i
}

func (a *answer) list(path string) []any {
	a.t.Helper()
	l, ok := a.value(path).([]any)
	if !ok {
		a.t.Fatalf("%s: %s is no array: %s", a.call, path, a.body)
	}
	return l
}

// eventually polls until check answers "" and fails with what it last answered.
func (target Target) eventually(t *testing.T, check func() string) {
	t.Helper()
	deadline := time.NewTimer(target.Patience)
	defer deadline.Stop()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		problem := check()
		if problem == "" {
			return
		}
		select {
		case <-pause.C:
		case <-deadline.C:
			t.Fatalf("after %s: %s", target.Patience, problem)
		}
	}
}
