package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A pubsub is a project of Google Cloud Pub/Sub with the topic events.
type pubsub struct {
	t       *testing.T
	project string
	// may says who may publish, by the Authorization header; "" lets it in.
	may func(authorization string) string

	mu       sync.Mutex
	refuse   []int // statuses to answer first
	messages map[string]pubsubMessage
	problems []string
}

type pubsubMessage struct {
	Data        []byte            `json:"data"`
	Attributes  map[string]string `json:"attributes"`
	OrderingKey string            `json:"orderingKey"`
}

// newPubsub starts a project of its own.
func newPubsub(t *testing.T, target Target, may func(string) string, refuse ...int) *pubsub {
	t.Helper()
	p := &pubsub{t: t, project: sender(), may: may, refuse: refuse, messages: map[string]pubsubMessage{}}
	target.Clouds.answer("pubsub.googleapis.com/v1/projects/"+p.project, p.serve)
	return p
}

func (p *pubsub) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	topic, method, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/projects/"+p.project+"/topics/"), ":")
	switch problem := p.may(r.Header.Get("Authorization")); {
	case problem != "":
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":{"code":401,"message":%q,"status":"UNAUTHENTICATED"}}`, problem)
	case topic != "events":
		w.WriteHeader(http.StatusNotFound)
	case method == "testIamPermissions":
		_, _ = io.WriteString(w, `{"permissions":["pubsub.topics.publish"]}`)
	case len(p.refuse) > 0:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(p.refuse[0])
		p.refuse = p.refuse[1:]
	default:
		p.publish(w, body)
	}
}

func (p *pubsub) publish(w http.ResponseWriter, body []byte) {
	var publish struct {
		Messages []pubsubMessage `json:"messages"`
	}
	if err := json.Unmarshal(body, &publish); err != nil || len(publish.Messages) == 0 {
		p.problems = append(p.problems, fmt.Sprintf("%s: %v", body, err))
	}
	var ids []string
	for _, m := range publish.Messages {
		if m.OrderingKey != publish.Messages[0].OrderingKey {
			p.problems = append(p.problems, fmt.Sprintf("several ordering keys in one publish: %s", body))
		}
		p.messages[m.Attributes["eventId"]] = m
		ids = append(ids, fmt.Sprint(len(p.messages)))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"messageIds": ids})
}

// wait waits until the topic has the events.
func (p *pubsub) wait(target Target, ids ...string) {
	p.t.Helper()
	target.eventually(p.t, func() string {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, id := range ids {
			body := &answer{t: p.t, call: "message", body: p.messages[id].Data}
			if len(body.body) == 0 || body.text("id") != id {
				return fmt.Sprintf("event %s is not in the topic of %d", id, len(p.messages))
			}
		}
		return ""
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.problems) > 0 {
		p.t.Errorf("messages: %v", p.problems)
	}
}

func (p *pubsub) message(id string) pubsubMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages[id]
}

// accountKey makes a service account's key file, and what lets its tokens in.
func accountKey(t *testing.T) (file map[string]any, may func(string) string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	const email = "hermod@acme.iam.gserviceaccount.com"
	file = map[string]any{
		"type": "service_account", "private_key_id": "key-1", "client_email": email, "token_uri": "https://127.0.0.1:9/",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}
	return file, func(authorization string) string {
		_, err := jwt.Parse(strings.TrimPrefix(authorization, "Bearer "), func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(email), jwt.WithSubject(email), jwt.WithAudience("https://pubsub.googleapis.com/"),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(time.Second))
		if err != nil {
			return err.Error()
		}
		return ""
	}
}

func testPubSub(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	file, may := accountKey(t)
	p := newPubsub(t, target, may, http.StatusServiceUnavailable)
	configuration := map[string]any{
		"credential": file, "projectId": p.project, "topicId": "events", "orderingKey": "{account}", "attributes": map[string]string{"stage": "test"},
	}
	subscription := c.subscribeTo("GooglePubSub", s+":*", configuration)
	shown := c.api(http.MethodGet, "/subscriptions/"+subscription, nil).want(http.StatusOK)
	if shown.text("typeConfiguration.credential") != "********" || strings.Contains(string(shown.body), "PRIVATE KEY") {
		t.Errorf("shown as %s", shown.body)
	}
	id := c.publish(event(s, "a", map[string]any{"text": "æ<&>"}))
	p.wait(target, id)
	rows := c.waitForRows(subscription, 2)
	if rows[0].number("properties.statusCode") != http.StatusOK || rows[1].text("properties.errorClass") != "throttled" ||
		rows[0].text("properties.url") != "https://pubsub.googleapis.com/v1/projects/"+p.project+"/topics/events:publish" {
		t.Errorf("log %s, %s", rows[0].body, rows[1].body)
	}
	if m := p.message(id); m.Attributes["sender"] != s || m.Attributes["eventName"] != "a" || m.Attributes["stage"] != "test" || m.OrderingKey != localAccount {
		t.Errorf("message %+v", m)
	}
	check := c.api(http.MethodPost, "/subscriptions/"+subscription+"/check", nil).want(http.StatusOK)
	if check.value("reachable") != true || !strings.Contains(string(check.body), `"name":"topic","ok":true`) {
		t.Errorf("check %s", check.body)
	}
	// How many of them go together is up to the queue.
	var events []any
	for range 40 {
		events = append(events, event(s, "b", 1))
	}
	many := c.api(http.MethodPost, "/events", map[string]any{"events": events}).want(http.StatusAccepted)
	var ids struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(many.body, &ids); err != nil || len(ids.Data) != len(events) {
		t.Fatalf("%s: %v", many.body, err)
	}
	for _, e := range ids.Data {
		p.wait(target, e.ID)
	}
}
