package deliver_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// TestModel drives the code through random interleavings of duplicates, crashes
// between any two calls, redeliveries, clock steps, moves by the operator and
// whatever a destination may answer, and checks after each step that no chain has
// died and none has doubled. Afterwards all faults stop, and every delivery must
// end. Run it longer with -rapid.checks=10000.
func TestModel(t *testing.T) {
	t.Parallel()
	for name, embedded := range map[string]bool{"queue with its own clock": false, "one process": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				m := newModel(t, embedded)
				defer func() {
					m.w.restart()
					if t.Failed() {
						t.Log("\n" + strings.Join(m.w.trace, "\n"))
					}
				}()
				for range 4 {
					t.Repeat(m.actions())
				}
				m.comesToRest(t)
			})
		})
	}
}

// A model chooses what happens in a world.
type model struct {
	w          *world
	deliveries []hermod.Message // the messages that start them
	late       *hermod.Event    // not in the store yet
	sub        hermod.Ref
}

var modelSchedules = []hermod.Schedule{
	hermod.DefaultSchedule(), {}, {time.Second}, {time.Hour}, {5 * time.Second, 5 * time.Minute, time.Hour},
	{time.Second, time.Second, time.Second, time.Second, time.Second, time.Second, time.Second, time.Second, time.Second},
}

var modelBreakers = []deliver.Breaker{
	{}, {Failures: 1}, {Failures: 1}, {Failures: 2}, {Failures: 3}, {For: time.Second}, {Failures: 2, DisableAfter: 5 * time.Second},
	{Failures: 1, Probes: hermod.Schedule{time.Second}}, {Failures: 2, Probes: hermod.Schedule{time.Minute}},
}

func newModel(t *rapid.T, embedded bool) *model {
	maxReceives := rapid.SampledFrom([]int{10, 10, 5, 4}).Draw(t, "max receives")
	schedule := rapid.SampledFrom(modelSchedules).Draw(t, "schedule")
	breaker := rapid.SampledFrom(modelBreakers).Draw(t, "breaker")
	jitter := rapid.Float64Range(0, 0.999).Draw(t, "jitter")
	m := &model{w: newWorld(embedded, maxReceives, schedule, breaker, func() float64 { return jitter })}
	s := &hermod.Subscription{ID: subID, Owner: owner, Dialect: hermod.Signicat, Active: true, Version: 1}
	s.RateLimit = rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(t, "rate limit")
	m.sub = s.Ref()
	m.w.store.subs[m.sub] = s
	for i := range rapid.IntRange(1, 2).Draw(t, "deliveries") {
		e := &hermod.Event{ID: eventID(byte(i)), AccountID: owner, Sender: "s", Name: "n"}
		if d := rapid.SampledFrom([]time.Duration{0, 0, time.Second, time.Minute, time.Hour}).Draw(t, "expires after"); d > 0 {
			e.ExpiresAt = start.Add(d)
		}
		if i == 1 && rapid.Bool().Draw(t, "late") {
			m.late = e
		} else {
			m.w.store.events[e.Key()] = e
		}
		start := hermod.Message{EventID: e.ID, Account: owner, Owner: owner, SubscriptionID: subID, Trigger: hermod.TriggerMatch}
		m.deliveries = append(m.deliveries, start)
		m.w.send(start, false)
	}
	return m
}

func (m *model) actions() map[string]func(*rapid.T) {
	rare := []func(*rapid.T){m.move, m.move, m.duplicate, m.advance, m.stepClock, m.owner}
	if m.w.embedded {
		rare = append(rare, func(*rapid.T) { m.w.restart() })
	} else {
		rare = append(rare, m.handOutTwice, m.handOutTwice)
	}
	return map[string]func(*rapid.T){
		"":                m.rules,
		"receive":         m.receive,
		"receive another": m.receive,
		"step":            m.step,
		"step on":         m.step,
		"step further":    m.step,
		"finish":          m.finish,
		"wake":            m.wake,
		"sweep":           m.sweep,
		"wait":            m.wait,
		"rare":            func(t *rapid.T) { rapid.SampledFrom(rare).Draw(t, "rare")(t) },
	}
}

