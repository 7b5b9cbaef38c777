package faults

import (
	"reflect"
	"slices"
	"strings"

	"hermod/pkg/deliver"
	"hermod/pkg/ingest"
)

// The steps of accept and deliver are the methods of the interfaces that they stand on,
// with the name of the part before. What is missing in the code that stands in between
// does not compile or is never passed, and then the tests that go through all steps fail.

// parts are the interfaces by part.
func parts() map[string][]reflect.Type {
	return map[string][]reflect.Type{
		"accept":   {reflect.TypeFor[ingest.Config](), reflect.TypeFor[ingest.Journal](), reflect.TypeFor[ingest.Tx]()},
		"deliver":  {reflect.TypeFor[deliver.Store](), reflect.TypeFor[deliver.Encoder](), reflect.TypeFor[deliver.Pusher]()},
		"due":      {reflect.TypeFor[deliver.DueIndex](), reflect.TypeFor[deliver.Queue]()},
		"sweep":    {reflect.TypeFor[deliver.SweepStore](), reflect.TypeFor[deliver.Queue](), reflect.TypeFor[deliver.Notifier]()},
		"replay":   {reflect.TypeFor[deliver.Queue]()},
		"ingest":   {reflect.TypeFor[handler]()},
		"delivery": {reflect.TypeFor[handler]()},
		"sqlite":   {reflect.TypeFor[committer]()},
	}
}

// A handler is what a queue hands its messages to; its end is the beginning of the
// messages' settlement.
type handler interface{ Handle() }

// A committer is the database, which asks before each commit.
type committer interface{ Commit() }

// neverPassed are the methods that a part has for another's sake.
func neverPassed() []string {
	return []string{
		"sweep.Fail",          // a sweeper makes no attempts
		"sqlite.Commit/after", // the database asks before, and the next commit is after
	}
}

// steps are all of them, in both phases.
func steps() (all []string) {
	for part, types := range parts() {
		for _, t := range types {
			for m := range t.Methods() {
				for _, p := range []phase{before, after} {
					if name := part + "." + m.Name; !slices.Contains(neverPassed(), name) && !slices.Contains(neverPassed(), name+"/"+string(p)) {
						all = append(all, name+"/"+string(p))
					}
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// cutStep splits what steps answers.
func cutStep(where string) (step string, p phase) {
	step, side, _ := strings.Cut(where, "/")
	return step, phase(side)
}
