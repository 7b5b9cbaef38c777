package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hermod/pkg/hermod"
)

// A Verdict is what became of all that was noted.
type Verdict struct {
	// Faults are what must not be, one a line; none is as it should be.
	Faults []string
	// Events are those in the log, Acknowledged those of them whose publisher knows.
	Events, Acknowledged int
	// Refused are messages of events that became none.
	Refused int
	// Deliveries are events times subscriptions; Dead and Dropped those that ended so.
	Deliveries, Dead, Dropped int
	// Unwritten are those of Dead whose log does not say so: their messages used up their
	// receives while nothing could be written or read.
	Unwritten int
	// Pushes are the requests that receivers got.
	Pushes int
	// Duplicates are pushes of what the same run had pushed before under the same
	// number, or had been taken already. Explained counts them by what explains them.
	Duplicates int
	Explained  map[string]int
	// Incidents counts what was done to the engine, by its name.
	Incidents map[string]int
}

// String is one line.
func (v *Verdict) String() string {
	var explained []string
	for _, name := range slices.Sorted(maps.Keys(v.Explained)) {
		explained = append(explained, fmt.Sprintf("%d by %s", v.Explained[name], name))
	}
	incidents := 0
	for _, n := range v.Incidents {
		incidents += n
	}
	s := fmt.Sprintf("%d events (%d acknowledged), %d deliveries (%d dead, %d of them without a final row, %d dropped), %d pushes, %d incidents, %d duplicates",
		v.Events, v.Acknowledged, v.Deliveries, v.Dead, v.Unwritten, v.Dropped, v.Pushes, incidents, v.Duplicates)
	if len(explained) > 0 {
		s += ": " + strings.Join(explained, ", ")
	}
	return s
}

// A judgement is a Judge at work.
type judgement struct {
	*Verdict
	l      *Ledger
	s      *State
	events map[hermod.ID]*hermod.Event
	rows   map[hermod.RunKey][]*hermod.Attempt
	pushes map[hermod.RunKey][]Delivery
	// letters are the deliveries in the dead-letter queue.
	letters map[delivery]bool
}

func (j *judgement) fault(format string, args ...any) {
	j.Faults = append(j.Faults, fmt.Sprintf(format, args...))
}

// Judge holds the notes against the state of an engine that has nothing more to do.
//
//   - Every acknowledged event is in the log and matched what it should have. What a
//     queue of events took is one event in the log, or among what was refused.
//   - Every event in the log, acknowledged or not, was taken by each subscription that it
//     matched, or its delivery is dead: the last row says so, and so does the dead-letter
//     queue where State has one.
//   - Runs and their rows are numbered without gaps, each run has one final row, its last
//     one, and what succeeded was taken.
//   - What a receiver took has a row that says so, unless an incident came after.
//   - Every duplicate has an incident between it and the push before.
func (l *Ledger) Judge(s *State) *Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := &judgement{
		Verdict: &Verdict{
			Faults: slices.Clone(l.errs), Events: len(s.Events), Acknowledged: len(l.publications), Pushes: len(l.deliveries),
			Explained: map[string]int{}, Incidents: map[string]int{},
		},
		l: l, s: s, events: map[hermod.ID]*hermod.Event{}, rows: map[hermod.RunKey][]*hermod.Attempt{},
		pushes: map[hermod.RunKey][]Delivery{},
	}
	if unfinished := s.Unfinished(); unfinished != "" {
		j.fault("not finished: %s", unfinished)
	}
	for _, i := range l.incidents {
		j.Incidents[i.Name]++
	}
	j.group()
	j.judgePublications()
	j.judgeMessages()
	j.judgeEnds()
	j.judgeRows()
	j.judgePushes()
	return j.Verdict
}

