package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"hermod/pkg/hermod"
)

// A fault is what is done at a step. It is armed by the test and done by the process
// under test.
type fault struct {
	Kind kind
	// Step and Phase say where; Step "" is every step, Phase "" is before and after.
	Step  string
	Phase phase
	// Pass is the number of the pass at which it is done, from 1, and Times how often
	// from then on; 0 is once.
	Pass, Times int
	// Of N passes about one is meant, chosen by Seed; 0 is each.
	OneIn int
	Seed  uint64
	// Only narrows it to a payload; 0 is all. Few steps know their payload.
	Only int
}

type kind string

const (
	crash   kind = "crash"
	errs    kind = "error"
	panics  kind = "panic"
	twice   kind = "twice"   // hands a message out twice at once
	late    kind = "late"    // hands a message out again when it was handled
	shuffle kind = "shuffle" // has messages wait for a moment of their own
)

type phase string

const (
	before phase = "before"
	after  phase = "after"
)

// A firing is what an injector tells of a fault that it does.
type firing struct {
	Kind  kind
	Step  string
	Phase phase
	At    time.Time
	// Event and Subscription are the delivery that it concerns, where the step knows.
	Event        hermod.ID
	Subscription string
}

func (f *firing) name() string {
	if f.Phase == "" {
		return string(f.Kind) + " " + f.Step
	}
	return string(f.Kind) + " " + f.Step + "/" + string(f.Phase)
}

// A scope is what a step knows of what it is about.
type scope struct {
	event        hermod.ID
	subscription string
	payload      int
}

func of(run hermod.RunKey) scope { return scope{event: run.EventID, subscription: run.SubscriptionID} }

// An injector stands in the process under test and does the faults that are armed.
type injector struct {
	// told takes a line for each firing.
	told io.Writer

	mu     sync.Mutex
	armed  *fault
	passed map[string]int // by step and phase, since the last arm
	fired  int
	random uint64
}

// arm replaces the fault and forgets the passes; nil disarms.
func (in *injector) arm(f *fault) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.armed, in.passed, in.fired = f, map[string]int{}, 0
	if f != nil {
		in.random = f.Seed
	}
}

// passes are the steps that were passed since the last arm, with how often.
func (in *injector) passes() map[string]int {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := map[string]int{}
	for where, n := range in.passed {
		all[where] = n
	}
	return all
}

// count is how often the armed fault was done.
func (in *injector) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.fired
}

// do passes a step around fn.
func (in *injector) do(step string, s scope, fn func() error) error {
	if err := in.pass(step, before, s); err != nil {
		return err
	}
	err := fn()
	if fault := in.pass(step, after, s); fault != nil {
		return fault
	}
	return err
}

// pass is one side of a step. It answers the error that the step shall fail with.
func (in *injector) pass(step string, p phase, s scope) error {
	in.mu.Lock()
	where := step + "/" + string(p)
	in.passed[where]++
	f := in.armed
	if f == nil || (f.Kind != crash && f.Kind != errs && f.Kind != panics) || !in.due(f, step, p, s) {
		in.mu.Unlock()
		return nil
	}
	n := in.fired
	in.tell(firing{Kind: f.Kind, Step: step, Phase: p, At: time.Now(), Event: s.event, Subscription: s.subscription})
	if f.Kind == crash { // the lock is kept: nobody else gets past a step
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	in.mu.Unlock()
	if f.Kind == panics {
		panic("injected at " + where)
	}
	return injected(n, where)
}

// due counts the pass and reports whether the fault is to be done at it.
func (in *injector) due(f *fault, step string, p phase, s scope) bool {
	if f.Step != "" && f.Step != step || f.Phase != "" && f.Phase != p || f.Only != 0 && f.Only != s.payload {
		return false
	}
	passes := in.passed[step+"/"+string(before)] + in.passed[step+"/"+string(after)]
	if f.Phase != "" {
		passes = in.passed[step+"/"+string(p)]
	}
	if f.Step == "" {
		passes = 0
		for _, n := range in.passed {
			passes += n
		}
	}
	if f.Only != 0 { // each of its passes
		passes = f.Pass
	}
	if passes < f.Pass || in.fired >= max(f.Times, 1) {
		return false
	}
	if f.OneIn > 1 {
		in.random = in.random*6364136223846793005 + 1442695040888963407
		if (in.random>>33)%uint64(f.OneIn) != 0 {
			return false
		}
	}
	in.fired++
	return true
}

// tell writes a line; it must be out before the process ends.
func (in *injector) tell(f firing) {
	line, err := json.Marshal(f)
	if err == nil {
		_, err = in.told.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err)
	}
}

// injected is the nth error: of each kind that a store or a queue answers with.
func injected(n int, where string) error {
	switch n % 3 {
	case 0:
		return &hermod.Error{Code: hermod.CodeUnavailable, Message: "injected at " + where}
	case 1:
		return fmt.Errorf("injected at %s", where)
	default:
		return fmt.Errorf("injected at %s: %w", where, context.DeadlineExceeded)
	}
}

// delivering reports whether a fault of a queue's delivery is due.
func (in *injector) delivering(step string, s scope) (kind, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f := in.armed
	if f == nil || f.Kind != twice && f.Kind != late && f.Kind != shuffle || f.Step != step {
		return "", false
	}
	in.passed[step]++
	if f.OneIn > 1 && in.passed[step]%f.OneIn != 0 {
		return "", false
	}
	if f.Kind != shuffle {
		in.tell(firing{Kind: f.Kind, Step: step, At: time.Now(), Event: s.event, Subscription: s.subscription})
	}
	return f.Kind, true
}
