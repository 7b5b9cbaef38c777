package ingest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// pushTime is how long it takes at most until an attempt that was begun has its row.
const pushTime = 11 * time.Second

// pushes counts what a receiver gets that answers each push late, but well: a message
// pushes unless the row of an earlier push is there.
type pushes struct {
	rig    *rig
	handed []handed
}

// handed is a message at the time it is handed out.
type handed struct {
	run hermod.RunKey
	at  time.Time
}

// take takes the messages sent since the last call.
func (p *pushes) take(t *testing.T) {
	t.Helper()
	for _, h := range p.rig.handouts(t) {
		p.handed = append(p.handed, handed{h.RunKey(), p.rig.clock.now().Add(h.wait)})
	}
}

// counts are how often each delivery is pushed.
func (p *pushes) counts() map[hermod.RunKey]int {
	slices.SortStableFunc(p.handed, func(a, b handed) int { return a.at.Compare(b.at) })
	counts, row := map[hermod.RunKey]int{}, map[hermod.RunKey]time.Time{}
	for _, h := range p.handed {
		if counts[h.run] == 0 {
			row[h.run] = h.at.Add(pushTime)
		}
		if h.at.Before(row[h.run]) {
			counts[h.run]++
		}
	}
	return counts
}

// wantOnce wants each event of the account to have been pushed to each of its matches
// once.
func (p *pushes) wantOnce(t *testing.T, when string) {
	t.Helper()
	counts := p.counts()
	for _, e := range p.rig.all(t, account) {
		for _, ref := range e.Matches {
			if n := counts[hermod.RunKey{SubscriptionID: ref.ID, EventID: e.ID}]; n != 1 {
				t.Errorf("%s: %s was pushed %d times", when, e.Name, n)
			}
		}
	}
}

// A handout is a message that the queue hands out after the wait.
type handout struct {
	hermod.Message
	wait time.Duration
}

func messagesOf(handouts []handout) []hermod.Message {
	var messages []hermod.Message
	for _, h := range handouts {
		messages = append(messages, h.Message)
	}
	return messages
}

func (m *memory) Send(ctx context.Context, messages []hermod.Message) error {
	return m.send(ctx, "Send", messages, 0)
}

func (m *memory) SendAgain(ctx context.Context, messages []hermod.Message, wait time.Duration) error {
	return m.send(ctx, "SendAgain", messages, wait)
}

func (m *memory) send(ctx context.Context, call string, messages []hermod.Message, wait time.Duration) error {
	return m.call(ctx, call, func() error {
		for _, message := range messages {
			m.sent = append(m.sent, handout{message, wait})
		}
		return nil
	})
}

func (m *memory) messages(t *testing.T) []hermod.Message { return messagesOf(m.handouts(t)) }

func (m *memory) handouts(*testing.T) []handout {
	m.mu.Lock()
	defer m.mu.Unlock()
	sent := m.sent
	m.sent = nil
	return sent
}
