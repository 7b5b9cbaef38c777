package replay

import (
	"context"
	"fmt"
	"time"

	"hermod/pkg/hermod"
)

// How many entries of the dead index a redrive reads at a time: two seconds' worth of
// its rate, so that what it has read is hardly older than what it knows of the
// subscriptions.
const (
	minLetters = 16
	maxLetters = pageSize
)

// letterQuery is what a redrive selects, the first dead first.
func letterQuery(r *hermod.Replay) hermod.LetterQuery {
	q := hermod.LetterQuery{Reasons: r.Dead.Reasons, Patterns: r.Patterns}
	q.Owner, q.SubscriptionID, q.Ascending = r.Owner, r.SubscriptionID, true
	if !r.Above.IsZero() {
		q.Above = &hermod.DeadKey{At: r.Above.Time().Add(time.Millisecond)} // ids go by the millisecond
	}
	q.Below = &hermod.DeadKey{At: r.Below.Time()}
	return q
}

// prepareLetters prepares a burst of a redrive.
func (j *job) prepareLetters(ctx context.Context, now time.Time) error {
	if len(j.letters) == 0 {
		if j.last {
			return j.end(ctx, hermod.ReplayDone, "")
		}
		if err := j.readLetters(ctx, now); err != nil {
			return err
		}
	}
	var messages []hermod.Message
	var dead []hermod.AttemptKey
	after, most := j.progress, j.burstSize()
	for ; len(j.letters) > 0 && len(messages) < most; j.letters = j.letters[1:] {
		e := &j.letters[0]
		after.letter, after.position = e.key.String(), hermod.FirstIDAt(e.key.At)
		switch {
		case j.started(e):
			after.done.Events++
			after.done.Deliveries++
			dead = append(dead, e.key.AttemptKey)
		case e.superseded():
			dead = append(dead, e.key.AttemptKey)
		case e.selected:
			after.done.Events++
			if !j.audience.inForce(e.last, now) {
				continue
			}
			after.done.Deliveries++
			messages = append(messages, j.message(e.last))
			dead = append(dead, e.key.AttemptKey)
		}
	}
	j.ready(messages, dead, after)
	return nil
}

// readLetters reads the entries after the position.
func (j *job) readLetters(ctx context.Context, now time.Time) error {
	q := letterQuery(&j.replay)
	q.Limit = min(max(int(j.rate())*int(lookEvery/time.Second), minLetters), maxLetters)
	if j.letter != "" {
		position, err := hermod.ParseDeadKey(j.letter)
		if err != nil {
			return fmt.Errorf("reading the position of a redrive: %w", err)
		}
		q.Above = &position
	}
	var err error
	j.letters, err = find(ctx, j.Store, q, now)
	j.last = len(j.letters) < q.Limit
	return err
}

// started reports whether this redrive itself has overtaken the entry, before a crash
// that left it uncounted.
func (j *job) started(e *entry) bool {
	return e.superseded() && e.last.Replay == j.replay.ID && e.last.Run == e.key.Run+1
}

func (j *job) message(letter *hermod.Attempt) hermod.Message {
	m := nextRun(letter, hermod.TriggerRedrive)
	m.Replay = j.replay.ID
	return m
}

// inForce reports whether the subscription of a row is one of these and receives.
func (a audience) inForce(row *hermod.Attempt, now time.Time) bool {
	for _, s := range a {
		if s.ID == row.SubscriptionID && s.Owner == row.Owner {
			return whyNot(s, now) == ""
		}
	}
	return false
}

// countLetters counts what a redrive selects.
func (p *Planner) countLetters(ctx context.Context, r *hermod.Replay, all audience, now time.Time) (count hermod.ReplayCount, err error) {
	counting, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	q := letterQuery(r)
	q.Limit = pageSize
	for seen := 0; !count.Complete && seen < countEvents; {
		found, err := find(counting, p.Store, q, now)
		if err != nil && counting.Err() != nil && ctx.Err() == nil {
			break
		}
		if err != nil {
			return count, fmt.Errorf("counting the deliveries of a redrive: %w", err)
		}
		for i := range found {
			q.Above = &found[i].key
			if !found[i].selected {
				continue
			}
			count.Events++
			if all.inForce(found[i].last, now) {
				count.Deliveries++
			}
		}
		seen += len(found)
		count.Complete = len(found) < pageSize
	}
	return count, nil
}
