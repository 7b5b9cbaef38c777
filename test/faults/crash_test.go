package faults

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// TestEveryStep has the process under test stop at each step, and has each step fail.
func TestEveryStep(t *testing.T) {
	t.Parallel()
	by := reach(t)
	for _, step := range steps() {
		if _, ok := by[step]; !ok {
			t.Errorf("no load passes %s", step)
		}
	}
	if t.Failed() {
		return
	}
	for n, part := range deal(sampled(steps()), chains) {
		t.Run(fmt.Sprint("crash ", n+1), func(t *testing.T) {
			t.Parallel()
			crashAll(t, part, by)
		})
		t.Run(fmt.Sprint("error ", n+1), func(t *testing.T) {
			t.Parallel()
			failAll(t, part, by)
		})
	}
}

// sampled are those of the steps that are gone through.
func sampled(steps []string) (some []string) {
	for i, step := range steps {
		if (uint64(i)+*seed)%oneIn == 0 {
			some = append(some, step)
		}
	}
	return some
}

// chains are how many processes go through the steps side by side.
const chains = 2

// deal deals steps out.
func deal(steps []string, n int) [][]string {
	parts := make([][]string, n)
	for i, step := range steps {
		parts[i%n] = append(parts[i%n], step)
	}
	return parts
}

// reach finds out which load passes which steps.
func reach(t *testing.T) map[string][]load {
	t.Helper()
	s := newStage(t)
	by := map[string][]load{}
	for _, l := range loads() {
		if err := s.control("arm", nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := l.run(s); err != nil {
			t.Fatalf("%s: %v", l.name, err)
		}
		s.judge(l.name)
		var passed map[string]int
		if err := s.control("passes", nil, &passed); err != nil {
			t.Fatal(err)
		}
		for step := range passed {
			by[step] = append(by[step], l)
		}
	}
	for step := range by {
		if !slices.Contains(steps(), step) {
			t.Errorf("%s is passed and is no step", step)
		}
	}
	t.Log(s.judge("all loads"))
	return by
}

// crashAll stops the process at each step, one after the other, and starts it again each
// time.
func crashAll(t *testing.T, steps []string, by map[string][]load) {
	t.Helper()
	s := newStage(t)
	for _, where := range steps {
		step, p := cutStep(where)
		s.crashAt(t, by[where], &fault{Kind: crash, Step: step, Phase: p, Pass: 1})
	}
	t.Log(s.judge("all crashes"))
}

// crashAt arms a crash, works until it comes, and starts again. A load that passed the
// step before need not pass it each time, where it raced for it.
func (s *stage) crashAt(t *testing.T, loads []load, f *fault) {
	t.Helper()
	what := "crash at " + f.Step + "/" + string(f.Phase)
	err := s.control("arm", f, nil)
	for n := 0; err == nil && n < 10; n++ {
		l := loads[n%len(loads)]
		s.parking = l.parks
		if err = l.run(s); err == nil {
			err = s.finish()
		}
	}
	if !errors.Is(err, errEnded) {
		var passed map[string]int
		_ = s.control("passes", nil, &passed)
		t.Fatalf("%s: the process did not reach it: %v\nit passed %v\n%s", what, err, passed, s.output())
	}
	s.restart()
	s.judge(what)
}
