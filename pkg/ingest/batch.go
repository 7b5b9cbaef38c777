package ingest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// A batch is one call of Accept.
type batch struct {
	ids         *hermod.IDs
	now         func() time.Time
	submissions []Submission

	// What prepare found, by submission.
	matches   [][]hermod.Ref
	retention []time.Duration
	// first is the first submission with the same key; a submission's own index
	// where its key, or that it has none, makes it the only one.
	first []int

	// What write did; it starts afresh each time it is run.
	events   []*hermod.Event
	sent     int
	repeated int
}

// prepare does what needs no transaction: owners, matching, types, keys that
// occur twice.
func (b *batch) prepare(ctx context.Context, m *matcher, now time.Time) error {
	owned, err := m.load(ctx, b.owners())
	if err != nil {
		return err
	}
	if err := b.checkOwners(owned.rows); err != nil {
		return err
	}
	if err := b.foldKeys(); err != nil {
		return err
	}
	for i := range b.submissions {
		e := &b.submissions[i].Event
		b.matches = append(b.matches, owned.match(e, now))
		retention := owned.rows[e.AccountID].Retention
		if retention == 0 {
			retention = hermod.DefaultRetention
		}
		b.retention = append(b.retention, retention)
	}
	return m.register(ctx, &owned, b.submissions)
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

func (b *batch) checkOwners(rows map[string]hermod.Owner) error {
	var fields []hermod.FieldError
	check := func(i int, member, owner string) {
		if _, ok := rows[owner]; !ok {
			name := member
			if len(b.submissions) > 1 {
				name = fmt.Sprintf("events[%d].%s", i, member)
			}
			fields = append(fields, hermod.FieldError{Name: name, Reason: "names nobody known here"})
		}
	}
	for i := range b.submissions {
		e := &b.submissions[i].Event
		check(i, "accountId", e.AccountID)
		if e.OrganizationID != "" {
			check(i, "organizationId", e.OrganizationID)
		}
	}
	if len(fields) > 0 {
		return hermod.InvalidFields(fields...)
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
		if s.Key == "" {
			continue
		}
		k := scoped{s.Event.AccountID, s.Key}
		j, ok := seen[k]
		if !ok {
			seen[k] = i
			continue
		}
		if s.Hash != b.submissions[j].Hash {
			return errKeyReused()
		}
		b.first[i] = j
	}
	return nil
}

func errKeyReused() error {
	return hermod.Errorf(hermod.CodeConflict, "the idempotency key was used before with another body")
}

// write claims the keys, puts the events and sends their messages, in that order:
// whatever stops it in between, a repetition under the same keys completes it.
func (b *batch) write(ctx context.Context, tx Tx) error {
	b.events = make([]*hermod.Event, len(b.submissions))
	b.sent, b.repeated = 0, 0

	if err := b.put(ctx, tx); err != nil {
		return err
	}
	var messages []hermod.Message
	for i, e := range b.events {
		if b.first[i] == i {
			messages = append(messages, startingMessages(e)...)
		}
	}
	if len(messages) > 0 {
		if err := tx.Send(ctx, messages); err != nil {
			return fmt.Errorf("sending delivery messages: %w", err)
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
	if err := b.claim(ctx, tx, ids); err != nil {
		return err
	}
	var fresh []*hermod.Event
	for i, first := range b.first {
		switch {
		case first != i:
			b.events[i] = b.events[first]
			b.repeated++
		case b.events[i] != nil:
			b.repeated++
		default:
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

// claim makes sure of the keys. Submissions whose event exists get it; for the
// others, the id in ids stands in the key's row afterwards.
func (b *batch) claim(ctx context.Context, tx Tx, ids []hermod.ID) error {
	var claims []hermod.Claim
	var of []int // the submission of each claim
	for i := range b.submissions {
		if s := &b.submissions[i]; s.Key != "" && b.first[i] == i {
			claims = append(claims, hermod.Claim{
				Owner: s.Event.AccountID, Key: s.Key, Hash: s.Hash[:], EventID: ids[i],
				ExpiresAt: ids[i].Time().Add(hermod.ClaimRetention),
			})
			of = append(of, i)
		}
	}
	if len(claims) == 0 {
		return nil
	}
	standing, err := tx.Claim(ctx, claims)
	if err != nil {
		return fmt.Errorf("claiming idempotency keys: %w", err)
	}

	var taken []int // the claims that stand with another id
	var keys []hermod.EventKey
	for j, row := range standing {
		if row.EventID == claims[j].EventID {
			continue
		}
		if !bytes.Equal(row.Hash, claims[j].Hash) {
			return errKeyReused()
		}
		taken = append(taken, j)
		keys = append(keys, hermod.EventKey{Account: row.Owner, ID: row.EventID})
	}
	if len(taken) == 0 {
		return nil
	}
	existing, err := tx.EventsByKey(ctx, keys)
	if err != nil {
		return fmt.Errorf("reading events of known keys: %w", err)
	}
	for n, j := range taken {
		if e := existing[keys[n]]; e != nil {
			b.events[of[j]] = e
			continue
		}
		if err := b.reclaim(ctx, tx, standing[j], claims[j]); err != nil {
			return err
		}
	}
	return nil
}

// reclaim takes over a key whose holder stopped before it put its event. While
// the holder may still be at it, its put would make the event exist twice.
func (b *batch) reclaim(ctx context.Context, tx Tx, standing, fresh hermod.Claim) error {
	if b.now().Sub(standing.EventID.Time()) < settleTime+time.Second {
		return hermod.Errorf(hermod.CodeUnavailable, "another request with this idempotency key is being accepted; try again")
	}
	if err := tx.Reclaim(ctx, standing, fresh); err != nil {
		if hermod.CodeOf(err) == hermod.CodeConflict {
			return &hermod.Error{Code: hermod.CodeUnavailable, Err: err,
				Message: "another request with this idempotency key is being accepted; try again"}
		}
		return fmt.Errorf("taking over an idempotency key: %w", err)
	}
	return nil
}

// startingMessages start run 0 of each of the event's deliveries.
func startingMessages(e *hermod.Event) []hermod.Message {
	messages := make([]hermod.Message, len(e.Matches))
	for i, ref := range e.Matches {
		messages[i] = hermod.Message{
			EventID: e.ID, Account: e.AccountID, Owner: ref.Owner, SubscriptionID: ref.ID,
			Trigger: hermod.TriggerMatch,
		}
	}
	return messages
}
