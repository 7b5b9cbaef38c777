//go:build cloud

package aws_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
	"hermod/pkg/seal"
	"hermod/test/faults/ledger"
)

// lanes is how many runs there are at a time. Most of them wait for a retry.
const lanes = 16

// A suite has lanes for runs.
type suite struct {
	t       *testing.T
	box     *seal.Box
	schemas map[string]*types.TableDescription
	free    chan *lane
}

func newSuite(t *testing.T, n int) *suite {
	t.Helper()
	keys, err := seal.NewLocalKeys(filepath.Join(t.TempDir(), "key"), random)
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{t: t, box: seal.NewBox(keys, random, time.Now), schemas: deployed(t), free: make(chan *lane, n)}
	for range n {
		l, err := newLane(t, s.schemas)
		if err != nil {
			t.Fatal(err)
		}
		s.free <- l
	}
	return s
}

// A run is a story with one fault; none where it is nil.
type run struct {
	story *story
	at    step
	fault *fault
}

func (r run) String() string {
	if r.fault == nil {
		return r.story.name
	}
	return r.story.name + ": " + r.fault.name + " at " + r.at.String()
}

// A result is what came of a run.
type result struct {
	run
	verdict *ledger.Verdict
	steps   []step
	struck  bool
	// untold are the events in the log whose producer does not know of them: it has
	// sent them anew.
	untold int
}

// play plays runs side by side and complains of what must not be.
func (s *suite) play(runs []run) []*result {
	results := make([]*result, len(runs))
	var wg sync.WaitGroup
	for i, r := range runs {
		l := <-s.free
		wg.Go(func() {
			defer func() { s.free <- l }()
			var err error
			var w *world
			// Messages of one batch are handled side by side, so a step may not come.
			for try := 0; try == 0 || try < 3 && err == nil && r.fault != nil && !results[i].struck; try++ {
				if w, err = newWorld(s.t.Context(), l, s.box, r.story, newPlan(r.at, r.fault)); err == nil {
					results[i], err = w.run(r)
				}
			}
			switch {
			case err != nil:
				s.t.Errorf("%s: %v\n%s", r, err, w.logged.String())
			case len(results[i].verdict.Faults) > 0:
				s.t.Errorf("%s:\n%s\n%s", r, strings.Join(results[i].verdict.Faults, "\n"), w.logged.String())
			default:
				return
			}
			results[i] = nil
			if fresh, err := newLane(s.t, s.schemas); err == nil {
				l = fresh // what was left undone would disturb the next run
			}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(results, func(r *result) bool { return r == nil })
}

// run plays the story to its end and judges it.
func (w *world) run(r run) (*result, error) {
	defer w.receiver.Close()
	if err := r.story.play(w); err != nil {
		return nil, err
	}
	if err := w.settle(); err != nil {
		return nil, err
	}
	out := &result{run: r, steps: w.plan.steps, struck: w.plan.hasStruck()}
	var err error
	out.verdict, out.untold, err = w.judge()
	return out, err
}

// judge holds the books against the log and the dead letters.
func (w *world) judge() (v *ledger.Verdict, untold int, err error) {
	state, err := ledger.Read(w.ctx, w.store, w.account)
	if err != nil {
		return nil, 0, err
	}
	letters, err := w.deadLetters(w.ctx, w.lane.deadDeliveries)
	if err != nil {
		return nil, 0, err
	}
	state.DeadLetters = [][]byte{}
	for _, m := range letters {
		state.DeadLetters = append(state.DeadLetters, []byte(*m.Body))
	}
	refused, err := w.deadLetters(w.ctx, w.lane.deadIngest)
	if err != nil {
		return nil, 0, err
	}
	for _, m := range refused {
		state.Refused = append(state.Refused, []byte(*m.Body))
	}
	untold = w.forgive(state)
	v = w.ledger.Judge(state)
	if len(refused) != w.unfit {
		v.Faults = append(v.Faults, fmt.Sprintf("%d messages of the ingest queue are dead, want %d", len(refused), w.unfit))
	}
	return v, untold, nil
}

// forgive leaves out deliveries that never started of events that were never
// acknowledged: a function that crashed between the put of an event and the sending of
// its messages leaves such, and its producer sends the event again.
func (w *world) forgive(state *ledger.State) (untold int) {
	attempted := map[hermod.ID]bool{}
	for _, a := range state.Attempts {
		attempted[a.EventID] = true
	}
	state.Events = slices.DeleteFunc(state.Events, func(e *hermod.Event) bool {
		if e.Sender != sender { // a notice
			return false
		}
		n, _ := ledger.PayloadOf(e.Data)
		known := w.acknowledged[e.ID] || slices.Contains(w.queued, n)
		if !known {
			untold++
		}
		return !known && !attempted[e.ID]
	})
	return untold
}
