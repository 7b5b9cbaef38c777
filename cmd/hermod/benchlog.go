package main

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/bench"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
	"hermod/pkg/sqlite"
)

// The log that searches are measured in: searchedEvents of one account, a
// millisecond apart, all naming its organization; of them rareEvents of a type and a
// sender of their own, evenly spread, the others of commonSenders senders.
const (
	searchedEvents = 1_000_000
	rareEvents     = 10
	rareType       = "needle:found"
	commonSenders  = 10
	commonNames    = 10
	// seedChunk is how many events are written in one transaction.
	seedChunk = 5000
)

// seededData is the data of a seeded event.
var seededData = []byte(`{"documentId":"` + strings.Repeat("d", 100) + `"}`)

func benchLog(now time.Time, events int) bench.Log {
	local := provision.Local()[0]
	const path = signicat.Base + "/events?"
	first := now.Add(-time.Duration(events) * time.Millisecond)
	middle := url.QueryEscape(first.Add(time.Duration(events/2) * time.Millisecond).Format(time.RFC3339Nano))
	asOrganization := "&signicat-organizationId=" + local.Organization
	return bench.Log{
		Events: events,
		Seed: func(ctx context.Context, dir string) error {
			return seedLog(ctx, dir, events, func(i int) *hermod.Event {
				return searchedEvent(local, i, events, first.Add(time.Duration(i)*time.Millisecond))
			})
		},
		Searches: []bench.Search{
			{Name: "exact type", Target: path + "event=" + rareType, Items: rareEvents},
			{Name: "sender", Target: path + "event=needle:*", Items: rareEvents},
			{Name: "organization, exact type", Target: path + "event=" + rareType + asOrganization, Items: rareEvents},
			{Name: "organization, sender", Target: path + "event=needle:*" + asOrganization, Items: rareEvents},
			{Name: "first page of everything", Target: path, Items: 100},
			{Name: "page amid everything", Target: path + "before=" + middle, Items: 100},
			{Name: "page of a common sender", Target: path + "event=haystack-1:*&before=" + middle, Items: 100},
		},
	}
}

func searchedEvent(owner provision.Client, i, of int, at time.Time) *hermod.Event {
	e := &hermod.Event{
		Timestamp: at, Sender: fmt.Sprintf("haystack-%d", i%commonSenders),
		Name: fmt.Sprintf("straw.%d", i/commonSenders%commonNames), Data: seededData,
		AccountID: owner.Account, OrganizationID: owner.Organization, RetainUntil: at.Add(hermod.DefaultRetention),
	}
	if i%(of/rareEvents) == 0 {
		e.Sender, e.Name, _ = hermod.ParseType(rareType)
	}
	return e
}

// seedLog writes events into a database that no node has open. Their timestamps, which
// must rise, become the moments of their acceptance.
func seedLog(ctx context.Context, dir string, events int, event func(i int) *hermod.Event) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	var moment time.Time
	ids := hermod.NewIDs(func() time.Time { return moment }, func(b []byte) { _, _ = cryptorand.Read(b) })
	db, err := sqlite.Open(ctx, (&place{data: dir}).database(), sqlite.Options{IDs: ids})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	chunk := make([]*hermod.Event, 0, seedChunk)
	for i := range events {
		e := event(i)
		moment = e.Timestamp
		e.ID = ids.Next()
		if chunk = append(chunk, e); len(chunk) == seedChunk || i == events-1 {
			if err := db.PutEvents(ctx, chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	return nil
}
