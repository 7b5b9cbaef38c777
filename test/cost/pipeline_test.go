package cost_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/awscfg/awscount"
	"hermod/pkg/deliver"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/push"
	"hermod/pkg/seal"
	"hermod/pkg/sqs"
	"hermod/test/cost"
)

const batch = 10

// A pipeline is accept and deliver as the functions wire them, with every request of
// every client counted, every line that they log, and every byte that leaves.
type pipeline struct {
	t         *testing.T
	counter   *awscount.Counter
	logged    *lines
	acceptor  *ingest.Acceptor
	server    http.Handler
	deliverer *deliver.Deliverer
	client    *sdk.Client
	url       string
	account   string
	body      string // of an event

	mu     sync.Mutex
	egress int
}

// lines counts what is logged.
type lines struct {
	mu       sync.Mutex
	n, bytes int
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	l.bytes += len(p)
	return len(p), nil
}

func random(p []byte) { _, _ = rand.Read(p) } // it never fails: see crypto/rand.Read

// sealed is the store with its secrets sealed.
type sealed struct {
	*seal.Store
	plain
}

type plain struct{ *dynamo.Store }

// newPipeline is a pipeline over tables that are there and a queue of its own, warm.
func newPipeline(t *testing.T, cfg aws.Config, tables dynamo.Tables) *pipeline {
	t.Helper()
	p := &pipeline{t: t, counter: awscount.New(), logged: &lines{}, account: "a-ppge-" + rand.Text()[:20]}
	cfg = p.counter.Attach(cfg)
	store := dynamo.New(cfg, tables, time.Now, random).WithPutTimeout(time.Minute) // emulators are slow
	p.client = sdk.NewFromConfig(cfg)
	queue, err := p.client.CreateQueue(t.Context(), &sdk.CreateQueueInput{QueueName: aws.String("cost-" + rand.Text())})
	if err != nil {
		t.Fatal(err)
	}
	p.url = *queue.QueueUrl
	// As lambdacontext.NewLogger writes in a function, which knows its request.
	log := slog.New(slog.NewJSONHandler(p.logged, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr})).
		With(slog.String("requestId", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"))
	p.acceptor = ingest.New(ingest.Options{
		Config: store, IDs: hermod.NewIDs(time.Now, random), Now: time.Now, Log: log,
		Journal: ingest.Direct{Store: store, Queue: sqs.New(cfg, sqs.Options{URL: p.url, Now: time.Now, Log: log})},
	})
	events := &signicat.Events{Acceptor: p.acceptor, BaseURL: "https://events.example.com", Now: time.Now}
	p.server = api.NewServer(api.Options{
		Dialect: known{account: p.account}, Routes: events.Routes(), Log: log, Now: time.Now, Trace: rand.Text,
	})
	keys, err := seal.NewLocalKeys(filepath.Join(t.TempDir(), "key"), random)
	if err != nil {
		t.Fatal(err)
	}
	secrets := sealed{seal.NewStore(store, seal.NewBox(keys, random, time.Now), time.Now, log), plain{store}}
	p.deliverer = deliver.New(deliver.Options{
		Store: secrets, Pusher: push.New(push.Options{Policy: push.Local()}), MaxReceives: 10,
		Encoders: map[hermod.Dialect]deliver.Encoder{hermod.Signicat: signicat.Encoder{}},
		Now:      time.Now, Random: mathrand.Float64, Log: log,
	})
	p.readEvent()
	p.subscribe(store, secrets)
	p.publish(cost.HTTPS, 1) // the first event registers its type and reads the subscriptions
	p.deliver(1)
	return p
}

// known is a dialect that knows the caller, as one does that has read the credential in
// the last minute.
type known struct {
	signicat.Dialect
	account string
}

func (k known) Authenticate(*http.Request) (*hermod.Principal, error) {
	return &hermod.Principal{
		Account: k.account, CredentialID: rand.Text(), Scopes: []string{hermod.ScopePublish},
	}, nil
}

// readEvent takes the event of 1.5 KB, as the account's.
func (p *pipeline) readEvent() {
	p.t.Helper()
	text, err := os.ReadFile("testdata/event.json")
	if err != nil {
		p.t.Fatal(err)
	}
	var event struct{ AccountID string }
	if err := json.Unmarshal(text, &event); err != nil {
		p.t.Fatal(err)
	}
	p.body = strings.Replace(strings.TrimSpace(string(text)), event.AccountID, p.account, 1)
	if n := len(p.body); n < 1500 || n > 1600 {
		p.t.Fatalf("the event has %d bytes, want 1.5 KB", n)
	}
}

func (p *pipeline) subscribe(store *dynamo.Store, secrets sealed) {
	p.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := httputil.DumpRequest(r, true)
		if err != nil {
			p.t.Error(err)
		}
		p.left(len(sent))
		_, _ = w.Write([]byte("ok"))
	}))
	p.t.Cleanup(server.Close)
	if err := store.CreateOwner(p.t.Context(), hermod.Owner{ID: p.account, CreatedAt: time.Now()}); err != nil {
		p.t.Fatal(err)
	}
	err := secrets.CreateSubscription(p.t.Context(), &hermod.Subscription{
		ID: "s-" + p.account + "-abcde", Owner: p.account, Dialect: hermod.Signicat, Name: "production webhook", Active: true,
		Type: hermod.Webhook, Signing: hermod.HMACSHA256, CreatedAt: time.Now(), UpdatedAt: time.Now(), Version: 1,
		Secrets: hermod.Secrets{Configuration: fmt.Appendf(nil, `{"url":%q}`, server.URL), SigningSecret: "secret"},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// left counts bytes that leave AWS.
func (p *pipeline) left(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.egress += n
}

// publish accepts n events.
func (p *pipeline) publish(way cost.Stage, n int) {
	p.t.Helper()
	switch way {
	case cost.HTTPS, cost.HTTPSKeyed:
		for range n {
			p.request(way == cost.HTTPSKeyed)
		}
		return
	}
	messages := make([]hermod.Received, n)
	for i := range messages {
		body := p.body
		if way == cost.EventBridge {
			body = p.envelope()
		}
		messages[i] = hermod.Received{ID: rand.Text(), Body: []byte(body), Receives: 1, SentAt: time.Now()}
	}
	for i, outcome := range p.acceptor.Handle(p.t.Context(), messages) {
		if outcome.Action != hermod.Done {
			p.t.Fatalf("message %d: %+v, want it accepted", i, outcome)
		}
	}
}

func (p *pipeline) request(keyed bool) {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), http.MethodPost, signicat.Base+"/events", strings.NewReader(p.body))
	r.Header.Set("Content-Type", "application/json")
	if keyed {
		r.Header.Set("Idempotency-Key", rand.Text())
	}
	w := httptest.NewRecorder()
	p.server.ServeHTTP(w, r)
	if w.Code != http.StatusAccepted {
		p.t.Fatalf("got %d: %s", w.Code, w.Body)
	}
	var answer bytes.Buffer
	if err := w.Result().Write(&answer); err != nil {
		p.t.Fatal(err)
	}
	p.left(answer.Len())
}

