package signicat

import (
	"fmt"
	"time"
	"unicode/utf8"

	"hermod/pkg/hermod"
)

// The bounds of what a replay or a mock may say.
const (
	maxReplayTypes = 20
	maxSmallBody   = 64 << 10 // bytes of the whole body
)

// readReplay reads the filter of a replay into it, and whether only a preview is
// asked for.
func readReplay(f *fields, replay *hermod.Replay, now time.Time) (preview bool, err error) {
	f.Required("after")
	after, before := f.moment("after"), now
	if f.Given("before") {
		before = f.moment("before")
	}
	if f.err() == nil && !after.Before(before) {
		f.Fail("after", "must be earlier than before, which is now if it is left out")
	}
	replay.Above, replay.Below = hermod.LastIDAt(after), hermod.FirstIDAt(before)
	replay.Before = before.UTC()
	replay.Patterns = f.types("events")
	replay.Tags = f.tagList("tags", hermod.MaxTags)
	f.Read("subscriptionId", &replay.SubscriptionID, "a string")
	preview = f.pace(replay)
	return preview, f.err()
}

// pace reads how fast a replay is, and whether only a preview is asked for.
func (f *fields) pace(replay *hermod.Replay) (preview bool) {
	if rate, ok := f.Whole("rate", 1, hermod.MaxReplayRate, ""); ok {
		replay.Rate = rate
	}
	f.Read("preview", &preview, "true or false")
	return preview
}

// moment reads a member that is a date and time.
func (f *fields) moment(name string) (t time.Time) {
	var text string
	if !f.Read(name, &text, "a string") {
		return t
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		f.Fail(name, "must be an RFC 3339 date and time, such as 2026-01-31T09:30:00Z")
	}
	return t
}

func (f *fields) types(name string) (patterns []hermod.Pattern) {
	var list []string
	if !f.Read(name, &list, "an array of strings") {
		return nil
	}
	if len(list) > maxReplayTypes {
		f.Fail(name, fmt.Sprintf("must hold at most %d entries", maxReplayTypes))
		return nil
	}
	for i, text := range list {
		pattern, ok := hermod.ParsePattern(text)
		if !ok {
			f.Fail(fmt.Sprintf("%s[%d]", name, i), "must be sender:name, sender:* or *")
			continue
		}
		patterns = append(patterns, pattern)
	}
	return patterns
}

func (f *fields) tagList(name string, limit int) (tags []string) {
	if !f.Read(name, &tags, "an array of strings") {
		return nil
	}
	if len(tags) > limit {
		f.Fail(name, fmt.Sprintf("must hold at most %d tags", limit))
		return nil
	}
	for i, tag := range tags {
		if n := utf8.RuneCountInString(tag); n < 1 || n > hermod.MaxTag {
			f.Fail(fmt.Sprintf("%s[%d]", name, i), fmt.Sprintf("must be 1 to %d characters", hermod.MaxTag))
		}
	}
	return tags
}

// replayItem is a replay on the wire.
type replayItem struct {
	ID       string             `json:"id"`
	URL      string             `json:"url"`
	State    hermod.ReplayState `json:"state"`
	Reason   nullable           `json:"reason"`
	Trigger  hermod.Trigger     `json:"trigger"`
	Filter   replayFilter       `json:"filter"`
	Rate     int                `json:"rate"`
	Expected hermod.ReplayCount `json:"expected"`
	Done     hermod.ReplayCount `json:"done"`
	// Progress is 0 to 100; 100 for what is done alone.
	Progress  int      `json:"progress"`
	CreatedAt wireTime `json:"createdAt"`
	UpdatedAt wireTime `json:"updatedAt"`
	EndedAt   wireTime `json:"endedAt"`
}

// replayFilter is what a replay was asked for.
type replayFilter struct {
	After          wireTime         `json:"after"`
	Before         wireTime         `json:"before"`
	Events         []hermod.Pattern `json:"events"`
	Tags           []string         `json:"tags"`
	SubscriptionID nullable         `json:"subscriptionId"`
	// Reasons are of a redrive alone.
	Reasons []hermod.Reason `json:"reasons"`
}

func replayItemOf(r *hermod.Replay, base string) replayItem {
	item := replayItem{
		ID: r.ID.String(), URL: base + Base + "/replays/" + r.ID.String(), State: r.State, Reason: nullable(r.Reason),
		Trigger: hermod.TriggerReplay,
		Filter: replayFilter{
			After: wireTime(r.Above.Time()), Before: wireTime(r.Before), Events: orEmpty(r.Patterns),
			Tags: orEmpty(r.Tags), SubscriptionID: nullable(r.SubscriptionID), Reasons: []hermod.Reason{},
		},
		Rate: r.Rate, Expected: r.Expected, Done: r.Done, Progress: percent(r),
		CreatedAt: wireTime(r.CreatedAt), UpdatedAt: wireTime(r.UpdatedAt), EndedAt: wireTime(r.EndedAt),
	}
	if r.Dead != nil {
		item.Trigger, item.Filter.Reasons = hermod.TriggerRedrive, orEmpty(r.Dead.Reasons)
	}
	if r.Above.IsZero() {
		item.Filter.After = wireTime{}
	}
	return item
}

// percent is how far a replay is: of what was expected, or of its time where
// counting stopped early. A redrive may have no time at which it begins.
func percent(r *hermod.Replay) int {
	if r.State == hermod.ReplayDone {
		return 100
	}
	done, all := float64(r.Done.Events), float64(r.Expected.Events)
	if !r.Expected.Complete && r.Dead == nil {
		done = float64(r.Position.Time().Sub(r.Above.Time()))
		all = float64(r.Below.Time().Sub(r.Above.Time()))
	}
	if all <= 0 {
		return 0
	}
	return min(99, int(100*done/all))
}
