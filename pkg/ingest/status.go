package ingest

import (
	"context"
	"fmt"
	"time"

	"hermod/pkg/hermod"
)

// A publisher may tell that a request's status has changed beside its completion, which
// tells it too. Within statusOnce of each other, in either order, the two are one event.
//
// What keeps them one is a claim on the request: a row that names the last event of its
// status and says what it is. It stands as long as an idempotency key's; that it counts
// for a minute only is judged by the time of its event's id.
const statusOnce = time.Minute

// The kinds of the last event of a request's status, kept as the hash of the row.
const (
	statusLaunched = "launched" // by a completion
	statusOwn      = "own"      // the publisher's
	// statusTaken is a launched one that a publisher's own has become: its next own one
	// is an event of its own. The row's id is that of the own one, which was never put.
	statusTaken = "taken"
)

// statusTries is how often a row that others change is looked at again.
const statusTries = 4

// A change is what a batch tells of one request's status.
type change struct {
	account, request string
	// own and launched are the submissions that are to be put.
	own, launched []int
}

// leader is the submission whose event the request's row is to name.
func (c *change) leader() (i int, kind string) {
	if len(c.own) > 0 {
		return c.own[0], statusOwn
	}
	return c.launched[0], statusLaunched
}

// changes are the batch's, in the order of the batch, of the submissions that would be
// put. Without a request to go by, a completion launches and nothing is compared.
func (b *batch) changes() []*change {
	var all []*change
	byRequest := map[[2]string]*change{}
	for i := range b.submissions {
		s := &b.submissions[i]
		if !isTelia(&s.Event, typeStatusUpdated) || s.mocked() || b.settled(i) {
			continue
		}
		completion, launched := b.launcher(i)
		request := requestOf(s.Event.Data)
		if request == "" || (launched && b.refused[completion] != nil) {
			continue
		}
		key := [2]string{s.Event.AccountID, request}
		c := byRequest[key]
		if c == nil {
			c = &change{account: key[0], request: key[1]}
			byRequest[key] = c
			all = append(all, c)
		}
		if launched {
			c.launched = append(c.launched, i)
		} else {
			c.own = append(c.own, i)
		}
	}
	return all
}

// settled reports whether it is known what becomes of a submission: it is not put.
func (b *batch) settled(i int) bool {
	return b.refused[i] != nil || b.first[i] != i || b.events[i] != nil || b.void[i]
}

// settleStatus decides which of the batch's status events are put. It comes after the
// idempotency keys, and costs a batch without such events nothing.
func (b *batch) settleStatus(ctx context.Context, tx Tx, ids []hermod.ID) error {
	open := b.changes()
	for try := 0; len(open) > 0; try++ {
		if try == statusTries {
			return b.leaveBusy(open)
		}
		claims := make([]hermod.Claim, len(open))
		for n, c := range open {
			claims[n] = c.claim(ids)
		}
		standing, err := tx.Claim(ctx, claims)
		if err != nil {
			return fmt.Errorf("claiming status events: %w", err)
		}
		before := b.now() // see repeat
		var existing map[hermod.EventKey]*hermod.Event
		if keys := others(claims, standing); len(keys) > 0 {
			if existing, err = tx.EventsByKey(ctx, keys); err != nil {
				return fmt.Errorf("reading status events: %w", err)
			}
		}
		var again []*change
		for n, c := range open {
			m := meeting{change: c, ids: ids, standing: standing[n], fresh: claims[n], at: before}
			m.event = existing[hermod.EventKey{Account: c.account, ID: standing[n].EventID}]
			raced, err := b.meet(ctx, tx, &m)
			if err != nil {
				return err
			}
			if raced {
				again = append(again, c)
			}
		}
		open = again
	}
	return nil
}

func (c *change) claim(ids []hermod.ID) hermod.Claim {
	i, kind := c.leader()
	return hermod.Claim{
		Owner: c.account, Key: "status:" + c.request, Hash: []byte(kind), EventID: ids[i],
		ExpiresAt: ids[i].Time().Add(hermod.ClaimRetention),
	}
}

// others are the events that rows of others name.
func others(claims, standing []hermod.Claim) []hermod.EventKey {
	var keys []hermod.EventKey
	for n, row := range standing {
		if row.EventID != claims[n].EventID {
			keys = append(keys, hermod.EventKey{Account: row.Owner, ID: row.EventID})
		}
	}
	return keys
}

