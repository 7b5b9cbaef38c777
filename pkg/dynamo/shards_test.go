package dynamo_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
)

func TestAListOfShardsIsReadOrRefused(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"":                       "",
		"2027-01-01T00:00:00Z=1": "",
		"2027-01-01T00:00:00Z=8, 2027-01-01T02:00:00+01:00=64": "",
		"2027-01-01T00:00:00Z=0":                               "count from 1 to 64",
		"2027-01-01T00:00:00Z=65":                              "count from 1 to 64",
		"2027-01-01T00:00:00Z":                                 "count from 1 to 64",
		"8":                                                    "begin with a time",
		"=8":                                                   "begin with a time",
		"2027-01-01T00:00:00Z=8,":                              "begin with a time",
		"2027-01-01T00:00:00Z=8,2027-01-01T00:00:00Z=9": "not later",
		"2027-01-01T00:00:00Z=8,2026-01-01T00:00:00Z=9": "not later",
	} {
		_, err := dynamo.ParseShards(list)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", list, err, want)
		}
	}
}

func TestEventsAreSpreadOverTheShardsOfTheirTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	shards, err := dynamo.ParseShards("2027-01-01T00:00:00Z=4,2027-02-01T00:00:00Z=16")
	if err != nil {
		t.Fatal(err)
	}
	for since, want := range map[time.Duration]int{-time.Millisecond: 1, 0: 4, 31*24*time.Hour - time.Millisecond: 4, 31 * 24 * time.Hour: 16} {
		seen := map[string]int{}
		s, _ := storeOf(t, shards, func(_ int, c call) (int, any) {
			row := c.in["Item"].(object)             //nolint:forcetypeassert // a test's
			seen[row["PK"].(object)["S"].(string)]++ //nolint:forcetypeassert // a test's
			return http.StatusOK, object{}
		})
		const events = 1600
		ids := hermod.NewIDs(func() time.Time { return at.Add(since) }, fillCounting())
		for range events {
			e := &hermod.Event{ID: ids.Next(), AccountID: "a", Sender: "s", Name: "n"}
			if err := s.PutEvents(t.Context(), []*hermod.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
		for n := range want {
			if got, mean := seen[fmt.Sprintf("a#%d", n)], events/want; got < mean/2 || got > 2*mean {
				t.Errorf("after %v shard %d of %d has %d of %d events", since, n, want, got, events)
			}
		}
		if len(seen) != want {
			t.Errorf("after %v there are %d shards, want %d", since, len(seen), want)
		}
	}
}

// fillCounting fills with the digits of a count, which are far from random.
func fillCounting() func([]byte) {
	n := 0
	return func(b []byte) {
		n++
		copy(b, fmt.Sprintf("%0*d", len(b), n))
	}
}
