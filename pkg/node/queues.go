package node

import (
	"context"
	"fmt"

	"hermod/pkg/sqlite"
)

// SendIngest puts a body into the ingest queue, as a producer on SQS does.
func (n *Node) SendIngest(ctx context.Context, body []byte) error {
	return n.ingest.SendBodies(ctx, [][]byte{body})
}

// IngestDeadLetters are the bodies that the ingest queue has given up.
func (n *Node) IngestDeadLetters(ctx context.Context) ([][]byte, error) {
	return n.ingest.DeadLetters(ctx)
}

// DeadLetters are the bodies that the delivery queue has given up.
func (n *Node) DeadLetters(ctx context.Context) ([][]byte, error) {
	return n.delivery.DeadLetters(ctx)
}

// Redrive moves the delivery queue's dead letters back: each starts a new run.
func (n *Node) Redrive(ctx context.Context) error { return n.delivery.Redrive(ctx) }

// Backlog counts the messages in the queues: those that wait, those that are hidden until
// their time, and those in hand.
func (n *Node) Backlog(ctx context.Context) (messages int, err error) {
	for _, q := range []*sqlite.Queue{n.ingest, n.delivery} {
		s, err := q.Stats(ctx)
		if err != nil {
			return 0, fmt.Errorf("counting messages: %w", err)
		}
		messages += s.Ready + s.Hidden + s.InHand
	}
	return messages, nil
}
