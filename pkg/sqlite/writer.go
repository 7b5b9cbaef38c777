package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"hermod/pkg/hermod"
)

// maxBatch bounds the operations of one commit, so that the first of them does not
// wait for an endless stream of others.
const maxBatch = 512

// An op is one caller's work for the writer: all of it is committed or none.
type op struct {
	// run may be called more than once; only its last call counts.
	run func(*tx) error
	// answer is called once, after the transaction's end.
	answer func(error)
	// outside has it run alone and outside a transaction.
	outside bool
	// state says who has the op: the writer once it has started it, the caller
	// once it has withdrawn it.
	state atomic.Int32
	tx    tx
	err   error
}

const (
	opWaiting int32 = iota
	opStarted
	opWithdrawn
)

// A writer owns the one connection that writes.
type writer struct {
	session *session
	log     *slog.Logger
	commits atomic.Int64
	// unable says that what was to be written last could not be; of the loop.
	unable bool
	// committed is told about how many bytes each commit wrote.
	committed func(bytes int)

	mu      sync.Mutex
	pending []*op
	closed  bool
	// wake holds a token while pending may be non-empty.
	wake    chan struct{}
	stopped chan struct{}
}

func startWriter(s *session, log *slog.Logger) *writer {
	w := &writer{session: s, log: log, wake: make(chan struct{}, 1), stopped: make(chan struct{}), committed: func(int) {}}
	go w.loop()
	return w
}

var errClosed = &hermod.Error{Code: hermod.CodeUnavailable, Message: "the database is closed"}

// do has the writer run fn in a transaction and answers after the commit. If ctx
// ends before fn has started, fn never runs; later, the answer is awaited, since
// fn may take effect.
func (w *writer) do(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	o := &op{run: fn, answer: func(err error) { done <- err }}
	if err := w.enqueue(o); err != nil {
		return err
	}
	if ctx.Done() == nil {
		return <-done
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if o.state.CompareAndSwap(opWaiting, opWithdrawn) {
			return ctx.Err()
		}
		return <-done
	}
}

// outside has the writer run fn between two transactions.
func (w *writer) outside(fn func(*tx) error) error {
	done := make(chan error, 1)
	if err := w.enqueue(&op{run: fn, outside: true, answer: func(err error) { done <- err }}); err != nil {
		return err
	}
	return <-done
}

func (w *writer) enqueue(o *op) error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return errClosed
	}
	w.pending = append(w.pending, o)
	w.mu.Unlock()
	w.signal()
	return nil
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close refuses further work, finishes what was taken, and stops the writer.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
	<-w.stopped
}

func (w *writer) loop() {
	defer close(w.stopped)
	for range w.wake {
		for {
			batch, closed := w.take()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			w.commit(batch)
		}
	}
}

// take removes what waits, at most maxBatch, and starts what was not withdrawn.
func (w *writer) take() (batch []*op, closed bool) {
	w.mu.Lock()
	n := min(len(w.pending), maxBatch)
	if i := slices.IndexFunc(w.pending[:n], func(o *op) bool { return o.outside }); i >= 0 {
		n = max(1, i) // all before it, or it alone
	}
	taken := w.pending[:n:n]
	w.pending = w.pending[n:]
	closed = w.closed
	w.mu.Unlock()

	batch = taken[:0]
	for _, o := range taken {
		if o.state.CompareAndSwap(opWaiting, opStarted) {
			batch = append(batch, o)
		}
	}
	if len(batch) == 0 && n > 0 {
		return w.take()
	}
	return batch, closed
}

// commit runs the batch in one transaction. There is no savepoint per operation:
// one that fails without having written is left out, and one that fails after it
// wrote spoils the transaction, so that each is run again alone.
func (w *writer) commit(batch []*op) {
	if batch[0].outside {
		batch[0].tx = tx{session: w.session}
		batch[0].err = runOp(batch[0])
		w.finish(batch, nil)
		return
	}
	spoiled, err := w.transact(batch)
	w.note(err)
	switch {
	case !spoiled:
		w.finish(batch, err)
	case len(batch) == 1:
		w.finish(batch, nil)
	default:
		for i := range batch {
			alone := batch[i : i+1]
			_, err := w.transact(alone)
			w.note(err)
			w.finish(alone, err)
		}
	}
}

// transact reports spoiled where an operation failed after it wrote; the
// transaction is then rolled back. Its error is the transaction's own.
func (w *writer) transact(batch []*op) (spoiled bool, err error) {
	if _, err := w.session.exec("BEGIN IMMEDIATE"); err != nil {
		return false, err
	}
	for _, o := range batch {
		o.tx = tx{session: w.session}
		o.err = runOp(o)
		if o.err != nil && (o.tx.wrote || o.tx.failed) {
			w.note(o.tx.err)
			if err := w.rollback(batch); err != nil {
				o.err = errors.Join(o.err, err)
			}
			return true, nil
		}
	}
	if _, err := w.session.exec("COMMIT"); err != nil {
		return false, errors.Join(err, w.rollback(batch))
	}
	w.commits.Add(1)
	bytes := 0
	for _, o := range batch {
		bytes += o.tx.bytes
	}
	w.committed(bytes)
	if w.unable && bytes > 0 {
		w.unable = false
		w.log.LogAttrs(w.session.ctx, slog.LevelWarn, "the database can be written again")
	}
	return false, nil
}

// note tells the operator once that nothing can be written: callers are told to try again.
func (w *writer) note(err error) {
	if !w.unable && hermod.CodeOf(err) == hermod.CodeUnavailable {
		w.unable = true
		w.log.LogAttrs(w.session.ctx, slog.LevelError, "the database cannot be written", hermod.LogError(err))
	}
}

func (w *writer) rollback(batch []*op) error {
	for _, o := range batch {
		o.tx.end(false)
	}
	if _, err := w.session.exec("ROLLBACK"); err != nil {
		// SQLite has rolled back by itself after some errors, such as a full disk.
		return fmt.Errorf("rolling back: %w", err)
	}
	return nil
}

// finish answers the callers: with the transaction's error, or with each one's own.
func (w *writer) finish(batch []*op, err error) {
	for _, o := range batch {
		if o.err == nil {
			o.err = err
		}
		o.tx.end(o.err == nil)
		o.answer(o.err)
	}
}

// runOp turns a panic into an error: one caller's fault must not end the writer.
func runOp(o *op) (err error) {
	defer func() {
		if p := recover(); p != nil {
			o.tx.failed = true
			err = fmt.Errorf("panic in a write: %v\n%s", p, debug.Stack())
		}
	}()
	if err := o.run(&o.tx); err != nil {
		return err
	}
	return o.tx.err
}
