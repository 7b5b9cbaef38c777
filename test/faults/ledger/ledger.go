// Package ledger keeps the books of a fault suite: what was acknowledged to publishers,
// what arrived at receivers, and what went wrong in between. At the end it holds them
// against what the engine itself says (Judge): nothing that was acknowledged may be lost,
// the log must be consistent, and no duplicate may be without an explanation.
package ledger

import (
	"encoding/json"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// Data is the data of an event with the payload.
func Data(payload int) json.RawMessage {
	data, _ := json.Marshal(numbered{N: payload}) // a number can always be encoded
	return data
}

// PayloadOf is the payload of an event with the data, if it has one.
func PayloadOf(data []byte) (payload int, ok bool) {
	var in numbered
	err := json.Unmarshal(data, &in)
	return in.N, err == nil && in.N > 0
}

// numbered is data with a payload. It may have other members.
type numbered struct {
	N int `json:"n"`
}

// A Publication is an event whose publisher was told that it is accepted.
type Publication struct {
	ID hermod.ID
	// Payload is the number from 1 that the publisher put into the event's data, see
	// Data.
	Payload int
	// Subscriptions are the ids of those that the event must have matched, no more and
	// no fewer.
	Subscriptions []string
}

// A Delivery is one request that a receiver got.
type Delivery struct {
	// Attempt is what the request says that it is.
	Attempt hermod.AttemptKey
	// WebhookID is the header of that name: the id of the event.
	WebhookID string
	Payload   int
	// At is when the request was read, by the clock that incidents are noted by. It
	// comes before the answer.
	At time.Time
	// Verified says that the signature was the subscription's.
	Verified bool
	// Status is what the receiver answered.
	Status int
}

func (d *Delivery) taken() bool { return d.Status >= 200 && d.Status < 300 }

// An Incident is what was done to the engine: a crash, an error, a message handed out
// twice. It explains duplicates of the deliveries that it concerns.
type Incident struct {
	// Name says what was done where, such as "crash deliver.PutAttempt/before".
	Name string
	// From and To are the moments between which it was done, at most.
	From, To time.Time
	// Delivery is the one that it concerns. A zero event concerns every delivery.
	Event        hermod.ID
	Subscription string
}

// A Ledger takes notes. Safe for concurrent use.
type Ledger struct {
	mu           sync.Mutex
	publications map[hermod.ID]Publication
	// messages are those that a queue of events took, by their payloads.
	messages   map[int]Publication
	deliveries []Delivery
	incidents  []Incident
	mayDrop    map[string]bool
	errs       []string
}

// New makes an empty Ledger.
func New() *Ledger {
	return &Ledger{publications: map[hermod.ID]Publication{}, messages: map[int]Publication{}, mayDrop: map[string]bool{}}
}

// Acknowledged notes that a publisher was told that its event is accepted. The same
// event may be acknowledged several times, as an idempotency key has it.
func (l *Ledger) Acknowledged(p Publication) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was, ok := l.publications[p.ID]; ok && was.Payload != p.Payload {
		l.errs = append(l.errs, "event "+p.ID.String()+" was acknowledged for two payloads")
	}
	l.publications[p.ID] = p
}

// Sent notes that a queue took an event that has no id yet. It becomes one event in the
// log, or a dead letter of that queue.
func (l *Ledger) Sent(p Publication) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages[p.Payload] = p
}

// Delivered notes a request that a receiver got.
func (l *Ledger) Delivered(d Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deliveries = append(l.deliveries, d)
}

// Note notes an incident.
func (l *Ledger) Note(i Incident) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.incidents = append(l.incidents, i)
}

// MayDrop says that deliveries of the subscription may end without success and without a
// dead letter, as those of one that was switched off do.
func (l *Ledger) MayDrop(subscription string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mayDrop[subscription] = true
}

// Taken counts the deliveries, of whatever subscription, that were taken at least once.
func (l *Ledger) Taken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := map[delivery]bool{}
	for i := range l.deliveries {
		if d := &l.deliveries[i]; d.taken() {
			taken[deliveryOf(d.Attempt.RunKey)] = true
		}
	}
	return len(taken)
}

// A delivery is an event for a subscription, in all its runs.
type delivery struct {
	event        hermod.ID
	subscription string
}

func deliveryOf(run hermod.RunKey) delivery {
	return delivery{event: run.EventID, subscription: run.SubscriptionID}
}

func (i *Incident) concerns(d delivery) bool {
	return i.Event.IsZero() || i.Event == d.event && i.Subscription == d.subscription
}
