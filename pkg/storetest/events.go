package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// event makes one that is not stored yet.
func (f *fixture) event(account string) *hermod.Event {
	return &hermod.Event{
		ID: f.ids.Next(), Timestamp: instant(), Sender: "sender", Name: "name", Data: []byte(`{"a":1}`),
		AccountID: account, RetainUntil: later(),
	}
}

func normalEvent(e *hermod.Event) hermod.Event {
	c := *e
	utc(&c.Timestamp, &c.ExpiresAt, &c.RetainUntil)
	c.Tags, c.Matches = orNil(c.Tags), orNil(c.Matches)
	return c
}

func testEvents(t *testing.T, f *fixture) {
	f.run(t, "come back whole", f.eventRoundTrip)
	f.run(t, "a hundred are put at once", func(t *testing.T) {
		account := f.name("a")
		var events []*hermod.Event
		var keys []hermod.EventKey
		for range hermod.MaxEventsPerRequest {
			e := f.event(account)
			events, keys = append(events, e), append(keys, e.Key())
		}
		must(t, f.store.PutEvents(t.Context(), events))
		wantEqual(t, len(got(f.store.EventsByKey(t.Context(), keys))(t)), len(keys))
	})
	f.run(t, "the first put of a key stands", func(t *testing.T) {
		first := f.event(f.name("a"))
		second := *first
		second.Data = []byte(`"second"`)
		must(t, f.store.PutEvents(t.Context(), []*hermod.Event{first}))
		must(t, f.store.PutEvents(t.Context(), []*hermod.Event{&second}))
		found := got(f.store.EventsByKey(t.Context(), []hermod.EventKey{first.Key()}))(t)
		wantEqual(t, normalEvent(found[first.Key()]), normalEvent(first))
	})
	f.run(t, "absent ones are missing", func(t *testing.T) {
		e := f.event(f.name("a"))
		must(t, f.store.PutEvents(t.Context(), []*hermod.Event{e}))
		foreign := hermod.EventKey{Account: f.name("a"), ID: e.ID}
		absent := hermod.EventKey{Account: e.AccountID, ID: f.ids.Next()}
		found := got(f.store.EventsByKey(t.Context(), []hermod.EventKey{foreign, absent, e.Key()}))(t)
		wantEqual(t, len(found), 1)
		for _, k := range []hermod.EventKey{foreign, absent} {
			_, err := f.store.Event(t.Context(), k.Account, k.ID)
			wantCode(t, err, hermod.CodeNotFound)
		}
		wantEqual(t, len(got(f.store.EventsByKey(t.Context(), nil))(t)), 0)
	})
	f.run(t, "are found by their account and their organization only", func(t *testing.T) {
		organization := f.name("o")
		e := f.event(f.name("a"))
		e.OrganizationID = organization
		unnamed := f.event(e.AccountID)
		must(t, f.store.PutEvents(t.Context(), []*hermod.Event{e, unnamed}))
		wantEqual(t, normalEvent(got(f.store.Event(t.Context(), e.AccountID, e.ID))(t)), normalEvent(e))
		eventually(t, func() error {
			found, err := f.store.Event(t.Context(), organization, e.ID)
			if err != nil {
				return err
			}
			return differ(normalEvent(found), normalEvent(e))
		})
		_, err := f.store.Event(t.Context(), organization, unnamed.ID)
		wantCode(t, err, hermod.CodeNotFound)
		_, err = f.store.Event(t.Context(), f.name("o"), e.ID)
		wantCode(t, err, hermod.CodeNotFound)
	})
	f.run(t, "past their retention are not read", func(t *testing.T) {
		e := f.event(f.name("a"))
		e.RetainUntil = instant().Add(-time.Second)
		must(t, f.store.PutEvents(t.Context(), []*hermod.Event{e}))
		_, err := f.store.Event(t.Context(), e.AccountID, e.ID)
		wantCode(t, err, hermod.CodeNotFound)
		wantEqual(t, len(got(f.store.EventsByKey(t.Context(), []hermod.EventKey{e.Key()}))(t)), 0)
		page := got(f.store.Events(t.Context(), hermod.EventQuery{Owner: e.AccountID, Limit: 10}))(t)
		wantEqual(t, len(page.Events), 0)
	})
}

func (f *fixture) eventRoundTrip(t *testing.T) {
	full := f.event(f.name("a"))
	full.Sender, full.Name = "Sender_1.x-y", "Name.of-1_event"
	full.Data = []byte("{ \"b\": 1.0,\n\t\"a\":[1e400, 12345678901234567890, \"\\u00e9é🦭\"], \"z\" :null}\n")
	full.OrganizationID = f.name("o")
	full.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	full.Tags = []string{"b", "a", odd}
	full.Internal = true
	full.Subject = odd
	full.Context = hermod.Context{UserID: odd, APIKeyID: "key", TraceID: "trace"}
	full.Matches = []hermod.Ref{{Owner: full.AccountID, ID: "s2"}, {Owner: full.OrganizationID, ID: "s1"}}
	bare := f.event(f.name("a"))
	bare.Data = []byte("null")
	bare.Mock = true
	bare.Units = []hermod.Unit{{Kind: hermod.UnitSeal, N: 3}, {Kind: hermod.UnitSignature, Level: 2, N: 1}}
	old := f.event(f.name("a"))
	old.Timestamp = time.Date(1, 2, 3, 4, 5, 6, 7, time.UTC)
	old.Tags, old.Matches = []string{}, []hermod.Ref{}
	large := f.event(f.name("a"))
	large.Data = fmt.Appendf(nil, "%q", bytes.Repeat([]byte("x"), hermod.MaxEventBytes-100))
	dense := f.event(f.name("a")) // as large, and nothing in it repeats
	noise := make([]byte, hermod.MaxEventBytes/2-100)
	fillRandom(noise)
	dense.Data = fmt.Appendf(nil, `"%x"`, noise)
	events := []*hermod.Event{full, bare, old, large, dense}
	must(t, f.store.PutEvents(t.Context(), events))
	for _, e := range events {
		found := got(f.store.EventsByKey(t.Context(), []hermod.EventKey{e.Key()}))(t)
		wantEqual(t, normalEvent(found[e.Key()]), normalEvent(e))
		wantEqual(t, normalEvent(got(f.store.Event(t.Context(), e.AccountID, e.ID))(t)), normalEvent(e))
		page := got(f.store.Events(t.Context(), hermod.EventQuery{Owner: e.AccountID, Limit: 2}))(t)
		if len(page.Events) != 1 {
			t.Fatal(errors.New("the log does not have the event"))
		}
		wantEqual(t, normalEvent(page.Events[0]), normalEvent(e))
	}
}
