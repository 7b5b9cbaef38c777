package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A servicebus is a queue of Azure Service Bus that detects duplicates.
type servicebus struct {
	t         *testing.T
	host, key string
	// may says who may send, by the Authorization header; nil for whoever has the key.
	may func(authorization string) string

	mu       sync.Mutex
	refuse   []int // statuses to answer first
	messages map[string]json.RawMessage
	problems []string
}

// newServicebus starts a namespace of its own with the queue orders.
func newServicebus(t *testing.T, target Target, refuse ...int) *servicebus {
	t.Helper()
	b := &servicebus{
		t: t, host: sender() + ".servicebus.windows.net", key: "a2V5IG9mIG5vYm9keQ==", refuse: refuse, messages: map[string]json.RawMessage{},
	}
	target.Clouds.answer(b.host, b.serve)
	return b
}

func (b *servicebus) connection(key string) string {
	return "Endpoint=sb://" + b.host + "/;SharedAccessKeyName=Signicat;SharedAccessKey=" + key
}

func (b *servicebus) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	problem := ""
	if b.may != nil {
		problem = b.may(r.Header.Get("Authorization"))
	} else {
		problem = b.problem(r)
	}
	switch {
	case problem != "":
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, "<Error><Code>401</Code><Detail>%s</Detail></Error>", problem)
	case r.Method == http.MethodGet:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte("<Error><Code>401</Code><Detail>Authorization failed for specified action: Manage,EntityRead</Detail></Error>"))
	case r.URL.Path != "/orders/messages":
		w.WriteHeader(http.StatusNotFound)
	case len(b.refuse) > 0:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(b.refuse[0])
		b.refuse = b.refuse[1:]
	default:
		var broker struct {
			MessageID string `json:"MessageId"`
		}
		if err := json.Unmarshal([]byte(r.Header.Get("BrokerProperties")), &broker); err != nil || r.Header.Get("Sender") == "" {
			b.problems = append(b.problems, fmt.Sprintf("%v: %v", r.Header, err))
		}
		b.messages[broker.MessageID] = body
		w.WriteHeader(http.StatusCreated)
	}
}

// problem says what is wrong with the request's token; "" where nothing is.
func (b *servicebus) problem(r *http.Request) string {
	fields, err := url.ParseQuery(strings.TrimPrefix(r.Header.Get("Authorization"), "SharedAccessSignature "))
	end, _ := strconv.ParseInt(fields.Get("se"), 10, 64)
	if err != nil || end < time.Now().Unix() || fields.Get("skn") != "Signicat" {
		return "40100: Unauthorized"
	}
	mac := hmac.New(sha256.New, []byte(b.key))
	mac.Write([]byte(url.QueryEscape(fields.Get("sr")) + "\n" + fields.Get("se")))
	if fields.Get("sig") != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		return "40103: Invalid authorization token signature"
	}
	return ""
}

// wait waits until the queue holds the events.
func (b *servicebus) wait(target Target, ids ...string) {
	b.t.Helper()
	target.eventually(b.t, func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, id := range ids {
			body := &answer{t: b.t, call: "message", body: b.messages[id]}
			if len(body.body) == 0 || body.text("id") != id {
				return fmt.Sprintf("event %s is not in the queue of %d", id, len(b.messages))
			}
		}
		return ""
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.problems) > 0 {
		b.t.Errorf("messages: %v", b.problems)
	}
}

// subscribeTo subscribes a destination of any type to what the filter selects.
func (c *caller) subscribeTo(kind, filter string, configuration map[string]any) string {
	c.t.Helper()
	body := map[string]any{"name": "To " + kind, "type": kind, "typeConfiguration": configuration, "eventNameFilter": []string{filter}}
	return c.api(http.MethodPost, "/subscriptions", body).want(http.StatusOK).text("id")
}

