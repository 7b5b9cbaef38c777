package sqlite

import (
	"context"
	"time"
)

// QueueStats are the figures of a queue at one moment.
type QueueStats struct {
	// Ready messages wait for a worker, Hidden ones for their time; InHand ones are
	// being handled.
	Ready, Hidden, InHand int
	DeadLetters           int
	// OldestAge is how long ago the oldest message was sent; 0 where there is none.
	OldestAge time.Duration
}

// Stats counts the queue's messages.
func (q *Queue) Stats(ctx context.Context) (s QueueStats, err error) {
	var all int
	var sentAt time.Time
	err = q.db.snapshot(ctx, func(r reader) error {
		for _, c := range []struct {
			to    *int
			query string
		}{
			{&all, `SELECT count(*) FROM messages WHERE queue = ?`},
			{&s.Ready, `SELECT count(*) FROM messages WHERE queue = ? AND hidden_until = 0`},
			{&s.Hidden, `SELECT count(*) FROM messages WHERE queue = ? AND hidden_until > 0`},
			{&s.DeadLetters, `SELECT count(*) FROM dead_letters WHERE queue = ?`},
		} {
			if _, err := r.one([]any{c.to}, c.query, q.name); err != nil {
				return err
			}
		}
		found, err := r.one([]any{scanTime(&sentAt)},
			`SELECT sent_at FROM messages WHERE queue = ? ORDER BY id LIMIT 1`, q.name)
		if err == nil && found {
			s.OldestAge = q.o.Now().Sub(sentAt)
		}
		return err
	})
	s.InHand = all - s.Ready - s.Hidden
	return s, err
}
