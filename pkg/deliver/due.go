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

// Wake sends the message of every row that is due and answers how many it sent. A
// row leaves the index only after its message is in the queue: a crash in between
// sends the message again, and the run's rows sort that out.
func (w *Waker) Wake(ctx context.Context) (sent int, err error) {
	start := w.Now()
	defer func() { w.logWake(ctx, start, sent, err) }()
	seen := map[hermod.AttemptKey]bool{}
	for w.timeLeft(ctx) {
		rows, err := w.Index.Due(ctx, start, wakePage)
		if err != nil {
			return sent, fmt.Errorf("reading what is due: %w", err)
		}
		var fresh []*hermod.Attempt
		for _, row := range rows {
			if !seen[row.AttemptKey] { // an index may show for a moment what was cleared
				seen[row.AttemptKey] = true
				fresh = append(fresh, row)
			}
		}
		if len(fresh) == 0 {
			return sent, nil
		}
		if err := w.wake(ctx, fresh); err != nil {
			return sent, err
		}
		sent += len(fresh)
	}
	return sent, nil // the next minute goes on
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
