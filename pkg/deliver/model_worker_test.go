package deliver_test

import (
	"errors"
	"iter"
	"slices"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A worker handles one message, or wakes what is due.
type worker struct {
	name    string
	letter  *letter // nil for one that wakes
	handed  hermod.Received
	started time.Duration
	next    func() (string, bool)
	stop    func()
	yield   func(string) bool
	at      string // the call it is about to make; "" once it has ended
	fault   fault  // what becomes of that call
	answer  func(deliver.Payload) deliver.Result
	crashed bool

	final  map[hermod.RunKey]bool // the runs it has read the end of
	pushed int
	put    int  // rows put after a push
	parked bool // it has parked its delivery
	// admitted says that its attempt may begin.
	admitted bool
	spared   bool // a fault of the model's or a race explains a push without a row
}

// A fault is what becomes of a call.
type fault string

const (
	noFault     fault = "ok"
	failBefore  fault = "fails"
	failAfter   fault = "takes effect and fails"
	failTwice   fault = "takes effect, is tried again and conflicts"
	crashBefore fault = "crash before"
	crashAfter  fault = "crash after"
)

var errCrash = errors.New("crash")

// launch starts a worker and takes it to its first call.
func (w *world) launch(k *worker, body func()) {
	k.final, k.started = map[hermod.RunKey]bool{}, w.elapsed
	k.next, k.stop = iter.Pull(func(yield func(string) bool) {
		k.yield = yield
		defer func() {
			if p := recover(); p != nil && !k.crashed {
				w.breaks("%s panicked: %v", k.name, p)
			}
		}()
		body()
	})
	w.workers = append(w.workers, k)
	w.note("%s starts", k.name)
	w.resume(k)
}

// resume takes a worker to its next call.
func (w *world) resume(k *worker) {
	w.current = k
	at, ok := k.next()
	if k.at = at; !ok {
		w.end(k)
	}
}

// step has the worker make the call it stands before.
func (w *world) step(k *worker, f fault, answer func(deliver.Payload) deliver.Result) {
	w.note("%s: %s %s", k.name, k.at, f)
	k.fault, k.answer = f, answer
	if f != noFault {
		k.spared = true
		if k.letter == nil || f == failTwice {
			w.copies++ // what was sent may be sent again
		}
	}
	if f == crashBefore {
		w.crash(k)
	} else {
		w.resume(k)
	}
	if k.crashed && w.embedded {
		w.restart() // one process, one crash
	}
}

func (w *world) crash(k *worker) {
	w.note("%s crashes", k.name)
	w.current = k
	k.spared = true
	if k.parked {
		w.copies++ // its message comes back
	}
	k.stop()
	w.end(k)
}

func (w *world) end(k *worker) {
	k.at = ""
	if l := k.letter; l != nil && l.Receives == k.handed.Receives {
		l.excused = k.spared
	}
	w.workers = slices.DeleteFunc(w.workers, func(o *worker) bool { return o == k })
	if k.pushed > k.put && !k.spared {
		w.breaks("%s pushed and left no row, for no reason", k.name)
	}
}

// restart is a crash of the process: what was in hand is ready again.
func (w *world) restart() {
	for len(w.workers) > 0 {
		w.crash(w.workers[0])
	}
	for _, l := range w.queue {
		l.inHand = false
	}
}
