//go:build cloud

package cost_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/api/signicat"
	"hermod/pkg/awscfg"
	"hermod/pkg/awscfg/awscount"
	"hermod/pkg/deliver"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/push"
	"hermod/pkg/seal"
	"hermod/pkg/sqs"
)

// A pipeline is accept and deliver over the deployed tables and a queue of its
// own, with every request of every client counted.
type pipeline struct {
	t         *testing.T
	counter   *awscount.Counter
	acceptor  *ingest.Acceptor
	deliverer *deliver.Deliverer
	client    *sdk.Client
	url       string
	account   string
	sender    string
	arrived   chan struct{}
}

func random(p []byte) { _, _ = rand.Read(p) } // it never fails: see crypto/rand.Read

// sealed is the store with its secrets sealed.
type sealed struct {
	*seal.Store
	plain
}

type plain struct{ *dynamo.Store }

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	p := &pipeline{
		t: t, counter: awscount.New(), arrived: make(chan struct{}, 100),
		account: "a-ppge-" + rand.Text()[:20], sender: "cost-" + strings.ToLower(rand.Text()),
	}
	cfg, err := awscfg.Load(os.Getenv, awscfg.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	cfg = p.counter.Attach(cfg)
	store := dynamo.New(cfg, tables(t), time.Now, random)
	p.client = sdk.NewFromConfig(cfg)
	queue, err := p.client.CreateQueue(t.Context(), &sdk.CreateQueueInput{QueueName: aws.String("cost-" + rand.Text())})
	if err != nil {
		t.Fatal(err)
	}
	p.url = *queue.QueueUrl
	log := slog.New(slog.DiscardHandler)
	p.acceptor = ingest.New(ingest.Options{
		Config: store, IDs: hermod.NewIDs(time.Now, random), Now: time.Now, Log: log,
		Journal: ingest.Direct{Store: store, Queue: sqs.New(cfg, sqs.Options{URL: p.url, Now: time.Now, Log: log})},
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
	p.subscribe(store, secrets)
	p.run(1) // the first event registers its type and reads the subscriptions
	return p
}

// tables are those of the deployed stack.
func tables(t *testing.T) dynamo.Tables {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("HERMOD_STACK_OUTPUTS"))
	if err != nil {
		t.Fatalf("HERMOD_STACK_OUTPUTS names no file; run test/cloud/run.sh: %v", err)
	}
	var out struct{ ConfigTable, EventsTable, DeliveriesTable string }
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return dynamo.Tables{Config: out.ConfigTable, Events: out.EventsTable, Deliveries: out.DeliveriesTable}
}

func (p *pipeline) subscribe(store *dynamo.Store, secrets sealed) {
	p.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok"))
		p.arrived <- struct{}{}
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

// run publishes n events in one request and delivers them in one batch, as Lambda's
// poller does: one receive, one delete.
func (p *pipeline) run(n int) {
	p.t.Helper()
	data := fmt.Sprintf(`{"documentId":%q}`, strings.Repeat("d", 400))
	body := strings.Repeat(fmt.Sprintf(`{"sender":%q,"eventName":"document.signed","eventData":%s},`, p.sender, data), n)
	submissions, err := ingest.Native([]byte(`{"events":[`+strings.TrimSuffix(body, ",")+`]}`), time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range submissions {
		submissions[i].Event.AccountID = p.account
	}
	if _, err := p.acceptor.Accept(p.t.Context(), submissions); err != nil {
		p.t.Fatal(err)
	}
	got, err := p.client.ReceiveMessage(p.t.Context(), &sdk.ReceiveMessageInput{
		QueueUrl: &p.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 5,
	})
	if err != nil || len(got.Messages) != n {
		p.t.Fatalf("received %d messages of %d: %v", len(got.Messages), n, err)
	}
	p.deliver(got.Messages)
	for range n {
		<-p.arrived
	}
}

func (p *pipeline) deliver(messages []types.Message) {
	p.t.Helper()
	batch := make([]hermod.Received, len(messages))
	done := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		batch[i] = hermod.Received{ID: *m.MessageId, Body: []byte(*m.Body), Receives: 1, SentAt: time.Now()}
		done[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle}
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for i, outcome := range p.deliverer.Handle(ctx, batch) {
		if outcome.Action != hermod.Done {
			p.t.Fatalf("message %d: %+v, want it done at the first try", i, outcome)
		}
	}
	if _, err := p.client.DeleteMessageBatch(ctx, &sdk.DeleteMessageBatchInput{QueueUrl: &p.url, Entries: done}); err != nil {
		p.t.Fatal(err)
	}
}

func TestAFirstTryDeliveryStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		events   int
		requests float64 // an event, at most
	}{
		{"alone", 1, 10},
		{"in batches of ten", 10, 3.6},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPipeline(t)
			requests, units := p.counter.Total(), p.counter.WriteUnits()
			before := p.counter.Requests()
			p.run(test.events)
			each := float64(p.counter.Total()-requests) / float64(test.events)
			writes := (p.counter.WriteUnits() - units) / float64(test.events)
			t.Logf("%.1f AWS requests and %.1f write units an event", each, writes)
			for operation, n := range p.counter.Requests() {
				if n -= before[operation]; n > 0 {
					t.Logf("  %-28s %d", operation, n)
				}
			}
			if each > test.requests {
				t.Errorf("%.1f AWS requests an event, want %.1f at most", each, test.requests)
			}
			if writes > 3 || writes == 0 {
				t.Errorf("%.1f write units an event, want more than 0 and at most 3", writes)
			}
		})
	}
}
