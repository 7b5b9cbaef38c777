package sqlite

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// QueueOptions say how a queue behaves.
type QueueOptions struct {
	// MaxReceives is how often a message is received before it is moved to the
	// dead letters, at what would be its next receive; 0 is 10.
	MaxReceives int
	// Visibility is how long a received message stays hidden that is not settled,
	// and the most time a handler gets; 0 is a minute.
	Visibility time.Duration
	// Batch bounds the messages a handler gets in one call; 0 is 1.
	Batch int
	// GroupLimit bounds the messages of one fairness group that are in hand at a time,
	// where a handler gets one in a call; 0 is no bound but that of the workers. Others
	// stay ready: they use up no receive.
	GroupLimit int
	// GiveUpPause is how long a message that was given up stays hidden; 0 is
	// hermod.GiveUpPause.
	GiveUpPause time.Duration
	// Look is how often a Run looks at the clock at least, whatever it waits for; 0 is a
	// minute.
	Look time.Duration
	// Now is the clock; nil is the database's.
	Now func() time.Time
}

// A Queue is a queue with its dead letters, in tables beside the stores'. It
// implements the queue interfaces of ingest and deliver.
type Queue struct {
	db   *DB
	name string
	o    QueueOptions

	mu sync.Mutex
	// runner is set while Run runs.
	runner *runner
	// changed is closed and replaced when a message may have become ready.
	changed chan struct{}
	// lastGroup is the fairness group that was served last.
	lastGroup string
}

// Queue gives the queue of the name. A name has one queue: the options of the first
// call stand.
func (db *DB) Queue(name string, o QueueOptions) *Queue {
	db.queuesMu.Lock()
	defer db.queuesMu.Unlock()
	if q := db.queues[name]; q != nil {
		return q
	}
	if o.MaxReceives == 0 {
		o.MaxReceives = 10
	}
	if o.Visibility == 0 {
		o.Visibility = time.Minute
	}
	if o.GiveUpPause == 0 {
		o.GiveUpPause = hermod.GiveUpPause
	}
	if o.Look == 0 {
		o.Look = time.Minute
	}
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.Now == nil {
		o.Now = db.now
	}
	q := &Queue{db: db, name: name, o: o, changed: make(chan struct{})}
	db.queues[name] = q
	return q
}

// log tells what no caller can be told.
func (q *Queue) log(ctx context.Context, what string, err error) {
	q.db.log.LogAttrs(ctx, slog.LevelError, what, slog.String("queue", q.name), hermod.LogError(err))
}

// A letter is a message on its way into or out of the table.
type letter struct {
	id       hermod.ID
	group    string
	body     []byte
	sentAt   time.Time
	receives int
	redriven bool
}

func (l *letter) received() hermod.Received {
	return hermod.Received{ID: l.id.String(), Body: l.body, Receives: l.receives, SentAt: l.sentAt, Redriven: l.redriven}
}

// Send enqueues messages, each in the fairness group of its subscription. They are
// on disk when it returns.
func (q *Queue) Send(ctx context.Context, messages []hermod.Message) error {
	return q.db.update(ctx, func(t *tx) error { return q.sendIn(t, messages) })
}

// sendIn enqueues messages within a transaction.
func (q *Queue) sendIn(t *tx, messages []hermod.Message) error {
	letters := make([]*letter, len(messages))
	for i := range messages {
		letters[i] = &letter{group: messages[i].SubscriptionID, body: messages[i].Encode()}
	}
	return q.enqueue(t, letters)
}

// SendBodies enqueues bodies, each in the fairness group at its index.
func (q *Queue) SendBodies(ctx context.Context, bodies [][]byte) error {
	return q.db.update(ctx, func(t *tx) error {
		letters := make([]*letter, len(bodies))
		for i, b := range bodies {
			letters[i] = &letter{group: strconv.Itoa(i), body: b}
		}
		return q.enqueue(t, letters)
	})
}