const maxWorkers = 4

// An action that has nothing to act on skips: rapid then draws another one, and no
// check is left out.
func (m *model) receive(t *rapid.T) {
	visible := m.w.visible()
	if len(visible) == 0 || len(m.w.workers) >= maxWorkers {
		t.Skip()
	}
	m.w.receive(rapid.SampledFrom(visible).Draw(t, "message"))
}

// handOutTwice receives a message that is hidden, as a standard queue may.
func (m *model) handOutTwice(t *rapid.T) {
	if len(m.w.queue) == 0 || len(m.w.workers) >= maxWorkers {
		t.Skip()
	}
	m.w.copies++
	m.w.receive(rapid.SampledFrom(m.w.queue).Draw(t, "message"))
}

// What a destination may answer.
var modelAnswers = map[string]func(deliver.Payload) deliver.Result{
	"accepts": accepts, "fails": fails, "gone": gone, "blocked": blocked,
	"retry after 1m": retryAfter(time.Minute), "retry after 48h": retryAfter(48 * time.Hour),
	"unsupported": func(deliver.Payload) deliver.Result { return deliver.Result{Class: deliver.ClassUnsupported} },
	"interrupted": func(deliver.Payload) deliver.Result { return deliver.Result{Class: deliver.ClassInterrupted} },
	"panics":      func(deliver.Payload) deliver.Result { panic("in the pusher") },
}

var (
	modelAnswerNames = slices.Concat(slices.Repeat([]string{"fails"}, 9),
		[]string{"accepts", "retry after 1m", "retry after 48h", "gone", "blocked", "unsupported", "interrupted", "panics"})
	modelFaults = append(slices.Repeat([]fault{noFault}, 10), failBefore, failAfter, failTwice, crashBefore, crashAfter)
)

// step has a worker make some calls, of which the last may fail or crash it.
func (m *model) step(t *rapid.T) {
	if len(m.w.workers) == 0 {
		t.Skip()
	}
	k := rapid.SampledFrom(m.w.workers).Draw(t, "worker")
	for range rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5}).Draw(t, "calls before") {
		if k.at == "Push" || k.at == "Settle" || k.at == "" {
			break
		}
		m.w.step(k, noFault, nil)
	}
	if k.at == "" {
		return
	}
	f := rapid.SampledFrom(modelFaults).Draw(t, "fault")
	if f == failTwice && k.at != "PutAttempt" {
		f = crashBefore
	}
	answer := "accepts"
	if k.at == "Push" {
		if answer = rapid.SampledFrom(modelAnswerNames).Draw(t, "answer"); answer == "interrupted" || answer == "panics" {
			k.spared = true
		}
		m.w.note("the destination %s", answer)
	}
	m.w.step(k, f, modelAnswers[answer])
}

// finish takes a worker to its end without a fault of ours.
func (m *model) finish(t *rapid.T) {
	if len(m.w.workers) == 0 {
		t.Skip()
	}
	k := rapid.SampledFrom(m.w.workers).Draw(t, "worker")
	answer := rapid.SampledFrom([]string{"fails", "fails", "fails", "accepts"}).Draw(t, "answer")
	for k.at != "" {
		m.w.step(k, noFault, modelAnswers[answer])
	}
}

func (m *model) duplicate(t *rapid.T) {
	if len(m.w.queue) == 0 || m.w.ids > 20 {
		t.Skip()
	}
	m.w.copies++
	l := rapid.SampledFrom(m.w.queue).Draw(t, "message")
	m.w.note("%s is sent again", l.ID)
	m.w.send(l.message, false)
}

