//go:build cloud

package aws_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/seal"
	"hermod/pkg/sign"
	"hermod/test/faults/ledger"
)

// A world is one run: an account with its subscription on a lane, workers, a producer, a
// receiver, and a plan of what goes wrong.
type world struct {
	ctx    context.Context //nolint:containedctx // the life of the run
	lane   *lane
	plan   *plan
	clock  clock
	ledger *ledger.Ledger
	box    *seal.Box
	story  *story
	// building guards workers.
	building sync.Mutex
	workers  map[string]*worker
	// deadline returns when Lambda ends an invocation; nil for never.
	deadline func() error
	// downUntil is until when the operations that begin with downs are refused.
	downUntil time.Time
	downs     string
	// store is not faulted: it looks at what there is.
	store    *dynamo.Store
	account  string
	receiver *httptest.Server
	// subscription is the id of the one that everything matches.
	subscription string

	log     *slog.Logger
	logged  bytes.Buffer
	handed  map[string]handed // by message id
	delayed []time.Time

	mu sync.Mutex
	// pushes are the requests that the receiver has had.
	pushes int
	// acknowledged are the events whose producer was told so.
	acknowledged map[hermod.ID]bool
	// queued are the payloads that were put into the ingest queue.
	queued []int
	// unfit is how many messages were put there that no event comes of.
	unfit int
}

const (
	secret = "whsec_c2VjcmV0LW9mLXRoZS1mYXVsdC1zdWl0ZQ=="
	sender = "faults"
)

func newWorld(ctx context.Context, l *lane, box *seal.Box, s *story, p *plan) (*world, error) {
	w := &world{
		ctx: ctx, lane: l, plan: p, ledger: ledger.New(), box: box, story: s, workers: map[string]*worker{},
		account: "a-ppge-" + rand.Text()[:20], handed: map[string]handed{},
		acknowledged: map[hermod.ID]bool{},
	}
	w.log = slog.New(slog.NewTextHandler(&w.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.subscription = "s-" + w.account + "-abcde"
	w.store = dynamo.New(l.dynamoDB, l.tables, w.clock.now, random).WithPutTimeout(patience)
	w.receiver = httptest.NewServer(http.HandlerFunc(w.receive))
	if err := w.store.CreateOwner(ctx, hermod.Owner{ID: w.account, CreatedAt: w.clock.now()}); err != nil {
		return nil, err
	}
	secrets := sealed{seal.NewStore(w.store, w.box, w.clock.now, w.log), plain{w.store}}
	return w, secrets.CreateSubscription(ctx, &hermod.Subscription{
		ID: w.subscription, Owner: w.account, Dialect: hermod.Signicat, Name: "webhook", Active: true, Version: 1,
		Type: hermod.Webhook, Signing: hermod.HMACSHA256, Schedule: s.schedule, Filters: []hermod.Pattern{sender + ":*"},
		CreatedAt: w.clock.now(), UpdatedAt: w.clock.now(),
		Secrets: hermod.Secrets{Configuration: fmt.Appendf(nil, `{"url":%q}`, w.receiver.URL), SigningSecret: secret},
	})
}

// outage is what an operation meets while its service is down; nil if it is up.
func (w *world) outage(operation string) *fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.downs == "" || !strings.HasPrefix(operation, w.downs) || !w.clock.now().Before(w.downUntil) {
		return nil
	}
	return outOfService
}

// goDown has a service refuse everything for a time.
func (w *world) goDown(service string, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.downs, w.downUntil = service+".", w.clock.now().Add(d)
	w.ledger.Note(ledger.Incident{Name: service + " down", From: w.clock.now(), To: w.downUntil.Add(time.Minute)})
}

// receive is the subscriber's endpoint.
func (w *world) receive(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var event struct {
		Data json.RawMessage `json:"eventData"`
	}
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	key, unknown := hermod.ParseAttemptKey(r.Header.Get("X-Signicat-Delivery-Attempt-Id"))
	if err != nil || unknown != nil {
		out.WriteHeader(http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	w.pushes++
	n := w.pushes
	w.mu.Unlock()
	if w.story.hang != nil {
		w.story.hang(n)
	}
	status := http.StatusOK
	if w.story.answers != nil {
		status = w.story.answers(n)
	}
	payload, _ := ledger.PayloadOf(event.Data)
	w.ledger.Delivered(ledger.Delivery{
		Attempt: key, WebhookID: r.Header.Get("webhook-id"), Payload: payload, At: w.clock.now(), Status: status,
		Verified: r.Header.Get("X-Signicat-Signature") == sign.HMACHex(secret, body),
	})
	out.WriteHeader(status)
}

// retries is how often a producer sends again what was not acknowledged, and retryAfter
// how long it waits: longer than another try may hold its idempotency key.
const (
	retries    = 5
	retryAfter = 30 * time.Second
)

// publish sends events over HTTP until they are acknowledged.
func (w *world) publish(key string, payloads ...int) error {
	var list []string
	for _, n := range payloads {
		list = append(list, nativeBody(n, w.account))
	}
	for range retries {
		if ids := w.post(key, `{"events":[`+strings.Join(list, ",")+`]}`); len(ids) == len(payloads) {
			for i, id := range ids {
				w.acknowledged[id] = true
				w.ledger.Acknowledged(ledger.Publication{ID: id, Payload: payloads[i], Subscriptions: []string{w.subscription}})
			}
			return nil
		}
		w.clock.move(retryAfter)
	}
	return fmt.Errorf("the events %v were not acknowledged in %d tries", payloads, retries)
}

// post is one request of a producer; no ids for anything but 202.
func (w *world) post(key, body string) (ids []hermod.ID) {
	var recorder *httptest.ResponseRecorder
	answered := w.invoke(roleAccept, func(ctx context.Context, k *worker) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, signicatEvents, strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		recorder = httptest.NewRecorder()
		k.accept.ServeHTTP(recorder, r)
		return nil
	})
	if !answered || recorder.Code != http.StatusAccepted {
		return nil
	}
	var reply struct{ Data []struct{ ID hermod.ID } }
	if err := json.Unmarshal(recorder.Body.Bytes(), &reply); err != nil {
		return nil
	}
	for _, e := range reply.Data {
		ids = append(ids, e.ID)
	}
	return ids
}

const signicatEvents = "http://hermod.test/events-management/events"
