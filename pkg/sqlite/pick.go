package sqlite

import (
	"context"
	"time"
)

// maxPromoted bounds how many hidden messages become ready in one transaction, so
// that thousands coming due at once do not hold up the writer.
const maxPromoted = 500

// pickOptions say what to receive.
type pickOptions struct {
	limit int
	// hideUntil is the new value of hidden_until: nil for messages that a worker of
	// this process takes.
	hideUntil any
	// allow gives how many more messages of the group may be taken when taken ones
	// were; nil is any number.
	allow func(group string, taken int) int
	// committed is called in the writer, after the commit.
	committed func(*picked)
}

// picked is what a receive found.
type picked struct {
	letters []*letter
	// buried counts the messages moved to the dead letters.
	buried int
	// more says that ready messages were left.
	more bool
	// next is when the next hidden message becomes ready; zero for none.
	next time.Time
	// lastGroup is the group to go on after.
	lastGroup string
}

// pick receives messages, the fairness groups in turn: it lists groups that have
// something ready, starting after the one served last, and takes an even share of
// each. A group is found by one seek in the index, so however much one group has
// waiting, the others are not behind it. At most o.limit groups are looked at a time.
func (q *Queue) pick(ctx context.Context, o pickOptions) (*picked, error) {
	var p *picked
	err := q.db.update(ctx, func(t *tx) (err error) {
		p = &picked{}
		if err := q.promote(t, p); err != nil {
			return err
		}
		if err := q.take(t, o, p); err != nil {
			return err
		}
		t.onCommit(func() {
			q.mu.Lock()
			q.lastGroup = p.lastGroup
			q.mu.Unlock()
			if o.committed != nil {
				o.committed(p)
			}
		})
		return nil
	})
	return p, err
}

// promote makes ready what was hidden until now.
func (q *Queue) promote(t *tx, p *picked) error {
	if _, err := t.exec(`UPDATE messages SET hidden_until = 0 WHERE queue = ?1 AND id IN (
		SELECT id FROM messages WHERE queue = ?1 AND hidden_until > 0 AND hidden_until <= ?2 ORDER BY hidden_until LIMIT ?3)`,
		q.name, q.o.Now().UnixNano(), maxPromoted); err != nil {
		return err
	}
	_, err := t.one([]any{scanTime(&p.next)},
		`SELECT min(hidden_until) FROM messages WHERE queue = ? AND hidden_until > 0`, q.name)
	return err
}

func (q *Queue) take(t *tx, o pickOptions, p *picked) error {
	q.mu.Lock()
	p.lastGroup = q.lastGroup
	q.mu.Unlock()
	groups, err := q.readyGroups(t, o, p)
	if err != nil || len(groups) == 0 {
		return err
	}
	p.more = p.more || len(groups) == o.limit
	share := max(1, o.limit/len(groups))
	for _, group := range groups {
		n := min(share, o.limit-len(p.letters))
		if o.allow != nil {
			n = min(n, o.allow(group, len(p.letters)))
		}
		if n <= 0 {
			p.more = true
			continue
		}
		found, err := q.takeGroup(t, o, p, group, n)
		if err != nil {
			return err
		}
		p.more = p.more || found == n
		p.lastGroup = group
	}
	return nil
}

// readyGroups lists groups with something ready, those after the last one first.
// It passes over groups that may take no more: they hold workers, so there are
// fewer of them than workers.
func (q *Queue) readyGroups(t *tx, o pickOptions, p *picked) (groups []string, err error) {
	after := p.lastGroup
	add := func(group string) {
		if o.allow != nil && o.allow(group, 0) <= 0 {
			p.more = true
			return
		}
		groups = append(groups, group)
	}
	for group := after; len(groups) < o.limit; add(group) {
		found, err := t.one([]any{&group}, `SELECT grp FROM messages
			WHERE queue = ? AND hidden_until = 0 AND grp > ? ORDER BY grp LIMIT 1`, q.name, group)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
	}
	for group := ""; len(groups) < o.limit; group += "\x00" { // the first text after group
		found, err := t.one([]any{&group}, `SELECT grp FROM messages
			WHERE queue = ? AND hidden_until = 0 AND grp >= ? AND grp <= ? ORDER BY grp LIMIT 1`, q.name, group, after)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		add(group)
	}
	return groups, nil
}

// takeGroup receives at most n messages of a group, the oldest first. Those whose
// receives are used up go to the dead letters.
func (q *Queue) takeGroup(t *tx, o pickOptions, p *picked, group string, n int) (found int, err error) {
	var letters []*letter
	err = t.each(func(row scanner) error {
		l := &letter{group: group}
		var sentAt int64
		err := row.Scan(scanID(&l.id), &l.body, &sentAt, &l.receives, &l.redriven)
		l.sentAt = time.Unix(0, sentAt).UTC()
		letters = append(letters, l)
		return err
	}, `SELECT id, body, sent_at, receives, redriven FROM messages
	    WHERE queue = ? AND hidden_until = 0 AND grp = ? ORDER BY id LIMIT ?`, q.name, group, n)
	if err != nil {
		return 0, err
	}
	for _, l := range letters {
		if l.receives >= q.o.MaxReceives {
			if err := q.bury(t, l); err != nil {
				return 0, err
			}
			p.buried++
			continue
		}
		l.receives++
		if _, err := t.exec(`UPDATE messages SET hidden_until = ?, receives = ? WHERE queue = ? AND id = ?`,
			o.hideUntil, l.receives, q.name, l.id[:]); err != nil {
			return 0, err
		}
		p.letters = append(p.letters, l)
	}
	return len(letters), nil
}

// bury moves a message to the dead letters.
func (q *Queue) bury(t *tx, l *letter) error {
	if _, err := t.exec(`INSERT INTO dead_letters (queue, id, grp, body, sent_at, dead_at) VALUES (?,?,?,?,?,?)`,
		q.name, l.id[:], l.group, l.body, l.sentAt.UnixNano(), q.o.Now().UnixNano()); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM messages WHERE queue = ? AND id = ?`, q.name, l.id[:])
	return err
}
