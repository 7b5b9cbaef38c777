package push_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// A published is one request of publish, read as Google reads it.
type published struct {
	path, authorization string
	Messages            []publishedMessage `json:"messages"`
}

type publishedMessage struct {
	Data        []byte            `json:"data"`
	Attributes  map[string]string `json:"attributes"`
	OrderingKey string            `json:"orderingKey"`
}

func readPublished(t *testing.T, r *http.Request) published {
	t.Helper()
	p := published{path: r.URL.Path, authorization: r.Header.Get("Authorization")}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Errorf("reading a publish: %v", err)
	}
	if r.Host != "pubsub.googleapis.com" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s%s, %v", r.Method, r.Host, r.URL, r.Header)
	}
	return p
}

// takeAll answers the ids of the messages.
func takeAll(w http.ResponseWriter, p published) {
	ids := make([]string, len(p.Messages))
	for i := range ids {
		ids[i] = fmt.Sprint("m", i)
	}
	_, _ = io.WriteString(w, textOf(map[string]any{"messageIds": ids}))
}

// pubsub is what publishes by the configuration, by a clock that tests set.
func pubsub(t *testing.T, configuration string, now func() time.Time, answer http.HandlerFunc) (*push.Pushers, *hermod.Subscription) {
	t.Helper()
	server := newServer(t, answer)
	ps := newPushers(t, push.Options{Endpoints: endpointsFor(t, server.URL, "googleapis.com"), Now: now, Timeout: 5 * time.Second})
	return ps, &hermod.Subscription{
		ID: "s-1", Owner: "a-1", Type: hermod.GooglePubSub, Version: 1, Secrets: hermod.Secrets{Configuration: json.RawMessage(configuration)},
	}
}

func TestAMessageOfPubSubSaysWhatTheEventIs(t *testing.T) {
	t.Parallel()
	p := eventPayload()
	configuration := pubsubConfiguration(textOf(credential(nil)), map[string]any{
		"projectId": "acme-test", "orderingKey": "{type}", "attributes": map[string]any{"stage": "test", "webhook-id": "mine"},
	})
	ps, s := pubsub(t, configuration, nil, func(w http.ResponseWriter, r *http.Request) {
		got := readPublished(t, r)
		want := published{path: "/v1/projects/acme-test/topics/events:publish", authorization: got.authorization, Messages: []publishedMessage{{
			Data: p.Body, OrderingKey: "signature-api:order.completed",
			Attributes: map[string]string{
				"sender": "signature-api", "eventName": "order.completed", "eventId": p.Event.ID, "tags": `one,nøkkel,"q"`,
				"content-type": "application/json", "x-signicat-signature": "0123abcd", "webhook-id": p.Event.ID, "stage": "test",
			},
		}}}
		if textOf(got) != textOf(want) || got.path != want.path {
			t.Errorf("got %+v, want %+v", got, want)
		}
		takeAll(w, got)
	})
	if r := ps.Push(t.Context(), s, p); !r.Succeeded() || r.Response != `{"messageIds":["m0"]}` {
		t.Errorf("got %+v", r)
	}
	p.Event.Tags = []string{strings.Repeat("t", 600), strings.Repeat("u", 600)}
	ps, s = pubsub(t, pubsubConfiguration(credential(nil), map[string]any{"topicId": nil, "topic": "events", "topicName": "projects/other-one/topics/events"}), nil,
		func(w http.ResponseWriter, r *http.Request) {
			got := readPublished(t, r)
			if _, there := got.Messages[0].Attributes["tags"]; there || got.path != "/v1/projects/other-one/topics/events:publish" {
				t.Errorf("tags that are too long: %+v", got)
			}
			if got.Messages[0].OrderingKey != "" {
				t.Errorf("ordering key %q", got.Messages[0].OrderingKey)
			}
			takeAll(w, got)
		})
	if r := ps.Push(t.Context(), s, p); !r.Succeeded() {
		t.Errorf("got %+v", r)
	}
}

