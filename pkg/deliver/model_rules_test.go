package deliver_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
)

// rules holds at any time, whatever has happened.
func (m *model) rules(t *rapid.T) {
	if m.w.broken != "" {
		t.Fatal(m.w.broken)
	}
	for run, rows := range m.w.store.rows {
		for i, a := range rows {
			if a.Number != i+1 {
				t.Fatalf("row %d of run %v has number %d", i+1, run, a.Number)
			}
			if a.State != hermod.Waiting && i < len(rows)-1 {
				t.Fatalf("run %v went on after row %d, %s", run, a.Number, a.State)
			}
		}
	}
	// That a run died before its message was moved back is told by the clock.
	if runs := len(m.w.store.rows); !m.w.stepped && runs > len(m.deliveries)+m.w.moves {
		t.Fatalf("%d runs of %d deliveries, of which %d were moved back", runs, len(m.deliveries), m.w.moves)
	}
	for _, d := range m.deliveries {
		last := m.w.last(d)
		carried, parked := m.carried(d, last), m.parked(d, last)
		if !carried && !parked {
			t.Fatalf("nothing carries delivery %v on after %+v", d.EventID, last)
		}
		if h := m.w.store.health[m.sub]; !carried && len(m.w.workers) == 0 && (h == nil || !h.Attended()) {
			t.Fatalf("delivery %v is parked, and nobody looks after it: %+v", d.EventID, h)
		}
		if last != nil && last.State == hermod.Dead && !m.w.store.dead[last.AttemptKey] {
			t.Fatalf("delivery %v is dead, and not in the dead index", d.EventID)
		}
	}
}

// carried reports whether something beside what is parked is left that carries the
// delivery on from its last row or, where it is dead, lets the operator do so.
func (m *model) carried(d hermod.Message, last *hermod.Attempt) bool {
	of := func(l *letter) bool { return l.message.EventID == d.EventID }
	if slices.ContainsFunc(m.w.dead, of) {
		return true
	}
	return slices.ContainsFunc(m.w.queue, func(l *letter) bool {
		switch {
		case !of(l):
			return false
		case last == nil || l.Redriven || l.ID == last.Carrier || l.message.Run > last.Run:
			return true
		case l.message.Unparked && l.message.Run == last.Run && l.message.After+1 == last.Number:
			return true
		default:
			return last.State == hermod.Waiting && rightful(l, last)
		}
	}) || last != nil && (m.w.store.due[last.AttemptKey] || last.State == hermod.Succeeded || last.State == hermod.Dropped)
}

// parked reports whether the delivery is parked after its last row, or before the first
// one of the run after it.
func (m *model) parked(d hermod.Message, last *hermod.Attempt) bool {
	for _, p := range m.w.store.parked {
		switch {
		case p.EventID != d.EventID:
		case last == nil:
			return true
		case last.State == hermod.Waiting && p.Run == last.Run && p.After == last.Number:
			return true
		case p.Run == last.Run && p.After+1 == last.Number: // it looks after that row
			return true
		case last.State == hermod.Dead && p.Run == last.Run+1 && p.After == 0:
			return true
		}
	}
	return false
}

// comesToRest stops all faults: every delivery ends. What is dead after that, an
// operator can still have delivered.
func (m *model) comesToRest(t *rapid.T) {
	m.w.note("faults stop")
	m.eventComesIn()
	if m.w.embedded {
		m.w.restart() // what it failed to settle is in hand till then
	}
	m.pause(false)
	answer := rapid.SampledFrom([]string{"accepts", "fails"}).Draw(t, "destination at last")
	m.drain(t, answer)
	for _, d := range m.deliveries {
		m.hasEnded(t, d)
	}
	// The destination is well and the subscription in force; moves may take more than
	// one turn, as a dead run is ended first.
	for range 4 {
		m.w.note("the operator moves all dead letters")
		s := new(*m.w.store.subs[m.sub])
		s.Active, s.Version = true, s.Version+1
		m.w.store.subs[m.sub] = s
		m.pass(max(0, m.w.latest.Sub(m.w.now())) + time.Hour)
		for _, l := range m.w.dead {
			m.w.moves++
			m.w.send(l.message, true)
		}
		m.w.dead = nil
		m.drain(t, "accepts")
	}
	for _, d := range m.deliveries {
		if last := m.w.last(d); last == nil || last.State != hermod.Succeeded && last.State != hermod.Dropped {
			t.Fatalf("delivery %v cannot be revived: its last row is %+v", d.EventID, last)
		}
	}
	for key := range m.w.store.dead {
		if row := m.w.store.rows[key.RunKey][key.Number-1]; row.State != hermod.Dead {
			t.Fatalf("%+v is in the dead index", row)
		}
	}
	if len(m.w.dead) > 0 {
		t.Fatalf("%s stays among the dead letters", m.w.dead[0].ID)
	}
}

// drain runs the world without faults until nothing is left to do.
func (m *model) drain(t *rapid.T, answer string) {
	for range 2000 {
		m.w.wake()
		m.w.sweep()
		for _, l := range m.w.visible() {
			m.w.receive(l)
		}
		for len(m.w.workers) > 0 {
			m.w.step(m.w.workers[0], noFault, modelAnswers[answer])
		}
		m.rules(t)
		if len(m.w.queue) == 0 && len(m.w.store.due) == 0 && len(m.w.store.parked) == 0 {
			return
		}
		m.pass(m.untilNext())
	}
	t.Fatalf("it does not come to rest: %+v", m.w.store.health[m.sub])
}

// untilNext is how long nothing will happen: at most to the next minute, unless all
// that is left is in the due index.
func (m *model) untilNext() time.Duration {
	next := 100 * 24 * time.Hour
	for _, l := range m.w.queue {
		next = min(next, l.hidden.Sub(m.w.queueNow()))
	}
	for key := range m.w.store.due {
		next = min(next, m.w.store.rows[key.RunKey][key.Number-1].NextAt.Sub(m.w.now()))
	}
	for _, p := range m.w.store.parked {
		next = min(next, p.WakeAt.Sub(m.w.now()))
		if h := m.w.store.health[m.sub]; h != nil && (h.Circuit == hermod.Draining || h.Circuit == hermod.Limited) {
			return time.Second
		} else if h != nil && h.Circuit == hermod.Open && !h.Paused {
			next = min(next, h.NextProbeAt.Sub(m.w.now()))
		}
	}
	return max(next, time.Second)
}

// hasEnded checks that the delivery succeeded or was dropped, or that it is among
// the dead letters; the row that says so is missing only where the last receive
// crashed.
func (m *model) hasEnded(t *rapid.T, d hermod.Message) {
	last := m.w.last(d)
	if last != nil && (last.State == hermod.Succeeded || last.State == hermod.Dropped) {
		return
	}
	dead := func(l *letter) bool { return l.message.EventID == d.EventID }
	if !slices.ContainsFunc(m.w.dead, dead) {
		t.Fatalf("delivery %v has not ended, and is not among the dead letters: %+v", d.EventID, last)
	}
}