// enqueue inserts letters. What a free worker can take is inserted as received
// already and handed over after the commit: no second commit, no wait.
func (q *Queue) enqueue(t *tx, letters []*letter) error {
	now := q.o.Now()
	for len(letters) > 0 {
		n := min(len(letters), q.o.Batch)
		batch := letters[:n]
		letters = letters[n:]
		r := q.reserve(batch)
		if r != nil {
			t.onUndo(func() { r.release(batch, true) })
			t.onCommit(func() { r.hand(batch) })
		} else {
			t.onCommit(q.ready)
		}
		for _, l := range batch {
			l.id, l.sentAt = q.db.ids.Next(), now
			var hidden any = 0
			if r != nil {
				l.receives, hidden = 1, nil
			}
			if _, err := t.exec(`INSERT INTO messages (queue, id, grp, body, sent_at, receives, redriven, hidden_until)
				VALUES (?,?,?,?,?,?,0,?)`, q.name, l.id[:], l.group, l.body, now.UnixNano(), l.receives, hidden); err != nil {
				return err
			}
		}
	}
	return nil
}

// reserve takes a worker for the batch, if one is free.
func (q *Queue) reserve(batch []*letter) *runner {
	q.mu.Lock()
	r := q.runner
	q.mu.Unlock()
	if r == nil || !r.reserve(batch) {
		return nil
	}
	return r
}

// ready tells the receivers that a message may be ready.
func (q *Queue) ready() {
	q.mu.Lock()
	r := q.runner
	close(q.changed)
	q.changed = make(chan struct{})
	q.mu.Unlock()
	if r != nil {
		r.expect(time.Time{})
	}
}

// Settle executes a handler's outcomes.
func (q *Queue) Settle(ctx context.Context, batch []hermod.Received, outcomes []hermod.Outcome) error {
	return q.db.update(ctx, func(t *tx) error {
		for i, m := range batch {
			id, err := hermod.ParseID(m.ID)
			if err != nil {
				return err
			}
			if err := q.settle(t, id, m.Receives, outcomes[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// settle executes one outcome. A message that was received again since then is
// the later receiver's: it is deleted all the same, as in SQS, but not hidden.
func (q *Queue) settle(t *tx, id hermod.ID, receives int, o hermod.Outcome) error {
	at := o.At
	switch o.Action {
	case hermod.Done:
		_, err := t.exec(`DELETE FROM messages WHERE queue = ? AND id = ?`, q.name, id[:])
		return err
	case hermod.GiveUp:
		at = q.o.Now().Add(q.o.GiveUpPause)
	case hermod.Again:
	}
	hidden := at.UnixNano()
	if !at.After(q.o.Now()) {
		hidden = 0
	}
	t.onCommit(func() { q.hiddenUntil(at) })
	_, err := t.exec(`UPDATE messages SET hidden_until = ? WHERE queue = ? AND id = ? AND receives = ?`,
		hidden, q.name, id[:], receives)
	return err
}

// hiddenUntil tells the receivers that a message becomes ready at the time.
func (q *Queue) hiddenUntil(at time.Time) {
	if !at.After(q.o.Now()) {
		q.ready()
		return
	}
	q.mu.Lock()
	r := q.runner
	q.mu.Unlock()
	if r != nil {
		r.expect(at)
	}
}

// receiveWait is how long Receive waits for a message.
const receiveWait = time.Second

// Receive hands out at most max messages and hides them for the queue's visibility
// timeout. It answers none after waiting a second.
func (q *Queue) Receive(ctx context.Context, limit int) ([]hermod.Received, error) {
	ended := time.NewTimer(receiveWait)
	defer ended.Stop()
	for last := false; ; {
		q.mu.Lock()
		changed := q.changed
		q.mu.Unlock()
		p, err := q.pick(ctx, pickOptions{limit: limit, hideUntil: q.o.Now().Add(q.o.Visibility).UnixNano()})
		if err != nil {
			return nil, err
		}
		if len(p.letters) > 0 || last && p.buried == 0 {
			received := make([]hermod.Received, len(p.letters))
			for i, l := range p.letters {
				received[i] = l.received()
			}
			return received, nil
		}
		if p.buried > 0 {
			continue
		}
		wait := receiveWait
		if !p.next.IsZero() {
			wait = p.next.Sub(q.o.Now())
		}
		ready := time.NewTimer(wait)
		select {
		case <-changed:
		case <-ready.C:
		case <-ended.C:
			last = true
		case <-ctx.Done():
			ready.Stop()
			return nil, ctx.Err()
		}
		ready.Stop()
	}
}