func (m *model) wake(t *rapid.T) {
	if len(m.w.workers) >= maxWorkers || len(m.w.store.due)+len(m.w.store.parked) == 0 {
		t.Skip()
	}
	m.beside()
	m.w.wake()
}

func (m *model) sweep(t *rapid.T) {
	if len(m.w.workers) >= maxWorkers || len(m.w.store.health) == 0 {
		t.Skip()
	}
	m.beside()
	m.w.sweep()
}

// beside notes that two are about to wake at once.
func (m *model) beside() {
	if slices.ContainsFunc(m.w.workers, func(k *worker) bool { return k.letter == nil }) {
		m.w.copies++
	}
}

// move is the operator's: dead letters go back as new messages.
func (m *model) move(t *rapid.T) {
	if len(m.w.dead) == 0 {
		t.Skip()
	}
	m.w.copies++
	m.w.moves++
	i := rapid.IntRange(0, len(m.w.dead)-1).Draw(t, "dead letter")
	l := m.w.dead[i]
	m.w.dead = slices.Delete(m.w.dead, i, i+1)
	m.w.note("%s is moved back as %s", l.ID, m.w.send(l.message, true).ID)
}

func (m *model) advance(t *rapid.T) {
	steps := []time.Duration{time.Second, 5 * time.Second, 20 * time.Second, 40 * time.Second, 4 * time.Minute, time.Hour, 30 * time.Hour}
	m.pass(rapid.SampledFrom(steps).Draw(t, "time"))
}

// wait lets time pass until something is due.
func (m *model) wait(t *rapid.T) {
	if len(m.w.workers) > 0 || len(m.w.queue)+len(m.w.store.due)+len(m.w.store.parked) == 0 {
		t.Skip()
	}
	m.pass(m.untilNext())
}

// pass lets time pass; functions that have run too long are killed.
func (m *model) pass(d time.Duration) {
	m.w.elapsed += d
	m.w.now()
	for _, k := range slices.Clone(m.w.workers) {
		if !m.w.embedded && m.w.elapsed-k.started > modelHold {
			m.w.crash(k)
		}
	}
}

// stepClock makes the workers' clock wrong: by seconds where it is one of many
// machines', and by anything where it is the one.
func (m *model) stepClock(t *rapid.T) {
	skews := []time.Duration{0, time.Second, 5 * time.Second, -time.Second, -5 * time.Second}
	if m.w.embedded {
		skews = append(skews, 10*time.Minute, 24*time.Hour, -10*time.Minute, -24*time.Hour)
	}
	m.w.stepped = true
	m.w.skew = rapid.SampledFrom(skews).Draw(t, "skew")
}

// owner changes the subscription, or the late event comes in.
func (m *model) owner(t *rapid.T) {
	s := new(*m.w.store.subs[m.sub])
	s.Version++
	switch rapid.SampledFrom([]string{"touch", "disable", "enable", "enable", "event", "delete", "pause", "resume", "resume", "limit"}).Draw(t, "change") {
	case "disable":
		s.Active = false
	case "enable":
		s.Active = true
	case "limit":
		s.RateLimit = rapid.IntRange(0, 2).Draw(t, "rate limit")
	case "event":
		m.eventComesIn()
	case "pause":
		m.pause(true)
	case "resume":
		m.pause(false)
	case "delete":
		if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
			s.DeletedAt = m.w.now()
		}
	}
	m.w.store.subs[m.sub] = s
}

// pause stops the deliveries, or has them go on.
func (m *model) pause(paused bool) {
	h, ok := m.w.store.health[m.sub]
	if !ok {
		h = &hermod.Health{Owner: m.sub.Owner, SubscriptionID: m.sub.ID}
	}
	h = new(*h)
	if !h.Pause(paused) {
		return
	}
	h.Version++
	m.w.store.health[m.sub] = h
}

func (m *model) eventComesIn() {
	if m.late != nil {
		m.w.store.events[m.late.Key()] = m.late
		m.late = nil
	}
}