func (j *judgement) group() {
	for _, e := range j.s.Events {
		if j.events[e.ID] != nil {
			j.fault("event %s is in the log twice", e.ID)
		}
		j.events[e.ID] = e
	}
	for _, a := range j.s.Attempts {
		j.rows[a.RunKey] = append(j.rows[a.RunKey], a)
	}
	for _, d := range j.l.deliveries {
		j.pushes[d.Attempt.RunKey] = append(j.pushes[d.Attempt.RunKey], d)
	}
	for _, pushes := range j.pushes {
		slices.SortStableFunc(pushes, func(a, b Delivery) int { return a.At.Compare(b.At) })
	}
	for _, body := range j.s.DeadLetters {
		if _, err := hermod.DecodeMessage(body); err != nil {
			j.fault("a dead letter is no message: %v", err)
		}
	}
	j.letters = j.s.letters()
}

// judgePublications looks for what was acknowledged and is not in the log.
func (j *judgement) judgePublications() {
	for _, p := range j.l.publications {
		e := j.events[p.ID]
		if e == nil {
			j.fault("event %s (payload %d) was acknowledged and is not in the log", p.ID, p.Payload)
			continue
		}
		j.judgeMatches(e, p)
	}
}

func (j *judgement) judgeMatches(e *hermod.Event, p Publication) {
	var matched []string
	for _, ref := range e.Matches {
		matched = append(matched, ref.ID)
	}
	want := slices.Clone(p.Subscriptions)
	slices.Sort(matched)
	slices.Sort(want)
	if !slices.Equal(matched, want) {
		j.fault("event %s (payload %d) matched %q, want %q", e.ID, p.Payload, matched, want)
	}
}

// judgeMessages looks for what a queue of events took.
func (j *judgement) judgeMessages() {
	if len(j.l.messages) == 0 {
		return
	}
	events := map[int][]*hermod.Event{}
	for _, e := range j.s.Events {
		if n, ok := PayloadOf(e.Data); ok {
			events[n] = append(events[n], e)
		}
	}
	for n, p := range j.l.messages {
		refused := slices.ContainsFunc(j.s.Refused, func(body []byte) bool { return bytes.Contains(body, Data(n)) })
		switch found := events[n]; {
		case len(found) == 1 && !refused:
			j.Acknowledged++
			j.judgeMatches(found[0], p)
		case len(found) == 0 && refused:
			j.Refused++
		default:
			j.fault("the message with payload %d became %d events, and was refused: %v", n, len(found), refused)
		}
	}
}

// judgeEnds looks how each delivery ended.
func (j *judgement) judgeEnds() {
	taken := map[delivery]bool{}
	for i := range j.l.deliveries {
		if d := &j.l.deliveries[i]; d.taken() {
			taken[deliveryOf(d.Attempt.RunKey)] = true
		}
	}
	last := j.s.lastRows()
	for _, e := range j.s.Events {
		for _, ref := range e.Matches {
			j.Deliveries++
			d := delivery{event: e.ID, subscription: ref.ID}
			row := last[d]
			switch {
			case (row == nil || row.State == hermod.Waiting) && j.letters[d]:
				j.Dead++
				j.Unwritten++
				if len(j.l.incidents) == 0 {
					j.fault("event %s for subscription %s is among the dead letters, its last row does not say so, and nothing explains it", e.ID, ref.ID)
				}
			case row == nil: // Unfinished says so
			case row.State == hermod.Dead:
				j.Dead++
				if j.s.DeadLetters != nil && !j.letters[d] {
					j.fault("attempt %s is dead (%s) and not in the dead-letter queue", row.AttemptKey, row.Reason)
				}
			case row.State == hermod.Dropped:
				j.Dropped++
				if !j.l.mayDrop[ref.ID] && !taken[d] {
					j.fault("attempt %s was dropped: %s", row.AttemptKey, row.Reason)
				}
			case row.State == hermod.Succeeded && !taken[d]:
				j.fault("the log says that attempt %s succeeded, and nothing arrived", row.AttemptKey)
			}
		}
	}
}

