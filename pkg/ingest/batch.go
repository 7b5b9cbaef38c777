package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// A batch is one call of Accept or of acceptApart.
type batch struct {
	ids         *hermod.IDs
	now         func() time.Time
	submissions []Submission
	// given is how many of them the caller gave; those after them were launched by
	// others, and launchers says by which.
	given     int
	launchers []int
	// apart keeps what is wrong with one submission to that submission; otherwise it
	// fails the batch.
	apart bool

	// What prepare found, by submission.
	matches   [][]hermod.Ref
	retention []time.Duration
	// first is the first submission with the same key; a submission's own index
	// where its key, or that it has none, makes it the only one.
	first []int
	// unfit says why a submission cannot be accepted whatever is stored.
	unfit []error
	// warned counts the submissions that do not fit the schema of their type, where
	// that is only warned of.
	warned int

	// What write did; it starts afresh each time it is run.
	events []*hermod.Event
	// refused is unfit, and what write found besides.
	refused []error
	// void marks launched submissions of which nothing comes, stood those whose event
	// was put before.
	void, stood []bool

	sent     int
	repeated int
	launched int

	// stamps are the ids that put took for the submissions.
	stamps []hermod.ID
	// left are the ids of the only submission and of what it launches in a batch that
	// failed before this one: their keys may be claimed for those.
	left []hermod.ID
}

// refuse leaves a submission out for the reason given, or fails the batch with it.
func (b *batch) refuse(reasons []error, i int, reason error) error {
	if !b.apart {
		return reason
	}
	reasons[i] = reason
	return nil
}

// refusals counts the submissions that were left out.
func (b *batch) refusals() int {
	n := 0
	for i, reason := range b.refused {
		if reason != nil && i < b.given {
			n++
		}
	}
	return n
}

// plain reports whether the batch is one event that was accepted and nothing else: there
// is nothing to tell of it that its request does not.
func (b *batch) plain() bool {
	return b.given == 1 && !b.apart && b.repeated+b.launched+b.refusals()+b.warned == 0
}

// prepare does what needs no transaction: owners, matching, types, keys that
// occur twice, what events are found and counted by.
func (b *batch) prepare(ctx context.Context, m *matcher, now time.Time) error {
	for i := range b.submissions {
		foldCase(&b.submissions[i].Event)
	}
	owned, err := m.load(ctx, b.owners(), now)
	if err != nil {
		return err
	}
	b.unfit = make([]error, len(b.submissions))
	if err := b.checkOwners(owned.rows); err != nil {
		return err
	}
	if err := b.applyRules(&owned); err != nil {
		return err
	}
	b.launch(&owned)
	if err := b.foldKeys(); err != nil {
		return err
	}
	types := map[string][]string{}
	for i := range b.submissions {
		e := &b.submissions[i].Event
		derive(e)
		b.matches = append(b.matches, b.submissions[i].recipients(&owned, now))
		b.retention = append(b.retention, cmp.Or(owned.rows[e.AccountID].Retention, hermod.DefaultRetention))
		if b.unfit[i] == nil {
			for _, owner := range e.Owners() {
				types[owner] = append(types[owner], e.Type())
			}
		}
	}
	return m.register(ctx, &owned, types)
}

// owners are the owners the batch concerns, each once.
func (b *batch) owners() []string {
	var owners []string
	for i := range b.submissions {
		for _, owner := range b.submissions[i].Event.Owners() {
			if !slices.Contains(owners, owner) {
				owners = append(owners, owner)
			}
		}
	}
	return owners
}

func (b *batch) checkOwners(known map[string]hermod.Owner) error {
	var all []hermod.FieldError
	for i := range b.submissions {
		fields := append(b.submissions[i].unknownOwners(known), b.submissions[i].reservedSender()...)
		all = append(all, fields...)
		if len(fields) > 0 {
			b.unfit[i] = hermod.InvalidFields(fields...)
		}
	}
	if len(all) > 0 && !b.apart {
		return hermod.InvalidFields(all...)
	}
	return nil
}

// foldKeys finds submissions of this very batch that repeat another one's key.
func (b *batch) foldKeys() error {
	type scoped struct{ account, key string }
	seen := map[scoped]int{}
	b.first = make([]int, len(b.submissions))
	for i := range b.submissions {
		s := &b.submissions[i]
		b.first[i] = i
		if s.Key == "" || b.unfit[i] != nil {
			continue
		}
		k := scoped{s.Event.AccountID, s.Key}
		j, ok := seen[k]
		switch {
		case !ok:
			seen[k] = i
		case s.Hash == b.submissions[j].Hash:
			b.first[i] = j
		default:
			if err := b.refuse(b.unfit, i, errKeyReused()); err != nil {
				return err
			}
		}
	}
	return nil
}

