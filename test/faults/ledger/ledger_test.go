package ledger_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/test/faults/ledger"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

const sub = "s-1"

// A book is a Ledger with one event that was delivered at the second attempt, and the
// state that goes with it.
type book struct {
	l     *ledger.Ledger
	event hermod.ID
	state *ledger.State
}

func newBook() *book {
	b := &book{l: ledger.New(), event: hermod.FirstIDAt(start)}
	e := &hermod.Event{ID: b.event, AccountID: "a-1", Data: ledger.Data(7), Matches: []hermod.Ref{{Owner: "a-1", ID: sub}}}
	b.state = &ledger.State{Events: []*hermod.Event{e}, DeadLetters: [][]byte{}}
	b.l.Acknowledged(ledger.Publication{ID: b.event, Payload: 7, Subscriptions: []string{sub}})
	b.row(1, hermod.Waiting)
	b.row(2, hermod.Succeeded)
	b.push(1, 503, at(1))
	b.push(2, 200, at(2))
	return b
}

func (b *book) key(number int) hermod.AttemptKey {
	return hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: sub, EventID: b.event}, Number: number}
}

func (b *book) row(number int, state hermod.State) {
	b.state.Attempts = append(b.state.Attempts, &hermod.Attempt{AttemptKey: b.key(number), State: state})
}

func (b *book) delivery(number, status int, at time.Time) ledger.Delivery {
	return ledger.Delivery{
		Attempt: b.key(number), WebhookID: b.event.String(), Payload: 7, At: at, Verified: true, Status: status,
	}
}

func (b *book) push(number, status int, at time.Time) { b.l.Delivered(b.delivery(number, status, at)) }

func (b *book) last() *hermod.Attempt { return b.state.Attempts[len(b.state.Attempts)-1] }

func (b *book) letter() {
	m := hermod.Message{EventID: b.event, Account: "a-1", Owner: "a-1", SubscriptionID: sub}
	b.state.DeadLetters = append(b.state.DeadLetters, m.Encode())
}

func TestJudgeFindsWhatMustNotBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*book)
		want   string // a part of the one fault; "" for none
	}{
		{"all is well", func(*book) {}, ""},
		{"an acknowledged event is lost", func(b *book) {
			b.l.Acknowledged(ledger.Publication{ID: b.event.Next(), Payload: 8})
		}, "acknowledged and is not in the log"},
		{"one id for two payloads", func(b *book) {
			b.l.Acknowledged(ledger.Publication{ID: b.event, Payload: 8, Subscriptions: []string{sub}})
		}, "two payloads"},
		{"an event matched too few", func(b *book) {
			b.l.Acknowledged(ledger.Publication{ID: b.event, Payload: 7, Subscriptions: []string{sub, "s-2"}})
		}, "matched"},
		{"an event is there twice", func(b *book) { b.state.Events = append(b.state.Events, b.state.Events[0]) }, "twice"},
		{"an unacknowledged event is not delivered", func(b *book) {
			b.state.Events = append(b.state.Events, &hermod.Event{ID: b.event.Next(), Matches: []hermod.Ref{{Owner: "a-1", ID: sub}}})
		}, "has no attempt"},
		{"a row waits", func(b *book) { b.last().State = hermod.Waiting }, "waits"},
		{"a row waits whose message died", func(b *book) {
			b.last().State = hermod.Waiting
			b.letter()
			b.l.Note(ledger.Incident{Name: "x", From: at(2), To: at(3)})
		}, ""},
		{"a row waits whose message died of nothing", func(b *book) {
			b.last().State = hermod.Waiting
			b.letter()
		}, "nothing explains it"},
		{"something is pending", func(b *book) { b.state.Pending = "a message" }, "a message"},
		{"a dead delivery is in the queue of dead letters", func(b *book) {
			b.row(3, hermod.Dead)
			b.state.Attempts[1].State = hermod.Waiting
			b.l.Note(ledger.Incident{Name: "x", From: at(2), To: at(3)}) // the second push was taken
			b.letter()
		}, ""},
		{"a dead delivery is not in the queue", func(b *book) {
			b.row(3, hermod.Dead)
			b.state.Attempts[1].State = hermod.Waiting
			b.l.Note(ledger.Incident{Name: "x", From: at(2), To: at(3)})
		}, "not in the dead-letter queue"},
		{"a delivery was dropped", func(b *book) {
			b.state.Events = append(b.state.Events, &hermod.Event{ID: b.event.Next(), Matches: []hermod.Ref{{Owner: "a-1", ID: sub}}})
			b.row(1, hermod.Dropped)
			b.last().EventID = b.event.Next()
		}, "dropped"},
		{"a delivery may be dropped", func(b *book) {
			b.l.MayDrop(sub)
			b.state.Events = append(b.state.Events, &hermod.Event{ID: b.event.Next(), Matches: []hermod.Ref{{Owner: "a-1", ID: sub}}})
			b.row(1, hermod.Dropped)
			b.last().EventID = b.event.Next()
		}, ""},
		{"a success did not arrive", func(b *book) {
			b.state.Events = append(b.state.Events, &hermod.Event{ID: b.event.Next(), Matches: []hermod.Ref{{Owner: "a-1", ID: sub}}})
			b.row(1, hermod.Succeeded)
			b.last().EventID = b.event.Next()
		}, "nothing arrived"},
		{"a number is missing", func(b *book) { b.state.Attempts = b.state.Attempts[1:] }, "should"},
		{"a run goes on after its end", func(b *book) { b.state.Attempts[0].State = hermod.Dead }, "come after it"},
		{"a run is missing", func(b *book) {
			for _, a := range b.state.Attempts {
				a.Run = 1
			}
			b.l.Note(ledger.Incident{Name: "x", From: at(2), To: at(3)})
		}, "runs"},
		{"a row is of no event", func(b *book) {
			b.row(1, hermod.Dead)
			b.last().EventID = b.event.Next()
		}, "event that is not in the log"},
		{"a row is of another subscription", func(b *book) {
			b.row(1, hermod.Dead)
			b.last().SubscriptionID = "s-2"
		}, "did not match"},
		{"a dead letter is of no event", func(b *book) {
			b.letter()
			m := hermod.Message{EventID: b.event.Next(), SubscriptionID: sub}
			b.state.DeadLetters = [][]byte{m.Encode()}
		}, "dead letter is of event"},
		{"a dead letter is no message", func(b *book) { b.state.DeadLetters = [][]byte{[]byte("?")} }, "no message"},
		{"what was taken has no row", func(b *book) { b.last().State = hermod.Dead; b.letter() }, "no row says so"},
		{"a duplicate is not explained", func(b *book) { b.push(2, 200, at(4)) }, "nothing explains it"},
		{"an incident before both pushes explains nothing", func(b *book) {
			b.l.Note(ledger.Incident{Name: "x", From: at(0), To: at(1)})
			b.push(2, 200, at(4))
		}, "nothing explains it"},
		{"an incident of another delivery explains nothing", func(b *book) {
			b.l.Note(ledger.Incident{Name: "x", From: at(3), To: at(3), Event: b.event, Subscription: "s-2"})
			b.push(2, 200, at(4))
		}, "nothing explains it"},
		{"a signature is not valid", func(b *book) {
			d := b.delivery(2, 503, start)
			d.Verified, d.Attempt.Run = false, 1
			b.l.Delivered(d)
		}, "signature"},
		{"another webhook-id", func(b *book) {
			d := b.delivery(1, 503, start)
			d.WebhookID, d.Attempt.Run = "?", 1
			b.l.Delivered(d)
		}, "webhook-id"},
		{"a message became an event", func(b *book) {
			b.l.Sent(ledger.Publication{Payload: 7, Subscriptions: []string{sub}})
		}, ""},
		{"a message became an event that matched nothing", func(b *book) {
			b.l.Sent(ledger.Publication{Payload: 7})
		}, "matched"},
		{"a message is lost", func(b *book) { b.l.Sent(ledger.Publication{Payload: 8}) }, "became 0 events"},
		{"a message was refused", func(b *book) {
			b.l.Sent(ledger.Publication{Payload: 8})
			b.state.Refused = [][]byte{[]byte(`{"eventData":{"n":8}}`)}
		}, ""},
		{"a message became two events", func(b *book) {
			b.l.Sent(ledger.Publication{Payload: 9})
			for range 2 {
				b.state.Events = append(b.state.Events, &hermod.Event{ID: hermod.FirstIDAt(at(len(b.state.Events))), Data: ledger.Data(9)})
			}
		}, "became 2 events"},
		{"another payload", func(b *book) {
			d := b.delivery(1, 503, start)
			d.Payload, d.Attempt.Run = 8, 1
			b.l.Delivered(d)
		}, "payload 8"},
		{"an arrival of no event", func(b *book) {
			d := b.delivery(1, 503, start)
			d.Attempt.EventID = b.event.Next()
			d.WebhookID = d.Attempt.EventID.String()
			b.l.Delivered(d)
		}, "its event is not in the log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBook()
			c.change(b)
			v := b.l.Judge(b.state)
			if c.want == "" && len(v.Faults) > 0 {
				t.Fatalf("got faults %q, want none", v.Faults)
			}
			if c.want != "" && !slices.ContainsFunc(v.Faults, func(f string) bool { return strings.Contains(f, c.want) }) {
				t.Fatalf("got faults %q, want one with %q", v.Faults, c.want)
			}
		})
	}
}

// The narrowest incident explains a duplicate.
func TestDuplicatesAreCountedByWhatExplainsThem(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.l.Note(ledger.Incident{Name: "crash", From: at(3), To: at(4)})
	b.push(2, 200, at(5))
	b.l.Note(ledger.Incident{Name: "crash", From: at(6), To: at(6)})
	b.l.Note(ledger.Incident{Name: "error", From: at(6), To: at(6), Event: b.event, Subscription: sub})
	b.push(2, 200, at(7))
	v := b.l.Judge(b.state)
	if len(v.Faults) > 0 || v.Duplicates != 2 || v.Explained["crash"] != 1 || v.Explained["error"] != 1 {
		t.Fatalf("got %s, faults %q", v, v.Faults)
	}
	const want = "1 events (1 acknowledged), 1 deliveries (0 dead, 0 of them without a final row, 0 dropped), 4 pushes, 3 incidents, 2 duplicates: 1 by crash, 1 by error"
	if v.String() != want {
		t.Errorf("got %q, want %q", v, want)
	}
}

// A State may be read in another process.
func TestStateCanBeSentAsJSON(t *testing.T) {
	t.Parallel()
	b := newBook()
	b.letter()
	body, err := json.Marshal(b.state)
	if err != nil {
		t.Fatal(err)
	}
	var got ledger.State
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, b.state) {
		t.Errorf("got %+v, want %+v", &got, b.state)
	}
}