// judgeRows looks whether the log is consistent in itself.
func (j *judgement) judgeRows() {
	runs := map[delivery][]int{}
	for run, rows := range j.rows {
		d := deliveryOf(run)
		runs[d] = append(runs[d], run.Run)
		e := j.events[run.EventID]
		if e == nil {
			j.fault("attempt %s is of an event that is not in the log", rows[0].AttemptKey)
		} else if !slices.ContainsFunc(e.Matches, func(r hermod.Ref) bool { return r.ID == run.SubscriptionID }) && run.Run == 0 {
			j.fault("attempt %s is of a subscription that its event did not match", rows[0].AttemptKey)
		}
		slices.SortFunc(rows, func(a, b *hermod.Attempt) int { return a.Compare(b.AttemptKey) })
		for i, a := range rows {
			if a.Number != i+1 {
				j.fault("attempt %s stands where number %d should", a.AttemptKey, i+1)
			}
			if i < len(rows)-1 && a.State != hermod.Waiting {
				j.fault("attempt %s is %s, and %d come after it", a.AttemptKey, a.State, len(rows)-1-i)
			}
		}
	}
	for d, numbers := range runs {
		slices.Sort(numbers)
		if numbers[len(numbers)-1] != len(numbers)-1 {
			j.fault("the runs of event %s for subscription %s are %v", d.event, d.subscription, numbers)
		}
	}
	for d := range j.letters {
		if j.events[d.event] == nil {
			j.fault("a dead letter is of event %s, which is not in the log", d.event)
		}
	}
}

// judgePushes looks at what receivers got.
func (j *judgement) judgePushes() {
	for run, pushes := range j.pushes {
		seen := map[int]bool{}
		taken := false
		for i := range pushes {
			d := &pushes[i]
			j.judgePush(d)
			if seen[d.Attempt.Number] || taken {
				j.Duplicates++
				name := j.explain(deliveryOf(run), pushes[i-1].At, d.At)
				if name == "" {
					j.fault("attempt %s was pushed at %s, %s after the push before, and nothing explains it",
						d.Attempt, d.At.Format(time.RFC3339Nano), d.At.Sub(pushes[i-1].At))
				} else {
					j.Explained[name]++
				}
			}
			seen[d.Attempt.Number] = true
			taken = taken || d.taken()
			if d.taken() && i == len(pushes)-1 {
				j.judgeTaken(d)
			}
		}
	}
}

func (j *judgement) judgePush(d *Delivery) {
	if !d.Verified {
		j.fault("attempt %s did not have a valid signature", d.Attempt)
	}
	if d.WebhookID != d.Attempt.EventID.String() {
		j.fault("attempt %s has the webhook-id %q", d.Attempt, d.WebhookID)
	}
	if p, ok := j.l.publications[d.Attempt.EventID]; ok && p.Payload != d.Payload {
		j.fault("attempt %s has payload %d, want %d", d.Attempt, d.Payload, p.Payload)
	}
	if j.events[d.Attempt.EventID] == nil {
		j.fault("attempt %s arrived, and its event is not in the log", d.Attempt)
	}
}

// judgeTaken looks for the row of a run's last push, which was taken.
func (j *judgement) judgeTaken(d *Delivery) {
	for _, a := range j.rows[d.Attempt.RunKey] {
		if a.Number == d.Attempt.Number && a.State == hermod.Succeeded {
			return
		}
	}
	// Nothing was pushed after it: what came between must have come before all ended.
	if j.explain(deliveryOf(d.Attempt.RunKey), d.At, time.Time{}) == "" {
		j.fault("attempt %s was taken, and no row says so", d.Attempt)
	}
}

// explain names what came between two pushes; "" for nothing. What concerns this very
// delivery explains it before what concerns all; a zero time after has no end.
func (j *judgement) explain(d delivery, before, after time.Time) string {
	var found []*Incident
	for n := range j.l.incidents {
		i := &j.l.incidents[n]
		if i.concerns(d) && !i.To.Before(before) && (after.IsZero() || !i.From.After(after)) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.MinFunc(found, func(a, b *Incident) int {
		if a.Event.IsZero() != b.Event.IsZero() {
			if b.Event.IsZero() {
				return -1
			}
			return 1
		}
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Name, b.Name))
	}).Name
}
