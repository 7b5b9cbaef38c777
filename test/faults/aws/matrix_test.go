//go:build cloud

package aws_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestNothingIsLostWhateverStepFails plays each story once without a fault, and then once
// for every step that it came by and every fault that can befall it there.
func TestNothingIsLostWhateverStepFails(t *testing.T) {
	t.Parallel()
	s := newSuite(t, lanes)
	var clean, faulted []run
	for _, story := range stories() {
		clean = append(clean, run{story: story})
	}
	for _, r := range s.play(clean) {
		if r.verdict.Duplicates > 0 || r.untold > 0 {
			t.Errorf("%s: without a fault there were %d duplicates", r, r.verdict.Duplicates)
		}
		faulted = append(faulted, r.faults()...)
	}
	report(t, s.play(faulted))
}

// faults are the runs with a fault that can be made of a clean one. Of the steps of one
// operation it takes the first and the last, or all where HERMOD_FAULTS says so.
func (r *result) faults() (runs []run) {
	last := map[step]int{}
	for _, s := range r.steps {
		last[step{role: s.role, operation: s.operation}] = s.n
	}
	for i, s := range r.steps {
		between := s.n > 1 && s.n < last[step{role: s.role, operation: s.operation}]
		if !slices.Contains(r.story.roles, s.role) || between && os.Getenv("HERMOD_FAULTS") != "all" {
			continue
		}
		for _, f := range faultsAt(s.role, s.operation, i) {
			runs = append(runs, run{story: r.story, at: s, fault: f})
		}
	}
	return runs
}

// mayPushTwice reports whether the fault may have a receiver get the same twice: a worker
// that crashed may have pushed what it did not write down, a message whose sending was not
// answered may be there twice. Nothing else may.
func (r run) mayPushTwice() bool {
	switch {
	case r.at.role == rolePoller: // what is handed out again has its row
		return false
	case r.fault == crashBefore, r.fault == crashAfter:
		return true
	case r.at.operation == "Destination.Push":
		return true
	case strings.HasPrefix(r.at.operation, "SQS.SendMessageBatch"):
		return r.fault.done
	case r.at.operation == "DynamoDB.PutItem(deliveries)",
		r.at.role == roleDue && strings.HasSuffix(r.at.operation, "Item(deliveries)"): // what was sent is not taken out
		return r.fault.lasting
	}
	return false
}

// report says how much there was of what.
func report(t *testing.T, results []*result) {
	t.Helper()
	type sums struct {
		steps                                          map[step]bool
		runs, acknowledged, pushes, duplicates, untold int
	}
	stories, explained, missed := map[string]*sums{}, map[string]int{}, 0
	for _, r := range results {
		if !r.struck {
			missed++ // it was a run without a fault
			continue
		}
		if r.verdict.Duplicates > 0 && !r.mayPushTwice() {
			t.Errorf("%s: %d pushes too many", r, r.verdict.Duplicates)
		}
		s := stories[r.story.name]
		if s == nil {
			s = &sums{steps: map[step]bool{}}
			stories[r.story.name] = s
		}
		s.steps[r.at] = true
		s.runs++
		s.acknowledged += r.verdict.Acknowledged
		s.pushes += r.verdict.Pushes
		s.duplicates += r.verdict.Duplicates
		s.untold += r.untold
		explained[r.fault.name+" at "+r.at.operation] += r.verdict.Duplicates
	}
	if missed > len(results)/20 {
		t.Errorf("%d of %d runs never came by the step of their fault", missed, len(results))
	}
	t.Logf("%d runs with a fault, and %d that never came by its step", len(results)-missed, missed)
	for _, name := range slices.Sorted(maps.Keys(stories)) {
		s := stories[name]
		t.Logf("%-56s %3d steps, %4d runs, %5d events acknowledged, %5d pushes, %4d duplicates, %3d sent anew",
			name, len(s.steps), s.runs, s.acknowledged, s.pushes, s.duplicates, s.untold)
	}
	for _, name := range slices.Sorted(maps.Keys(explained)) {
		if n := explained[name]; n > 0 {
			t.Logf("%4d duplicates by %s", n, name)
		}
	}
}
