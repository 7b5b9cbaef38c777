package faults

import (
	"errors"
	"testing"
)

// failAll has each step fail three times, in three ways, and then none.
func failAll(t *testing.T, steps []string, by map[string][]load) {
	t.Helper()
	s := newStage(t)
	for _, where := range steps {
		step, p := cutStep(where)
		s.failAt(t, by[where], &fault{Kind: errs, Step: step, Phase: p, Pass: 1, Times: 3})
	}
	t.Log(s.judge("all errors"))
}

// failAt arms errors, works until one has come, mends it and looks whether all is well.
func (s *stage) failAt(t *testing.T, loads []load, f *fault) {
	t.Helper()
	what := "errors at " + f.Step + "/" + string(f.Phase)
	if err := s.control("arm", f, nil); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for n := 0; ; n++ {
		if n == 10 {
			t.Fatalf("%s: it was not reached", what)
		}
		// What fails for an error is told so, and not acknowledged.
		if err := loads[n%len(loads)].run(s); err != nil && !errors.Is(err, errFailed) {
			t.Fatalf("%s: %v\n%s", what, err, s.output())
		}
		if err := s.finish(); err != nil && !errors.Is(err, errFailed) {
			t.Fatalf("%s: %v", what, err)
		}
		var fired int
		if err := s.control("fired", nil, &fired); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if fired > 0 {
			break
		}
	}
	if err := s.control("arm", nil, nil); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	s.judge(what)
}
