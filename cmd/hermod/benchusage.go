package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/bench"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
)

// The log that reports are measured in: events of one account, evenly spread over
// usageSpan, of which one in five used something up.
const (
	usageSpan  = 28 * 24 * time.Hour
	usageShare = 5
)

// unitsAt are the units of the i-th event: signatures of two levels, now and then a
// visa, a review or three seals.
func unitsAt(i int) []hermod.Unit {
	if i%usageShare != 0 {
		return nil
	}
	switch i / usageShare % 10 {
	case 0:
		return []hermod.Unit{{Kind: hermod.UnitVisa, Level: 1, N: 1}}
	case 1:
		return []hermod.Unit{{Kind: hermod.UnitReview, N: 1}}
	case 2:
		return []hermod.Unit{{Kind: hermod.UnitSeal, N: 3}}
	default:
		return []hermod.Unit{{Kind: hermod.UnitSignature, Level: 1 + i/usageShare%2, N: 1}}
	}
}

func usageLog(now time.Time, events int) bench.Log {
	account := provision.Local()[0].Account
	first := now.Add(-usageSpan)
	at := func(i int) time.Time { return first.Add(usageSpan / time.Duration(events) * time.Duration(i)) }
	log := bench.Log{
		Events: events,
		Seed: func(ctx context.Context, dir string) error {
			return seedLog(ctx, dir, events, func(i int) *hermod.Event {
				return &hermod.Event{
					AccountID: account, Sender: string(hermod.Universign), Name: "action.closed", Data: seededData,
					Timestamp: at(i), RetainUntil: now.Add(hermod.DefaultRetention), Units: unitsAt(i),
				}
			})
		},
	}
	for _, period := range []struct {
		name          string
		after, before time.Time
	}{
		{"all events", first.Add(-time.Hour), now.Add(time.Hour)},
		{"all but the ends", at(1), at(events - 2)},
		{"two weeks", first.Add(7*24*time.Hour + 17*time.Minute), first.Add(21*24*time.Hour + 43*time.Minute)},
		{"a day", first.Add(9*24*time.Hour + 59*time.Minute), first.Add(10*24*time.Hour + time.Second)},
		{"an hour", first.Add(300*time.Hour + 29*time.Minute), first.Add(301*time.Hour + 29*time.Minute)},
		{"a minute", first.Add(400*time.Hour + 29*time.Minute), first.Add(400*time.Hour + 30*time.Minute)},
	} {
		log.Searches = append(log.Searches, bench.Search{
			Name: period.name, Token: apiKey(),
			Target: universign.Base + "/events/report?created_gt=" + url.QueryEscape(period.after.Format(time.RFC3339Nano)) +
				"&created_lt=" + url.QueryEscape(period.before.Format(time.RFC3339Nano)),
			Answer: reportOf(events, func(i int) bool { return at(i).After(period.after) && at(i).Before(period.before) }),
		})
	}
	return log
}

// apiKey is the local API key of Universign.
func apiKey() string {
	for _, s := range provision.LocalSecrets() {
		if s.Kind == auth.UniversignKey {
			return s.Secret
		}
	}
	return ""
}

// reportOf is the report of the events that count, added up one by one.
func reportOf(events int, counts func(i int) bool) string {
	kinds, levels, total := map[string]int{}, map[string]int{}, 0
	for i := range events {
		if !counts(i) {
			continue
		}
		for _, u := range unitsAt(i) {
			kinds[u.Kind] += u.N
			total += u.N
			if u.Kind == hermod.UnitSignature {
				levels[fmt.Sprintf("level_%d", u.Level)] += u.N
			}
		}
	}
	text, _ := json.Marshal(map[string]any{ // strings and integers: nothing can fail
		"object": "events-report", "total": total, "visas": kinds[hermod.UnitVisa], "seals": kinds[hermod.UnitSeal],
		"reviews": kinds[hermod.UnitReview], "signatures": kinds[hermod.UnitSignature], "signatures_by_required_level": levels,
	})
	return string(text)
}
