package node

import (
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// Seams are where tests stand between the parts of a node and what these stand on: each
// gets what the node would use and answers what it shall use in its place. Nil leaves
// things as they are.
type Seams struct {
	// Config and Journal are what accept reads and writes with.
	Config  func(ingest.Config) ingest.Config
	Journal func(ingest.Journal) ingest.Journal
	// Store, Encoder and Pusher are those of attempts, Due is the waker's index, Sweep
	// and Notifier are the sweeper's.
	Store    func(deliver.Store) deliver.Store
	Encoder  func(deliver.Encoder) deliver.Encoder
	Pusher   func(deliver.Pusher) deliver.Pusher
	Due      func(deliver.DueIndex) deliver.DueIndex
	Sweep    func(deliver.SweepStore) deliver.SweepStore
	Notifier func(deliver.Notifier) deliver.Notifier
	// Queue is what a part sends messages of deliveries by: "due", "sweep" or "replay".
	Queue func(part string, q deliver.Queue) deliver.Queue
	// Handler handles the messages of a queue: "ingest" or "delivery".
	Handler func(queue string, h hermod.Handler) hermod.Handler
}

// through is what stands in the place of t.
func through[T any](seam func(T) T, t T) T {
	if seam == nil {
		return t
	}
	return seam(t)
}

// queueOf is what a part sends messages of deliveries by.
func (n *Node) queueOf(part string) deliver.Queue {
	if n.o.Seams.Queue == nil {
		return n.delivery
	}
	return n.o.Seams.Queue(part, n.delivery)
}

// handlerOf is what handles the messages of a queue.
func (n *Node) handlerOf(queue string, h hermod.Handler) hermod.Handler {
	if n.o.Seams.Handler == nil {
		return h
	}
	return n.o.Seams.Handler(queue, h)
}
