package replay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hermod/pkg/hermod"
)

// A LetterStore is what dead letters are read from and purged in.
type LetterStore interface {
	DeadIndex
	// LastOf reads the last row of a delivery, see Deliveries.
	LastOf(ctx context.Context, subscriptionID string, event hermod.ID) (*hermod.Attempt, error)
	// EventsByKey reads events. Those that do not exist are missing.
	EventsByKey(ctx context.Context, keys []hermod.EventKey) (map[hermod.EventKey]*hermod.Event, error)
	// Record puts a row into the audit log.
	Record(ctx context.Context, c hermod.Change) error
}

// Letters reads and purges dead letters.
type Letters struct {
	Store LetterStore
	Now   func() time.Time
}

const (
	// lettersExamined bounds the entries of the index that one page reads, each at the
	// price of one read of a row: a filter that selects few of many pages on.
	lettersExamined = 500
	// purgeTime bounds one purge, and purgeLetters how many it purges.
	purgeTime    = 10 * time.Second
	purgeLetters = 10_000
)

// Find reads the dead letter whose last row the key names. It fails with CodeNotFound,
// also for one that is a dead letter no more.
func (l *Letters) Find(ctx context.Context, key hermod.AttemptKey) (*hermod.Attempt, error) {
	last, err := l.Store.LastOf(ctx, key.SubscriptionID, key.EventID)
	if err != nil {
		return nil, fmt.Errorf("reading the last attempt of a delivery: %w", err)
	}
	if !standing(key, last, l.Now()) {
		return nil, hermod.Errorf(hermod.CodeNotFound, "no dead letter has this id")
	}
	return last, nil
}

// Page is a page of an owner's dead letters.
func (l *Letters) Page(ctx context.Context, q hermod.LetterQuery) (page hermod.LetterPage, err error) {
	limit, step := q.Limit, q.Limit
	if len(q.Reasons) > 0 || len(q.Patterns) > 0 {
		step = pageSize
	}
	for examined := 0; ; {
		q.Limit = step
		found, err := find(ctx, l.Store, q, l.Now())
		if err != nil {
			return hermod.LetterPage{}, err
		}
		for i := range found {
			e := &found[i]
			if q.Ascending {
				q.Above = &e.key
			} else {
				q.Below = &e.key
			}
			if e.selected {
				page.Letters = append(page.Letters, e.last)
			}
			if len(page.Letters) == limit && (i < len(found)-1 || len(found) == step) {
				page.Next = &e.key
				return page, nil
			}
		}
		if examined += len(found); len(found) < step {
			return page, nil
		}
		if examined >= lettersExamined {
			page.Next = &found[len(found)-1].key
			return page, nil
		}
	}
}

// Clear takes a dead letter out of the index: it is purged. Its rows stay in the log. The
// audit log tells of it before.
func (l *Letters) Clear(ctx context.Context, owner string, key hermod.AttemptKey) error {
	err := l.Store.Record(ctx, hermod.Change{Owner: owner, Action: hermod.DeadLetterPurged, Target: key.String()})
	if err != nil {
		return fmt.Errorf("recording a purge: %w", err)
	}
	if err := l.Store.ClearDead(ctx, []hermod.AttemptKey{key}); err != nil {
		return fmt.Errorf("purging a dead letter: %w", err)
	}
	return nil
}

// Purge takes the dead letters that the query selects out of the index, the first dead
// first, for purgeTime at most. The audit log tells of it before. Limit and Ascending of the query say nothing.
func (l *Letters) Purge(ctx context.Context, q hermod.LetterQuery) (count hermod.PurgeCount, err error) {
	q.Ascending, q.Limit = true, pageSize
	err = l.Store.Record(ctx, hermod.Change{Owner: q.Owner, Action: hermod.DeadLettersPurged, Target: q.SubscriptionID})
	if err != nil {
		return count, fmt.Errorf("recording a purge: %w", err)
	}
	for start := l.Now(); count.Purged < purgeLetters && l.Now().Sub(start) < purgeTime; {
		found, err := find(ctx, l.Store, q, l.Now())
		if err != nil {
			return count, err
		}
		var keys []hermod.AttemptKey
		purged := int64(0)
		for _, e := range found {
			if e.selected {
				purged++
			}
			if e.selected || e.superseded() {
				keys = append(keys, e.key.AttemptKey)
			}
		}
		if err := l.Store.ClearDead(ctx, keys); err != nil {
			return count, fmt.Errorf("purging dead letters: %w", err)
		}
		count.Purged += purged
		if len(found) < pageSize {
			count.Complete = true
			return count, nil
		}
		q.Above = &found[len(found)-1].key
	}
	return count, nil
}

// An entry is one of the dead index, held against the last row of its delivery.
type entry struct {
	key  hermod.DeadKey
	last *hermod.Attempt
	// selected says that it is a dead letter and that the query selects it.
	selected bool
}

// superseded reports whether the entry can never be a dead letter any more: a later run
// has a row.
func (e *entry) superseded() bool {
	return e.last != nil && e.last.AttemptKey != e.key.AttemptKey
}

// find reads a page of the index, and where the deliveries of its entries stand.
func find(ctx context.Context, s LetterStore, q hermod.LetterQuery, now time.Time) ([]entry, error) {
	keys, err := s.Dead(ctx, q.DeadQuery)
	if err != nil {
		return nil, fmt.Errorf("reading the dead index: %w", err)
	}
	entries := make([]entry, len(keys))
	g, reads := errgroup.WithContext(ctx)
	g.SetLimit(reading)
	for i, key := range keys {
		g.Go(func() (err error) {
			entries[i].key = key
			entries[i].last, err = s.LastOf(reads, key.SubscriptionID, key.EventID)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("reading the last attempts of deliveries: %w", err)
	}
	for i := range entries {
		e := &entries[i]
		e.selected = standing(e.key.AttemptKey, e.last, now) && e.last.Owner == q.Owner &&
			(len(q.Reasons) == 0 || slices.Contains(q.Reasons, e.last.Reason))
	}
	return entries, selectTypes(ctx, s, q.Patterns, entries)
}

// standing reports whether the key names a dead letter, given the last row of its
// delivery.
func standing(key hermod.AttemptKey, last *hermod.Attempt, now time.Time) bool {
	return last != nil && last.AttemptKey == key && last.State == hermod.Dead && !last.Cleared &&
		(last.RetainUntil.IsZero() || now.Before(last.RetainUntil))
}

// selectTypes deselects what is of no type that the patterns select.
func selectTypes(ctx context.Context, s LetterStore, patterns []hermod.Pattern, entries []entry) error {
	if len(patterns) == 0 || slices.Contains(patterns, hermod.AnyType) {
		return nil
	}
	var keys []hermod.EventKey
	for _, e := range entries {
		if key := eventOf(e.last); e.selected && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	events, err := s.EventsByKey(ctx, keys)
	if err != nil {
		return fmt.Errorf("reading the events of dead letters: %w", err)
	}
	for i := range entries {
		e := &entries[i]
		if !e.selected {
			continue
		}
		event := events[eventOf(e.last)]
		e.selected = event != nil && slices.ContainsFunc(patterns, func(p hermod.Pattern) bool {
			return p.Matches(event.Sender, event.Name)
		})
	}
	return nil
}

func eventOf(a *hermod.Attempt) hermod.EventKey {
	if a == nil {
		return hermod.EventKey{}
	}
	return hermod.EventKey{Account: a.Account, ID: a.EventID}
}
