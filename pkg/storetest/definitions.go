package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/hermod"
)

func normalDefinition(d hermod.Definition) hermod.Definition {
	utc(&d.CreatedAt, &d.UpdatedAt)
	return d
}

// definition makes one that is not stored yet.
func (f *fixture) definition(account, event string) *hermod.Definition {
	return &hermod.Definition{
		Account: account, Type: event, Description: odd, Internal: true, Example: json.RawMessage(`{"a":"\u0000 Ærø"}`),
		Schema: json.RawMessage(`{"type":"object"}`), Validation: hermod.ValidateWarn, CreatedAt: instant(), UpdatedAt: instant(),
	}
}

func testDefinitions(t *testing.T, f *fixture) {
	f.run(t, "come back whole, sorted, for their account only", func(t *testing.T) {
		account, other := f.owner(t).ID, f.owner(t).ID
		full, bare := f.definition(account, "b:full"), &hermod.Definition{Account: account, Type: "B:bare"}
		must(t, f.store.PutDefinition(t.Context(), full))
		must(t, f.store.PutDefinition(t.Context(), bare))
		must(t, f.store.PutDefinition(t.Context(), f.definition(other, "a:foreign")))
		var all []hermod.Definition
		for _, d := range got(f.store.Definitions(t.Context(), account))(t) {
			all = append(all, normalDefinition(d))
		}
		wantEqual(t, all, []hermod.Definition{*bare, *full})
		wantEqual(t, normalDefinition(*got(f.store.Definition(t.Context(), account, "b:full"))(t)), *full)
		_, err := f.store.Definition(t.Context(), account, "a:foreign")
		wantCode(t, err, hermod.CodeNotFound)
		wantEqual(t, len(got(f.store.Definitions(t.Context(), f.name("a")))(t)), 0)
	})
	f.run(t, "are replaced and deleted", func(t *testing.T) {
		account := f.owner(t).ID
		d := f.definition(account, "a:b")
		must(t, f.store.PutDefinition(t.Context(), d))
		d.Description, d.Internal, d.Example, d.Schema, d.Validation = "", false, nil, nil, hermod.ValidateOff
		must(t, f.store.PutDefinition(t.Context(), d))
		wantEqual(t, normalDefinition(*got(f.store.Definition(t.Context(), account, "a:b"))(t)), *d)
		wantCode(t, f.store.DeleteDefinition(t.Context(), f.owner(t).ID, "a:b"), hermod.CodeNotFound)
		must(t, f.store.DeleteDefinition(t.Context(), account, "a:b"))
		wantEqual(t, len(got(f.store.Definitions(t.Context(), account))(t)), 0)
		wantCode(t, f.store.DeleteDefinition(t.Context(), account, "a:b"), hermod.CodeNotFound)
	})
	f.run(t, "bump their account with every change that is made", func(t *testing.T) {
		account := f.owner(t).ID
		d := f.definition(account, "a:b")
		must(t, f.store.PutDefinition(t.Context(), d))
		must(t, f.store.PutDefinition(t.Context(), d))
		wantEqual(t, f.ownerVersion(t, account), 2)
		must(t, f.store.DeleteDefinition(t.Context(), account, "a:b"))
		wantCode(t, f.store.DeleteDefinition(t.Context(), account, "a:b"), hermod.CodeNotFound)
		wantEqual(t, f.ownerVersion(t, account), 3)
	})
	f.run(t, "need an account", func(t *testing.T) {
		wantCode(t, f.store.PutDefinition(t.Context(), f.definition(f.name("a"), "a:b")), hermod.CodeNotFound)
	})
	f.run(t, "of many writers at once are all kept", func(t *testing.T) {
		account := f.owner(t).ID
		codes := race(func(i int) error {
			return f.store.PutDefinition(t.Context(), f.definition(account, fmt.Sprintf("a:n%d", i)))
		})
		wantEqual(t, codes, map[hermod.Code]int{"": racers})
		wantEqual(t, len(got(f.store.Definitions(t.Context(), account))(t)), racers)
		wantEqual(t, f.ownerVersion(t, account), racers)
	})
	f.run(t, "of an account have room for two megabytes, replaced ones not counted", f.definitionRoom)
}

func (f *fixture) definitionRoom(t *testing.T) {
	account := f.owner(t).ID
	large := func(event string) *hermod.Definition {
		text := json.RawMessage(`"` + strings.Repeat("x", 64<<10-2) + `"`)
		return &hermod.Definition{Account: account, Type: event, Example: text, Schema: text, CreatedAt: instant()}
	}
	room := hermod.MaxDefinitionBytes / large("a:n00").Size()
	for i := range room {
		must(t, f.store.PutDefinition(t.Context(), large(fmt.Sprintf("a:n%02d", i))))
	}
	wantCode(t, f.store.PutDefinition(t.Context(), large("a:more")), hermod.CodeConflict)
	must(t, f.store.PutDefinition(t.Context(), large("a:n00")))
	wantEqual(t, f.ownerVersion(t, account), int64(room+1))
	must(t, f.store.DeleteDefinition(t.Context(), account, "a:n01"))
	must(t, f.store.PutDefinition(t.Context(), large("a:n99")))
	wantCode(t, f.store.PutDefinition(t.Context(), large("a:n01")), hermod.CodeConflict)
	wantEqual(t, len(got(f.store.Definitions(t.Context(), account))(t)), room)
}