func TestATokenOfAServiceAccountIsSelfSignedAndKept(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_772_366_400, 0)
	var seen []string
	ps, s := pubsub(t, pubsubConfiguration(credential(nil), nil), func() time.Time { return now }, func(w http.ResponseWriter, r *http.Request) {
		p := readPublished(t, r)
		seen = append(seen, p.authorization)
		takeAll(w, p)
	})
	for _, passed := range []time.Duration{0, 44 * time.Minute, 2 * time.Minute} {
		now = now.Add(passed)
		if r := ps.Push(t.Context(), s, payload()); !r.Succeeded() {
			t.Fatalf("got %+v", r)
		}
	}
	if seen[0] != seen[1] || seen[1] == seen[2] {
		t.Errorf("a token is kept for 45 minutes: %q", seen)
	}
	parts := strings.Split(strings.TrimPrefix(seen[0], "Bearer "), ".")
	if len(parts) != 3 {
		t.Fatalf("token %q", seen[0])
	}
	raw := make([][]byte, 3)
	for i := range raw {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(parts[i]); err != nil {
			t.Fatal(err)
		}
	}
	const header = `{"alg":"RS256","typ":"JWT","kid":"s3cret-key-id"}`
	const claims = `{"iss":"hermod@acme-prod.iam.gserviceaccount.com","sub":"hermod@acme-prod.iam.gserviceaccount.com",` +
		`"aud":"https://pubsub.googleapis.com/","iat":1772366400,"exp":1772370000}`
	if string(raw[0]) != header || string(raw[1]) != claims {
		t.Errorf("got %s and %s", raw[0], raw[1])
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&accountKey().PublicKey, crypto.SHA256, digest[:], raw[2]); err != nil {
		t.Errorf("the signature: %v", err)
	}
}

// A token that Google takes no more is made anew at the next push, not kept for what
// is left of its hour.
func TestARefusedTokenIsForgotten(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Unix(1_772_366_400, 0)
	seen := map[string]bool{}
	ps, s := pubsub(t, pubsubConfiguration(credential(nil), nil), func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}, func(w http.ResponseWriter, r *http.Request) {
		seen[readPublished(t, r).authorization] = true
		w.WriteHeader(http.StatusUnauthorized)
	})
	for range 2 {
		if r := ps.Push(t.Context(), s, payload()); r.Class != deliver.ClassCredential {
			t.Errorf("got %+v", r)
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d tokens, want 2", len(seen))
	}
}

func TestAProbeOfPubSubAsksWhetherItMayPublish(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		answer string
		want   map[string]deliver.Verdict
	}{
		"allowed":       {200, `{"permissions":["pubsub.topics.publish"]}`, map[string]deliver.Verdict{"credential": deliver.Passed, "topic": deliver.Passed}},
		"not allowed":   {200, `{}`, map[string]deliver.Verdict{"credential": deliver.Passed, "topic": deliver.Failed}},
		"no such topic": {404, googleError(404, "NOT_FOUND", ""), map[string]deliver.Verdict{"credential": deliver.Passed, "topic": deliver.Failed}},
		"bad key":       {401, googleError(401, "UNAUTHENTICATED", ""), map[string]deliver.Verdict{"credential": deliver.Failed}},
		"no answer":     {500, "", map[string]deliver.Verdict{"credential": deliver.Unknown}},
		"no JSON":       {200, "<html>", map[string]deliver.Verdict{"credential": deliver.Unknown}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ps, s := pubsub(t, pubsubConfiguration(credential(nil), nil), nil, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || r.URL.Path != "/v1/projects/acme-prod/topics/events:testIamPermissions" || string(body) != `{"permissions":["pubsub.topics.publish"]}` ||
					!strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
					t.Errorf("%s with %s, %v", r.URL, body, err)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.answer)
			})
			found := map[string]deliver.Verdict{}
			for _, f := range ps.Probe(context.Background(), s) {
				found[f.Name] = f.Verdict
			}
			for _, own := range []string{"configuration", "connection", "answer"} {
				if found[own] != deliver.Passed {
					t.Errorf("%s: %v", own, found)
				}
				delete(found, own)
			}
			if !maps.Equal(found, tt.want) {
				t.Errorf("got %v, want %v", found, tt.want)
			}
		})
	}
}

// One message that Pub/Sub finds fault with takes no other along: here 6 of 9 match the
// topic's schema.
func TestAMessageThatPubSubRefusesFailsAlone(t *testing.T) {
	t.Parallel()
	bad := func(m publishedMessage) bool { return strings.HasPrefix(string(m.Data), "bad") }
	first, rest := make(chan struct{}), make(chan struct{})
	var once sync.Once
	ps, s := pubsub(t, pubsubConfiguration(credential(nil), nil), nil, func(w http.ResponseWriter, r *http.Request) {
		p := readPublished(t, r)
		once.Do(func() {
			close(first)
			<-rest
		})
		if slices.ContainsFunc(p.Messages, bad) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, googleError(400, "INVALID_ARGUMENT", "Invalid data in message: schema"))
			return
		}
		takeAll(w, p)
	})
	var wg sync.WaitGroup
	one := func(body string) {
		wg.Go(func() {
			p := payload()
			p.Body = []byte(body)
			r := ps.Push(t.Context(), s, p)
			if want := map[bool]string{true: deliver.ClassClientError}[strings.HasPrefix(body, "bad")]; r.Class != want {
				t.Errorf("%s: got %+v", body, r)
			}
		})
	}
	one("first")
	<-first
	for i := range 9 {
		one([]string{"good ", "bad ", "good "}[i%3] + fmt.Sprint(i))
	}
	close(rest)
	wg.Wait()
}
