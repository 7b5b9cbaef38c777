package push_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// azure is what pushes to a queue at the server, by a clock that tests set.
func azure(t *testing.T, now func() time.Time, answer http.HandlerFunc) (*push.Pushers, *hermod.Subscription) {
	t.Helper()
	row := azureRow()
	endpoints := row.options
	row.options = func(t *testing.T, server string) push.Options {
		o := endpoints(t, server)
		o.Now = now
		return o
	}
	ps, s, _ := row.serving(t, answer)
	return ps, s
}

// tokenOf are the fields of a request's token.
func tokenOf(t *testing.T, r *http.Request) url.Values {
	t.Helper()
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "SharedAccessSignature ")
	fields, err := url.ParseQuery(text)
	if !ok || err != nil {
		t.Errorf("Authorization %q", r.Header.Get("Authorization"))
	}
	return fields
}

func TestAMessageOfAzureSaysWhatTheEventIs(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_772_366_400, 0)
	p := eventPayload()
	ps, s := azure(t, func() time.Time { return now }, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != string(p.Body) || r.RequestURI != "/orders/messages?api-version=2015-01" || r.ProtoMajor != 1 {
			t.Errorf("%s %s over %s: %q, %v", r.Method, r.RequestURI, r.Proto, body, err)
		}
		want := map[string]string{
			"Content-Type": "application/json", "Sender": `"signature-api"`, "Eventname": `"order.completed"`,
			"Tags": `"one,n\u00f8kkel,\"q\""`, "X-Signicat-Signature": `"0123abcd"`,
			"BrokerProperties": `{"MessageId":"82fa52a9bc7549438b8c6aee71569fa7","Label":"signature-api:order.completed"}`,
		}
		for name, value := range want {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%s is %s, want %s", name, got, value)
			}
		}
		if r.Host != "contoso.servicebus.windows.net" {
			t.Errorf("host %s", r.Host)
		}
		token := tokenOf(t, r)
		if token.Get("sr") != "https://contoso.servicebus.windows.net/orders" || token.Get("skn") != "Signicat" || token.Get("se") != "1772370000" {
			t.Errorf("token %v", token)
		}
		w.WriteHeader(http.StatusCreated)
	})
	if r := ps.Push(t.Context(), s, p); !r.Succeeded() {
		t.Errorf("got %+v", r)
	}
}

// The tags of an event may have more bytes than a header takes. The body lists them
// all, so the property is left out.
func TestTagsThatDoNotFitAHeaderAreLeftToTheBody(t *testing.T) {
	t.Parallel()
	ps, s := azure(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if tags, there := r.Header["Tags"]; there {
			t.Errorf("%d bytes", len(tags[0]))
		}
		w.WriteHeader(http.StatusCreated)
	})
	p := eventPayload()
	p.Event.Tags = nil
	for range hermod.MaxTags {
		p.Event.Tags = append(p.Event.Tags, strings.Repeat("🦉", hermod.MaxTag))
	}
	if r := ps.Push(t.Context(), s, p); !r.Succeeded() {
		t.Errorf("got %+v", r)
	}
}

func TestATokenIsKeptUntilItIsNearItsEnd(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Unix(1_772_366_400, 0)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	var last url.Values
	ps, s := azure(t, clock, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		last = tokenOf(t, r)
		if end, err := strconv.ParseInt(last.Get("se"), 10, 64); err != nil || end-now.Unix() < 900 || end-now.Unix() > 3600 {
			t.Errorf("a token that ends in %d s: %v", end-now.Unix(), err)
		}
		w.WriteHeader(http.StatusCreated)
	})
	sent := func(after time.Duration, s *hermod.Subscription) string {
		t.Helper()
		mu.Lock()
		now = now.Add(after)
		mu.Unlock()
		if r := ps.Push(t.Context(), s, eventPayload()); !r.Succeeded() {
			t.Fatalf("got %+v", r)
		}
		mu.Lock()
		defer mu.Unlock()
		return last.Encode()
	}
	first := sent(0, s)
	if again := sent(44*time.Minute, s); again != first {
		t.Error("made anew after 44 minutes")
	}
	if later := sent(2*time.Minute, s); later == first {
		t.Error("the same after 46 minutes")
	}
	changed := *s
	changed.Version++
	changed.Secrets.Configuration = json.RawMessage(azureConfiguration(strings.Replace(azureConnection, "Signicat", "Next", 1), `,"queueName":"orders"`))
	if next := sent(0, &changed); !strings.Contains(next, "skn=Next") {
		t.Errorf("a changed subscription still sends %s", next)
	}
}

func TestAProbeOfAzureSaysWhatItsAnswerMeans(t *testing.T) {
	t.Parallel()
	const description = `<entry xmlns="http://www.w3.org/2005/Atom"><content><QueueDescription/></content></entry>`
	for name, tt := range map[string]struct {
		status             int
		body               string
		credential, entity deliver.Verdict
	}{
		"a sender's key":        {401, azureError(401, "Authorization failed for specified action: Manage,EntityRead."), deliver.Passed, deliver.Unknown},
		"in other words":        {401, azureError(401, "Manage,EntityRead claims required for this operation."), deliver.Passed, deliver.Unknown},
		"another key":           {401, azureError(401, "40103: Invalid authorization token signature"), deliver.Failed, deliver.Unknown},
		"another key, as SAS":   {401, azureError(401, "InvalidSignature: The token has an invalid signature."), deliver.Failed, deliver.Unknown},
		"words nobody knows":    {401, "no", deliver.Unknown, deliver.Unknown},
		"a manager's key":       {200, description, deliver.Passed, deliver.Passed},
		"a topic":               {200, strings.Replace(description, "Queue", "Topic", 1), deliver.Passed, deliver.Passed},
		"no such queue":         {200, `<feed xmlns="http://www.w3.org/2005/Atom"><title>Publicly Listed Services</title></feed>`, deliver.Unknown, deliver.Failed},
		"no such queue, by 404": {404, "", deliver.Unknown, deliver.Failed},
		"busy":                  {503, "", deliver.Unknown, deliver.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ps, s := azure(t, nil, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/orders" || tokenOf(t, r).Get("skn") != "Signicat" {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			found := ps.Probe(t.Context(), s)
			verdicts := map[string]deliver.Verdict{}
			for _, f := range found {
				verdicts[f.Name] = f.Verdict
			}
			if verdicts["credential"] != tt.credential || verdicts["queue or topic"] != tt.entity {
				t.Errorf("got %+v", found)
			}
			discreet(t, found)
		})
	}
}
