package deliver

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"hermod/pkg/hermod"
)

// A Waker sends the messages of waiting rows that no message carries, once they
// are due. It runs each minute.
type Waker struct {
	Index DueIndex
	Queue Queue
	Now   func() time.Time
	Log   *slog.Logger
}

const (
	// wakePage is how many rows are woken between two looks at the index.
	wakePage = 250
	// wakeMargin is what must be left of the time given for another page to begin.
	wakeMargin = 10 * time.Second
)

// Wake sends the message of every row that is due, and of every parked delivery that has
// waited its time, and answers how many it sent. A row leaves the index only after its
// message is in the queue: a crash in between sends the message again, and the run's
// rows sort that out.
func (w *Waker) Wake(ctx context.Context) (sent int, err error) {
	start := w.Now()
	defer func() { w.logWake(ctx, start, sent, err) }()
	rows, err := wakeAll(ctx, w, func() ([]*hermod.Attempt, error) { return w.Index.Due(ctx, start, wakePage) },
		func(a *hermod.Attempt) hermod.AttemptKey { return a.AttemptKey }, w.wake)
	if err != nil {
		return rows, err
	}
	parked, err := wakeAll(ctx, w, func() ([]*hermod.Parked, error) { return w.Index.ParkedDue(ctx, start, wakePage) },
		func(p *hermod.Parked) string { return p.Token }, func(ctx context.Context, page []*hermod.Parked) error {
			return unpark(ctx, w.Queue, w.Index, page)
		})
	return rows + parked, err
}

// wakeAll wakes page by page until nothing is left, or no time: then the next minute
// goes on. An index may show for a moment what has left it.
func wakeAll[T any, K comparable](
	ctx context.Context, w *Waker, read func() ([]T, error), key func(T) K, wake func(context.Context, []T) error,
) (sent int, err error) {
	seen := map[K]bool{}
	for w.timeLeft(ctx) {
		page, err := read()
		if err != nil {
			return sent, fmt.Errorf("reading what is due: %w", err)
		}
		var fresh []T
		for _, t := range page {
			if !seen[key(t)] {
				seen[key(t)] = true
				fresh = append(fresh, t)
			}
		}
		if len(fresh) == 0 {
			return sent, nil
		}
		if err := wake(ctx, fresh); err != nil {
			return sent, err
		}
		sent += len(fresh)
	}
	return sent, nil
}

// unpark sends the messages of what is parked, and then removes it.
func unpark(ctx context.Context, q Queue, store interface {
	Unpark(ctx context.Context, parked []*hermod.Parked) error
}, parked []*hermod.Parked) error {
	messages := make([]hermod.Message, len(parked))
	for i, p := range parked {
		messages[i] = p.Message
		messages[i].Unparked = true
	}
	if err := q.Send(ctx, messages); err != nil {
		return fmt.Errorf("sending the messages of %d parked deliveries: %w", len(parked), err)
	}
	if err := store.Unpark(ctx, parked); err != nil {
		return fmt.Errorf("removing %d parked deliveries: %w", len(parked), err)
	}
	return nil
}

func (w *Waker) timeLeft(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || deadline.Sub(w.Now()) > wakeMargin
}

func (w *Waker) wake(ctx context.Context, rows []*hermod.Attempt) error {
	messages := make([]hermod.Message, len(rows))
	keys := make([]hermod.AttemptKey, len(rows))
	for i, row := range rows {
		keys[i] = row.AttemptKey
		messages[i] = hermod.Message{
			EventID: row.EventID, Account: row.Account, Owner: row.Owner, SubscriptionID: row.SubscriptionID,
			Run: row.Run, Trigger: row.Trigger, Replay: row.Replay, Until: row.Until, After: row.Number,
		}
	}
	if err := w.Queue.Send(ctx, messages); err != nil {
		return fmt.Errorf("sending the messages of %d rows: %w", len(rows), err)
	}
	if err := w.Index.ClearDue(ctx, keys); err != nil {
		return fmt.Errorf("clearing %d due rows: %w", len(rows), err)
	}
	return nil
}

func (w *Waker) logWake(ctx context.Context, start time.Time, sent int, err error) {
	if err == nil && sent == 0 {
		return
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.Int("sent", sent), slog.Duration("duration", w.Now().Sub(start))}
	if err != nil {
		level = slog.LevelError
		attrs = append(attrs, hermod.LogError(err))
	}
	w.Log.LogAttrs(ctx, level, "woke due rows", attrs...)
}