func errKeyReused() error {
	return hermod.Errorf(hermod.CodeConflict, "the idempotency key was used before with another body")
}

func errKeyBusy(cause error) error {
	return &hermod.Error{
		Code: hermod.CodeUnavailable, Err: cause,
		Message: "another request with this idempotency key is being accepted; try again",
	}
}

// write claims the keys, puts the events and sends their messages, in that order:
// whatever stops it in between, a repetition under the same keys completes it.
func (b *batch) write(ctx context.Context, tx Tx) error {
	b.events = make([]*hermod.Event, len(b.submissions))
	b.refused = slices.Clone(b.unfit)
	b.void, b.stood = make([]bool, len(b.submissions)), make([]bool, len(b.submissions))
	b.sent, b.repeated, b.launched = 0, 0, 0

	if err := b.put(ctx, tx); err != nil {
		return err
	}
	return b.send(ctx, tx)
}

// handled is the age from which an event's first attempts have their rows, as a rule: a
// push takes 10 s at most, and what is before and after it some seconds. It is less than
// what tells a message that an operator moved back from the dead letters (25 s after it
// was sent, on SQS), whichever end of the wait a queue calls the moment of sending.
const handled = 20 * time.Second

// send starts the deliveries. Those of an event that stood may have been started, and be
// under way: they are sent again for a time when that is over. Only what waits in a
// backlog by then is pushed twice.
func (b *batch) send(ctx context.Context, tx Tx) error {
	var messages, again []hermod.Message
	var wait time.Duration
	for i, e := range b.events {
		switch {
		case e == nil || b.first[i] != i:
		case b.stood[i]:
			again = append(again, startingMessages(e, b.submissions[i].trigger())...)
			wait = max(wait, min(handled, handled-b.now().Sub(e.ID.Time())))
		default:
			messages = append(messages, startingMessages(e, b.submissions[i].trigger())...)
		}
	}
	if len(messages) > 0 {
		if err := tx.Send(ctx, messages); err != nil {
			return fmt.Errorf("sending delivery messages: %w", err)
		}
	}
	if len(again) > 0 {
		if err := tx.SendAgain(ctx, again, wait); err != nil {
			return fmt.Errorf("sending delivery messages again: %w", err)
		}
	}
	b.sent = len(messages)
	return nil
}

// put stamps and puts what is new, all within settleTime.
func (b *batch) put(ctx context.Context, tx Tx) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()

	ids := make([]hermod.ID, len(b.submissions))
	for i := range ids {
		ids[i] = b.ids.Next()
	}
	b.stamps = ids
	if err := b.claim(ctx, tx, ids); err != nil {
		return err
	}
	if err := b.settleStatus(ctx, tx, ids); err != nil {
		return err
	}
	b.joinFates()
	var fresh []*hermod.Event
	for i, first := range b.first {
		switch {
		case b.refused[i] != nil:
		case b.refused[first] != nil:
			b.refused[i] = b.refused[first]
		case b.void[first]:
		case first != i || b.events[i] != nil:
			b.events[i], b.stood[i] = b.events[first], true
			if i < b.given {
				b.repeated++
			}
		default:
			if i >= b.given {
				b.launched++
			}
			b.events[i] = b.stamped(i, ids[i])
			fresh = append(fresh, b.events[i])
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := tx.PutEvents(ctx, fresh); err != nil {
		return fmt.Errorf("putting events: %w", err)
	}
	return nil
}

func (b *batch) stamped(i int, id hermod.ID) *hermod.Event {
	e := b.submissions[i].Event
	e.ID = id
	e.Matches = b.matches[i]
	e.RetainUntil = id.Time().Add(b.retention[i])
	return &e
}

// startingMessages start run 0 of each of the event's deliveries.
func startingMessages(e *hermod.Event, trigger hermod.Trigger) []hermod.Message {
	messages := make([]hermod.Message, len(e.Matches))
	for i, ref := range e.Matches {
		messages[i] = hermod.Message{
			EventID: e.ID, Account: e.AccountID, Owner: ref.Owner, SubscriptionID: ref.ID,
			Trigger: trigger,
		}
	}
	return messages
}