// envelope is the event as EventBridge sends it.
func (p *pipeline) envelope() string {
	p.t.Helper()
	var e struct {
		Sender, EventName, AccountID string
		Timestamp                    time.Time
		Tags                         []string
		EventData                    json.RawMessage
	}
	if err := json.Unmarshal([]byte(p.body), &e); err != nil {
		p.t.Fatal(err)
	}
	body, err := json.Marshal(object{
		"version": "0", "id": "53dc4d37-cffa-4f76-80c9-" + rand.Text()[:12], "source": e.Sender, "detail-type": e.EventName,
		"account": "123456789012", "time": e.Timestamp, "region": "us-east-1", "resources": []string{},
		"detail": object{"accountId": e.AccountID, "tags": e.Tags, "eventData": e.EventData},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}

// deliver delivers n events in one batch, as Lambda's poller does: one receive, one delete.
func (p *pipeline) deliver(n int) {
	p.t.Helper()
	got, err := p.client.ReceiveMessage(p.t.Context(), &sdk.ReceiveMessageInput{
		QueueUrl: &p.url, MaxNumberOfMessages: int32(n), WaitTimeSeconds: 5,
	})
	if err != nil || len(got.Messages) != n {
		p.t.Fatalf("received %d messages of %d: %v", len(got.Messages), n, err)
	}
	received := make([]hermod.Received, n)
	done := make([]types.DeleteMessageBatchRequestEntry, n)
	for i, m := range got.Messages {
		received[i] = hermod.Received{ID: *m.MessageId, Body: []byte(*m.Body), Receives: 1, SentAt: time.Now()}
		done[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle}
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for i, outcome := range p.deliverer.Handle(ctx, received) {
		if outcome.Action != hermod.Done {
			p.t.Fatalf("message %d: %+v, want it done at the first try", i, outcome)
		}
	}
	if _, err := p.client.DeleteMessageBatch(ctx, &sdk.DeleteMessageBatchInput{QueueUrl: &p.url, Entries: done}); err != nil {
		p.t.Fatal(err)
	}
}

// counts is what has been counted so far. What is stored only a stand-in can tell.
func (p *pipeline) counts() cost.Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return cost.Counts{
		Requests: p.counter.Requests(), WriteUnits: p.counter.WriteUnits(), ReadUnits: p.counter.ReadUnits(),
		LogLines: p.logged.n, LogBytes: p.logged.bytes, EgressBytes: p.egress,
	}
}

func delivers(stage cost.Stage) bool { return stage == cost.Deliver || stage == cost.DeliverAlone }

// run runs a stage for ten events. Those to deliver have been published.
func (p *pipeline) run(stage cost.Stage) {
	p.t.Helper()
	switch stage {
	case cost.Deliver:
		p.deliver(batch)
	case cost.DeliverAlone:
		for range batch {
			p.deliver(1)
		}
	default:
		p.publish(stage, batch)
	}
}

// count runs a stage for ten events and gives what was counted meanwhile.
func (p *pipeline) count(stage cost.Stage) cost.Counts {
	p.t.Helper()
	if delivers(stage) {
		p.publish(cost.SQS, batch)
	}
	before := p.counts()
	p.run(stage)
	c := p.counts()
	for operation, n := range before.Requests {
		if c.Requests[operation] -= n; c.Requests[operation] == 0 {
			delete(c.Requests, operation)
		}
	}
	c.WriteUnits -= before.WriteUnits
	c.ReadUnits -= before.ReadUnits
	c.LogLines -= before.LogLines
	c.LogBytes -= before.LogBytes
	c.EgressBytes -= before.EgressBytes
	return c
}