func testServiceBus(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	b := newServicebus(t, target, http.StatusServiceUnavailable)
	configuration := map[string]any{"connectionString": b.connection(b.key), "queueName": "orders"}
	subscription := c.subscribeTo("AzureServiceBus", s+":*", configuration)
	shown := c.api(http.MethodGet, "/subscriptions/"+subscription, nil).want(http.StatusOK)
	if shown.text("typeConfiguration.connectionString") != "********" || strings.Contains(string(shown.body), b.key) {
		t.Errorf("shown as %s", shown.body)
	}
	id := c.publish(event(s, "a", map[string]any{"text": "æ<&>"}))
	b.wait(target, id)
	rows := c.waitForRows(subscription, 2)
	if rows[0].number("properties.statusCode") != http.StatusCreated || rows[1].text("properties.errorClass") != "throttled" ||
		rows[0].text("properties.url") != "https://"+b.host+"/orders/messages" {
		t.Errorf("log %s, %s", rows[0].body, rows[1].body)
	}
	// Replayed and mocked as any other subscription.
	c.api(http.MethodPost, "/events/"+id+"/replay", nil).want(http.StatusAccepted)
	mock := c.api(http.MethodPost, "/subscriptions/"+subscription+"/mock", map[string]any{"event": s + ":m"}).want(http.StatusOK)
	b.wait(target, mock.text("eventId"))
	c.waitForRows(subscription, 4)
	check := c.api(http.MethodPost, "/subscriptions/"+subscription+"/check", nil).want(http.StatusOK)
	if check.value("reachable") != true || !strings.Contains(string(check.body), `"name":"credential","ok":true`) {
		t.Errorf("check %s", check.body)
	}
}

func testBadCredential(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	b := newServicebus(t, target)
	configuration := map[string]any{"connectionString": b.connection("b3RoZXI="), "queueName": "orders"}
	subscription := c.subscribeTo("AzureServiceBus", s+":*", configuration)
	check := c.api(http.MethodPost, "/subscriptions/"+subscription+"/check", nil).want(http.StatusOK)
	if check.value("reachable") != false || !strings.Contains(string(check.body), `"name":"credential","ok":false`) {
		t.Errorf("check %s", check.body)
	}
	first, second := c.publish(event(s, "a", 1)), c.publish(event(s, "b", 1))
	for _, row := range c.waitForRows(subscription, 2) {
		if row.text("properties.state") != "dead" || row.text("properties.reason") != "bad_credential" || row.number("properties.statusCode") != http.StatusUnauthorized {
			t.Errorf("row %s", row.body)
		}
	}
	if c.api(http.MethodGet, "/subscriptions/"+subscription, nil).want(http.StatusOK).value("active") != true {
		t.Error("it was switched off")
	}
	// Mended by its owner, it takes what is replayed and what comes.
	configuration["connectionString"] = b.connection(b.key)
	change := map[string]any{"type": "AzureServiceBus", "typeConfiguration": configuration, "eventNameFilter": []string{s + ":*"}}
	c.api(http.MethodPut, "/subscriptions/"+subscription, change).want(http.StatusOK)
	for _, id := range []string{first, second} {
		c.api(http.MethodPost, "/events/"+id+"/replay", nil).want(http.StatusAccepted)
	}
	b.wait(target, first, second, c.publish(event(s, "c", 1)))
}

func testMint(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	got := make(chan string, 1)
	target.Clouds.answer("mint/"+s, func(_ http.ResponseWriter, r *http.Request, body []byte) {
		got <- r.URL.RawQuery + " " + string(body)
	})
	subscription := c.subscribeTo("Mint", s+":*", map[string]any{"flowId": s})
	id := c.publish(event(s, "a", 1))
	select {
	case text := <-got:
		if !strings.HasPrefix(text, `key=operators-own {"id":"`+id+`"`) {
			t.Errorf("the flow got %s", text)
		}
	case <-time.After(target.Patience):
		t.Fatal("the flow was not started")
	}
	row := c.waitForRows(subscription, 1)[0]
	if row.text("properties.state") != "succeeded" || strings.Contains(string(row.body), "operators-own") {
		t.Errorf("log %s", row.body)
	}
}
