package dynamo

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"hermod/pkg/hermod"
)

// failures is the index of failed attempts, keys alone, in the order of the log.
const failures = "failures"

// An attemptRef is an attempt found by a stream: with its body where the stream
// reads the table, nil where it reads the index.
type attemptRef struct {
	key  hermod.AttemptKey
	body *hermod.Attempt
	// unwanted says that the page leaves it out: it was looked at all the same.
	unwanted bool
}

// Attempts is a page of the delivery log. An owner's log is a merge over its
// subscriptions, tombstones included: the table has no partition of an owner, so
// that an attempt is written once.
func (s *Store) Attempts(ctx context.Context, q hermod.LogQuery) (hermod.LogPage, error) {
	ids := []string{q.SubscriptionID}
	if q.SubscriptionID == "" {
		var err error
		if ids, err = s.subscriptionIDs(ctx, q.Owner); err != nil {
			return hermod.LogPage{}, wrap("reading subscriptions", err)
		}
	}
	m := &merge[attemptRef]{db: s.db, compare: compareAttempts(q.Ascending)}
	for _, id := range ids {
		for n := range s.shards() {
			sp := s.logSpan(q, id, n)
			sp.page = pageOf(q.Limit, len(ids)*s.shards())
			m.streams = append(m.streams, &stream[attemptRef]{span: sp, decode: s.decodeAttemptRef(q)})
		}
	}
	attempts, stopped, err := collect(ctx, m, bounds{limit: q.Limit, examine: q.Examine}, s.loadAttempts(q))
	if errors.Is(err, errForeign) {
		return hermod.LogPage{}, nil
	}
	page := hermod.LogPage{Attempts: attempts}
	if stopped != nil {
		page.Next = &stopped.key
	}
	return page, wrap("reading attempts", err)
}

// subscriptionIDs are those of the owner, tombstones included.
func (s *Store) subscriptionIDs(ctx context.Context, owner string) ([]string, error) {
	return collectConfig(ctx, s, owner, subPrefix, func(it item) (string, error) {
		return strings.TrimPrefix(it.str("SK"), subPrefix), nil
	})
}

// errForeign ends a walk over a subscription of another owner. All of its rows are
// that owner's, so there is nothing to look for among them.
var errForeign = errors.New("the subscription is another owner's")

func (s *Store) logSpan(q hermod.LogQuery, subscription string, shard int) span {
	sp := span{
		table: s.tables.Deliveries, pkName: "PK", skName: "SK", pk: sharded(subscription, shard),
		lo: belowIDs, hi: aboveIDs, ascending: q.Ascending,
	}
	if q.Success != nil && !*q.Success {
		sp.index, sp.pkName = failures, "failuresPK"
	}
	if q.Above != nil {
		sp.lo = boundIn(subscription, *q.Above)
	}
	if q.Below != nil {
		sp.hi = boundIn(subscription, *q.Below)
	}
	return sp
}

// boundIn is where the bound falls among the sort keys of a subscription. The log
// goes by event first and by subscription then, so another subscription's rows of
// the bound's event are all before it or all after it.
func boundIn(subscription string, bound hermod.AttemptKey) string {
	switch c := cmp.Compare(subscription, bound.SubscriptionID); {
	case c < 0:
		return bound.EventID.String() + "$" // after every event#run#number: '$' is next after '#'
	case c > 0:
		return bound.EventID.String() // before them
	default:
		return attemptSK(bound)
	}
}

func compareAttempts(ascending bool) func(a, b attemptRef) int {
	if ascending {
		return func(a, b attemptRef) int { return a.key.Compare(b.key) }
	}
	return func(a, b attemptRef) int { return b.key.Compare(a.key) }
}

func (s *Store) decodeAttemptRef(q hermod.LogQuery) func(it item) (attemptRef, bool, error) {
	return func(it item) (attemptRef, bool, error) {
		k, err := attemptKeyOf(keyOf(it))
		if err != nil {
			return attemptRef{}, false, err
		}
		if _, whole := it["at"]; !whole { // the index
			return attemptRef{key: k}, true, nil
		}
		a, err := attemptOf(it)
		switch {
		case err != nil:
			return attemptRef{}, false, err
		case a.Owner != q.Owner:
			return attemptRef{}, false, errForeign
		case !s.inLog(q, a):
			return attemptRef{key: k, unwanted: true}, true, nil
		}
		return attemptRef{key: k, body: a}, true, nil
	}
}

// inLog reports whether the row belongs on the page.
func (s *Store) inLog(q hermod.LogQuery, a *hermod.Attempt) bool {
	return (q.Success == nil || *q.Success == a.Success()) &&
		(a.RetainUntil.IsZero() || s.now().Before(a.RetainUntil))
}

// loadAttempts reads the bodies that are missing.
func (s *Store) loadAttempts(q hermod.LogQuery) func(ctx context.Context, refs []attemptRef) ([]*hermod.Attempt, error) {
	return func(ctx context.Context, refs []attemptRef) ([]*hermod.Attempt, error) {
		var missing []key
		for _, ref := range refs {
			if ref.body == nil && !ref.unwanted {
				missing = append(missing, s.attemptKey(ref.key))
			}
		}
		rows, err := s.getAll(ctx, s.tables.Deliveries, missing)
		if err != nil {
			return nil, err
		}
		loaded := make(map[hermod.AttemptKey]*hermod.Attempt, len(rows))
		for _, row := range rows {
			a, err := attemptOf(row)
			if err != nil {
				return nil, err
			}
			if a.Owner != q.Owner {
				return nil, errForeign
			}
			loaded[a.AttemptKey] = a
		}
		var attempts []*hermod.Attempt
		for _, ref := range refs {
			a := ref.body
			if a == nil {
				a = loaded[ref.key]
			}
			if a != nil && s.inLog(q, a) {
				attempts = append(attempts, a)
			}
		}
		return attempts, nil
	}
}
