package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// A matcher finds the subscriptions an event goes to, and what its account has said
// of its type. It keeps both of the owners it has seen, and reads an owner's again
// when the owner's version has moved on. The version is read before them, for every
// batch: a change that was answered before the batch began is in force for it.
type matcher struct {
	config  Config
	compile Compiler

	mu     sync.Mutex
	owners map[string]*index
}

// maxOwners bounds the owners kept; past it the matcher starts afresh.
const maxOwners = 10_000

// An index is the subscriptions of one owner at one version, by what their
// filters select.
type index struct {
	version   int64
	filtering filtered
	any       []*hermod.Subscription
	// translating are those of filtering that have events translated; mostly none.
	translating filtered
	// rules are what the account has registered, by type; most have nothing.
	rules map[string]*rule
	// types are those known to be registered for the owner. They are shared by
	// the owner's later indexes and guarded by the matcher's mutex.
	types map[string]bool
	// seen is when its version was first seen, settled that it was read settleRead later.
	seen    time.Time
	settled bool
}

// filtered are subscriptions by what their filters name.
type filtered struct {
	exact  map[string][]*hermod.Subscription // by type
	sender map[string][]*hermod.Subscription
}

func newFiltered() filtered {
	return filtered{exact: map[string][]*hermod.Subscription{}, sender: map[string][]*hermod.Subscription{}}
}

func (x *filtered) add(p hermod.Pattern, s *hermod.Subscription) {
	if sender, all := p.Sender(); all {
		x.sender[sender] = append(x.sender[sender], s)
	} else {
		x.exact[string(p)] = append(x.exact[string(p)], s)
	}
}

func (x *filtered) empty() bool { return len(x.exact) == 0 && len(x.sender) == 0 }

func newMatcher(config Config, compile Compiler) *matcher {
	return &matcher{config: config, compile: compile, owners: map[string]*index{}}
}

// owned is what one batch needs of its owners: their rows and their indexes.
type owned struct {
	rows    map[string]hermod.Owner
	indexes map[string]*index
}

func (m *matcher) load(ctx context.Context, ids []string, now time.Time) (owned, error) {
	rows, err := m.config.Owners(ctx, append(ids, hermod.EveryOwner))
	if err != nil {
		return owned{}, fmt.Errorf("reading the owners' versions: %w", err)
	}
	o := owned{rows: rows, indexes: make(map[string]*index, len(rows))}
	for id, row := range rows {
		if o.indexes[id], err = m.index(ctx, id, row.Version, now); err != nil {
			return owned{}, err
		}
	}
	delete(rows, hermod.EveryOwner) // nobody's events are its own
	return o, nil
}

// settleRead is how long after its version was seen first an index is read once more. On
// DynamoDB a query may still miss rows of the transaction whose new version a read has shown
// already (its isolation is read-committed there), and nothing else would bring them.
const settleRead = 2 * time.Second

func (m *matcher) index(ctx context.Context, owner string, version int64, now time.Time) (*index, error) {
	m.mu.Lock()
	known := m.owners[owner]
	m.mu.Unlock()
	seen := now
	if known != nil && known.version == version {
		if known.settled || now.Sub(known.seen) < settleRead {
			return known, nil
		}
		seen = known.seen
	}

	subscriptions, err := m.config.Subscriptions(ctx, owner)
	if err != nil {
		return nil, fmt.Errorf("reading the subscriptions of %s: %w", owner, err)
	}
	fresh := newIndex(version, subscriptions)
	fresh.seen, fresh.settled = seen, now.Sub(seen) >= settleRead
	if owner != hermod.EveryOwner {
		definitions, err := m.config.Definitions(ctx, owner)
		if err != nil {
			return nil, fmt.Errorf("reading the definitions of %s: %w", owner, err)
		}
		fresh.rules = newRules(definitions, m.compile)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.owners[owner]; known != nil {
		fresh.types = known.types
	}
	if len(m.owners) >= maxOwners {
		clear(m.owners)
	}
	m.owners[owner] = fresh
	return fresh, nil
}

func newIndex(version int64, subscriptions []*hermod.Subscription) *index {
	x := &index{version: version, filtering: newFiltered(), translating: newFiltered(), types: map[string]bool{}}
	for _, s := range subscriptions {
		kept := *s
		kept.Sealed = nil // matching needs no secrets, and they are most of the row
		x.add(&kept)
	}
	return x
}

func (x *index) add(s *hermod.Subscription) {
	if !s.Active || s.Deleted() {
		return
	}
	if len(s.Filters) == 0 || slices.Contains(s.Filters, hermod.AnyType) {
		x.any = append(x.any, s)
		return
	}
	for _, p := range s.Filters {
		x.filtering.add(p, s)
		if s.Translate {
			x.translating.add(p, s)
		}
	}
}

// match gives the subscriptions the event goes to, each once, in the order of
// their ids. A global one is found among its owner's and among all owners'.
func (o *owned) match(e *hermod.Event, now time.Time) []hermod.Ref {
	var refs []hermod.Ref
	typ := e.Type()
	take := func(candidates []*hermod.Subscription) {
		for _, s := range candidates {
			if s.Matches(e, now) {
				refs = append(refs, s.Ref())
			}
		}
	}
	for _, owner := range append(e.Owners(), hermod.EveryOwner) {
		x, ok := o.indexes[owner]
		if !ok {
			continue
		}
		take(x.filtering.exact[typ])
		take(x.filtering.sender[e.Sender])
		take(x.any)
		if x.translating.empty() {
			continue
		}
		for _, other := range hermod.Equivalents(typ) {
			sender, _, _ := hermod.ParseType(other)
			take(x.translating.exact[other])
			take(x.translating.sender[sender])
		}
	}
	slices.SortFunc(refs, func(a, b hermod.Ref) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.ID, b.ID))
	})
	return slices.Compact(refs)
}

// maxTypes bounds the types of an owner that are remembered as registered; past
// it they are registered again.
const maxTypes = 10_000

// register makes the types, by owner, known as types of the owner's events on
// first use, so that a search by sender can merge over the names it has.
func (m *matcher) register(ctx context.Context, o *owned, types map[string][]string) error {
	for owner, used := range types {
		known := o.indexes[owner]
		missing := m.unregistered(known, used)
		if len(missing) == 0 {
			continue
		}
		if err := m.config.RegisterTypes(ctx, owner, missing); err != nil {
			return fmt.Errorf("registering types for %s: %w", owner, err)
		}
		m.mu.Lock()
		if len(known.types) > maxTypes {
			clear(known.types)
		}
		for _, t := range missing {
			known.types[t] = true
		}
		m.mu.Unlock()
	}
	return nil
}

func (m *matcher) unregistered(x *index, types []string) []string {
	var missing []string
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range types {
		if !x.types[t] && !slices.Contains(missing, t) {
			missing = append(missing, t)
		}
	}
	return missing
}
