package sqlite

import (
	"context"

	"hermod/pkg/hermod"
)

// DeadLetters lists the bodies among the dead letters, the oldest first.
func (q *Queue) DeadLetters(ctx context.Context) (bodies [][]byte, err error) {
	err = q.db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			var body []byte
			err := row.Scan(&body)
			bodies = append(bodies, body)
			return err
		}, `SELECT body FROM dead_letters WHERE queue = ? ORDER BY id`, q.name)
	})
	return bodies, err
}

// Peek lists at most so many of the dead letters, the oldest first.
func (q *Queue) Peek(ctx context.Context, most int) (letters []hermod.DeadMessage, err error) {
	err = q.db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			var id hermod.ID
			var m hermod.DeadMessage
			err := row.Scan(scanID(&id), &m.Body, scanTime(&m.SentAt))
			m.ID = id.String()
			letters = append(letters, m)
			return err
		}, `SELECT id, body, sent_at FROM dead_letters WHERE queue = ? ORDER BY id LIMIT ?`, q.name, most)
	})
	return letters, err
}

// maxRedriven bounds how many dead letters are moved back in one transaction.
const maxRedriven = 500

// Redrive moves all dead letters back. As in SQS they are new messages then, with
// receives counted from the start.
func (q *Queue) Redrive(ctx context.Context) error {
	for {
		var moved int
		err := q.db.update(ctx, func(t *tx) (err error) {
			moved, err = q.redriveSome(t)
			return err
		})
		if err != nil || moved < maxRedriven {
			return err
		}
	}
}

func (q *Queue) redriveSome(t *tx) (int, error) {
	var letters []*letter
	err := t.each(func(row scanner) error {
		l := &letter{}
		err := row.Scan(scanID(&l.id), &l.group, &l.body)
		letters = append(letters, l)
		return err
	}, `SELECT id, grp, body FROM dead_letters WHERE queue = ? ORDER BY id LIMIT ?`, q.name, maxRedriven)
	if err != nil {
		return 0, err
	}
	for _, l := range letters {
		if _, err := t.exec(`DELETE FROM dead_letters WHERE queue = ? AND id = ?`, q.name, l.id[:]); err != nil {
			return 0, err
		}
		id := q.db.ids.Next()
		if _, err := t.exec(`INSERT INTO messages (queue, id, grp, body, sent_at, receives, redriven, hidden_until)
			VALUES (?,?,?,?,?,0,1,0)`, q.name, id[:], l.group, l.body, q.o.Now().UnixNano()); err != nil {
			return 0, err
		}
	}
	t.onCommit(q.ready)
	return len(letters), nil
}