// leaveBusy refuses the changes of requests whose rows others keep changing.
func (b *batch) leaveBusy(open []*change) error {
	for _, c := range open {
		if err := b.refuseChange(c, errStatusBusy()); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) refuseChange(c *change, reason error) error {
	for _, i := range append(c.own, c.launched...) {
		if err := b.refuse(b.refused, i, reason); err != nil {
			return err
		}
	}
	return nil
}

func errStatusBusy() error {
	return hermod.Errorf(hermod.CodeUnavailable, "another event of this signature request is being accepted; try again")
}

// A meeting is a change and the row that stands for its request.
type meeting struct {
	*change
	ids             []hermod.ID
	standing, fresh hermod.Claim
	// event is what the row of another names; nil where it was not put, or not yet. at
	// is the time before it was read.
	event *hermod.Event
	at    time.Time
}

func (m *meeting) kind() string { return string(m.standing.Hash) }

// recent reports whether what the row says still counts.
func (m *meeting) recent() bool { return m.age() < statusOnce }

// told reports whether the row's event exists.
func (m *meeting) told() bool { return m.event != nil || m.kind() == statusTaken }

// coming reports whether the row's event, which does not exist, may still be put.
func (m *meeting) coming() bool { return m.age() < settleTime+clockSkew }

func (m *meeting) age() time.Duration { return m.at.Sub(m.standing.EventID.Time()) }

// meet settles a change by the row that stands. raced says that the row is another one
// by now.
func (b *batch) meet(ctx context.Context, tx Tx, m *meeting) (raced bool, err error) {
	own := len(m.own) > 0
	switch {
	case m.standing.EventID == m.fresh.EventID:
		return false, b.proceed(ctx, tx, m)
	case !m.recent(), own && m.kind() != statusLaunched:
		// The row is out of date, or names another own one: two own ones are never one.
	case m.told() && own:
		return b.become(ctx, tx, m)
	case m.told():
		return false, b.annul(ctx, tx, m.ids, m.launched)
	case m.coming():
		return false, b.refuseChange(m.change, errStatusBusy())
	}
	if raced, err = take(ctx, tx, m); raced || err != nil {
		return raced, err
	}
	return false, b.proceed(ctx, tx, m)
}

// take puts the fresh row in the place of the standing one.
func take(ctx context.Context, tx Tx, m *meeting) (raced bool, err error) {
	err = tx.Reclaim(ctx, m.standing, m.fresh)
	if hermod.CodeOf(err) == hermod.CodeConflict {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("taking over a status event: %w", err)
	}
	return false, nil
}

// proceed has the publisher's own events put, or else the first launched one.
func (b *batch) proceed(ctx context.Context, tx Tx, m *meeting) error {
	if len(m.own) > 0 {
		return b.annul(ctx, tx, m.ids, m.launched)
	}
	return b.annul(ctx, tx, m.ids, m.launched[1:])
}

// become makes the first of the publisher's own events the launched one that the row
// names; the others are put. Its key says so before the row does: what stops it in
// between, a repetition finds the launched event.
func (b *batch) become(ctx context.Context, tx Tx, m *meeting) (raced bool, err error) {
	i, stamped := m.own[0], m.ids[m.own[0]]
	if err := b.rename(ctx, tx, i, stamped, m.event.ID); err != nil {
		return false, err
	}
	m.fresh.Hash = []byte(statusTaken)
	raced, err = take(ctx, tx, m)
	switch {
	case err != nil:
		return false, err
	case raced: // another own one was quicker
		return true, b.rename(ctx, tx, i, m.event.ID, stamped)
	}
	b.events[i] = m.event
	return false, b.annul(ctx, tx, m.ids, m.launched)
}

// annul makes launched events come to nothing, for good: their keys name no event.
func (b *batch) annul(ctx context.Context, tx Tx, ids []hermod.ID, launched []int) error {
	for _, i := range launched {
		b.void[i] = true
		if err := b.rename(ctx, tx, i, ids[i], hermod.ID{}); err != nil {
			return err
		}
	}
	return nil
}

// rename makes the row of a submission's key, if it has one, name another event than
// the one that would have been put.
func (b *batch) rename(ctx context.Context, tx Tx, i int, from, to hermod.ID) error {
	s := &b.submissions[i]
	if s.Key == "" {
		return nil
	}
	standing := hermod.Claim{
		Owner: s.Event.AccountID, Key: s.Key, Hash: s.Hash[:], EventID: from, ExpiresAt: from.Time().Add(hermod.ClaimRetention),
	}
	fresh := standing
	fresh.EventID = to
	err := tx.Reclaim(ctx, standing, fresh)
	switch {
	case err == nil:
		return nil
	case hermod.CodeOf(err) == hermod.CodeConflict:
		return b.refuse(b.refused, i, errKeyBusy(err))
	default:
		return fmt.Errorf("noting what became of a status event: %w", err)
	}
}