// globals are the global subscriptions of the owners: those of other tests are left
// out, and all are there only once.
func (f *fixture) globals(t *testing.T, owners ...string) []hermod.Ref {
	t.Helper()
	var mine []hermod.Ref
	for _, s := range got(f.store.Subscriptions(t.Context(), hermod.EveryOwner))(t) {
		if slices.Contains(owners, s.Owner) {
			mine = append(mine, s.Ref())
		}
	}
	return mine
}

func testGlobalSubscriptions(t *testing.T, f *fixture) {
	f.run(t, "are those of every owner, as they are", func(t *testing.T) {
		one, two := f.owner(t).ID, f.owner(t).ID
		f.created(t, one)
		s := f.subscription(two)
		s.Global, s.IncludeInternal, s.Filters, s.Tags, s.ExpiresAt = true, true, []hermod.Pattern{"a:*"}, []string{odd}, later()
		must(t, f.store.CreateSubscription(t.Context(), s))
		wantEqual(t, f.globals(t, one, two), []hermod.Ref{s.Ref()})
		all := got(f.store.Subscriptions(t.Context(), hermod.EveryOwner))(t)
		i := slices.IndexFunc(all, func(a *hermod.Subscription) bool { return a.Ref() == s.Ref() })
		read := normalSubscription(all[i])
		read.Sealed = s.Sealed // matching needs no secrets, and a store may leave them out
		wantEqual(t, read, normalSubscription(s))
		wantEqual(t, normalSubscription(got(f.store.Subscription(t.Context(), s.Ref()))(t)), normalSubscription(s))
	})
	f.run(t, "belong to their owner alone", func(t *testing.T) {
		s := f.subscription(f.owner(t).ID)
		s.Global = true
		must(t, f.store.CreateSubscription(t.Context(), s))
		_, err := f.store.Subscription(t.Context(), hermod.Ref{Owner: hermod.EveryOwner, ID: s.ID})
		wantCode(t, err, hermod.CodeNotFound)
		wantEqual(t, len(got(f.store.Subscriptions(t.Context(), s.Owner))(t)), 1)
	})
	f.run(t, "are changed with their owner's, and gone when they are deleted", f.globalChanges)
	f.run(t, "stay global, and others do not become it", func(t *testing.T) {
		owner := f.owner(t).ID
		s, other := f.subscription(owner), f.created(t, owner)
		s.Global = true
		must(t, f.store.CreateSubscription(t.Context(), s))
		s.Global, other.Global = false, true
		wantCode(t, f.store.UpdateSubscription(t.Context(), s), hermod.CodePreconditionFailed)
		wantCode(t, f.store.UpdateSubscription(t.Context(), other), hermod.CodePreconditionFailed)
		wantEqual(t, f.globals(t, owner), []hermod.Ref{s.Ref()})
	})
	f.run(t, "created by many at once are all there", func(t *testing.T) {
		owner := f.owner(t).ID
		codes := race(func(int) error {
			s := f.subscription(owner)
			s.Global = true
			return f.store.CreateSubscription(t.Context(), s)
		})
		wantEqual(t, codes, map[hermod.Code]int{"": racers})
		wantEqual(t, len(f.globals(t, owner)), racers)
		wantEqual(t, f.ownerVersion(t, owner), racers)
	})
	f.run(t, "that are refused change nothing", func(t *testing.T) {
		s := f.subscription(f.name("a"))
		s.Global = true
		wantCode(t, f.store.CreateSubscription(t.Context(), s), hermod.CodeNotFound)
		wantEqual(t, f.globals(t, s.Owner), nil)
	})
}

func (f *fixture) globalChanges(t *testing.T) {
	s := f.subscription(f.owner(t).ID)
	s.Global = true
	must(t, f.store.CreateSubscription(t.Context(), s))
	for i := range 3 {
		before, own := f.ownerVersion(t, hermod.EveryOwner), f.ownerVersion(t, s.Owner)
		s.Filters, s.Sealed = []hermod.Pattern{hermod.Pattern(fmt.Sprintf("a:n%d", i))}, []byte{byte(i + 1)}
		must(t, f.store.UpdateSubscription(t.Context(), s))
		all := got(f.store.Subscriptions(t.Context(), hermod.EveryOwner))(t)
		j := slices.IndexFunc(all, func(a *hermod.Subscription) bool { return a.Ref() == s.Ref() })
		wantEqual(t, all[j].Filters, s.Filters)
		if after := f.ownerVersion(t, hermod.EveryOwner); after <= before {
			t.Fatalf("version %d after %d", after, before)
		}
		wantEqual(t, f.ownerVersion(t, s.Owner), own+1)
	}
	before := f.ownerVersion(t, hermod.EveryOwner)
	s.Active, s.DeletedAt, s.Sealed = false, instant(), nil
	must(t, f.store.UpdateSubscription(t.Context(), s))
	wantEqual(t, f.globals(t, s.Owner), nil)
	if after := f.ownerVersion(t, hermod.EveryOwner); after <= before {
		t.Fatalf("version %d after %d", after, before)
	}
	wantEqual(t, got(f.store.Subscription(t.Context(), s.Ref()))(t).Deleted(), true)
}
