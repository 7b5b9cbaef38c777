//go:build cloud

package aws_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"hermod/test/faults/ledger"
)

// errDead is what a worker gets of AWS that has crashed: nothing it does afterwards
// arrives anywhere.
var errDead = errors.New("the worker is dead")

// A wire is what one worker has to do with the rest of the world: the requests of its AWS
// clients, its pushes, and its answer. Each of them is a step, named for the worker's
// role, the operation, and how many of these there were in the run.
type wire struct {
	world *world
	role  string
	next  interface {
		Do(r *http.Request) (*http.Response, error)
	}
	// crash ends the worker's context.
	crash func()

	mu   sync.Mutex
	dead bool
	// down is the fault that the rest of this invocation meets at an operation.
	down map[string]*fault
	// incident is what befell this invocation; nil for nothing.
	incident *ledger.Incident
}

// A step is the n-th time that workers of a role come to an operation.
type step struct {
	role, operation string
	n               int
}

func (s step) String() string { return fmt.Sprintf("%s %s.%d", s.role, s.operation, s.n) }

// A plan is the one fault of a run, and where it strikes. Its steps are all that the run
// has come by.
type plan struct {
	at    step
	fault *fault

	mu     sync.Mutex
	counts map[step]int // n is 0
	steps  []step
	struck bool
}

func newPlan(at step, f *fault) *plan { return &plan{at: at, fault: f, counts: map[step]int{}} }

// come counts the step and answers the fault that strikes there, nil for none.
func (p *plan) come(role, operation string) *fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := step{role: role, operation: operation}
	p.counts[s]++
	s.n = p.counts[s]
	p.steps = append(p.steps, s)
	if p.fault == nil || p.struck || s != p.at {
		return nil
	}
	p.struck = true
	return p.fault
}

func (p *plan) hasStruck() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

// take takes a step by act, unless a fault does it instead.
func (w *wire) take(operation string, body []byte, act action) (*http.Response, error) {
	f := w.world.plan.come(w.role, operation)
	w.mu.Lock()
	if w.dead {
		w.mu.Unlock()
		return nil, errDead
	}
	struck := f != nil
	if f == nil {
		f = cmp.Or(w.down[operation], w.world.outage(operation))
	} else if f.lasting {
		w.down[operation] = f
	}
	if f == nil {
		w.mu.Unlock()
		return act()
	}
	if struck {
		w.incident = &ledger.Incident{Name: f.name + " at " + w.world.plan.at.String(), From: w.world.clock.now()}
	}
	w.mu.Unlock()
	return f.strike(w, body, act)
}

// pass takes a step that is no request.
func (w *wire) pass(name string, act func()) error {
	response, err := w.take(name, nil, func() (*http.Response, error) {
		act()
		return nil, nil //nolint:nilnil // there is nothing to answer
	})
	drop(response, err)
	return err
}

// die ends the worker in the middle of what it does.
func (w *wire) die() {
	w.mu.Lock()
	w.dead = true
	w.mu.Unlock()
	w.crash()
}

// cut is Lambda's end of an invocation that took too long.
func (w *wire) cut() {
	w.mu.Lock()
	w.incident = &ledger.Incident{Name: "cut by the deadline", From: w.world.clock.now()}
	w.mu.Unlock()
	w.die()
}

func (w *wire) isDead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

// end ends an invocation: what was down is up again, and what befell it is noted. An
// incident is over with the invocation, since what was under way beside it may have
// arrived until then. Where messages may have been sent twice it lasts: the second one is
// there until it is handled.
func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.down)
	if w.incident == nil {
		return
	}
	w.incident.To = w.world.clock.now().Add(time.Second) // for a receiver to look at its clock
	if w.role != roleDeliver {
		w.incident.To = w.incident.To.AddDate(1, 0, 0)
	}
	w.world.ledger.Note(*w.incident)
	w.incident = nil
}

// Do is a request of an AWS client.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return w.take(w.world.lane.operation(r, body), body, func() (*http.Response, error) {
		again := r.WithContext(r.Context())
		sent := w.world.hurry(r, body)
		again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
		response, err := w.next.Do(again)
		if err == nil && response.StatusCode == http.StatusOK {
			w.world.sawRequest(r, body)
		}
		return response, err
	})
}

// operation names a request: service, operation, and the table or the queue.
func (l *lane) operation(r *http.Request, body []byte) string {
	service, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	service, _, _ = strings.Cut(strings.TrimPrefix(service, "Amazon"), "_")
	for _, name := range l.names() {
		if bytes.Contains(body, []byte(name.full)) {
			return service + "." + operation + "(" + name.short + ")"
		}
	}
	return service + "." + operation
}
