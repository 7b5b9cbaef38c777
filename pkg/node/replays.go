package node

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/catalog/samples"
	"hermod/pkg/hermod"
	"hermod/pkg/replay"
)

// How often the node looks for replays to carry on, and how long one round of that
// may take, as that of the deployed template: what failed in it is tried again in
// the next.
const (
	defaultReplayEvery = time.Second
	replayRound        = time.Minute
)

func (n *Node) replays(cursors api.Cursors) *signicat.Replays {
	return &signicat.Replays{
		Store: n.db, Mocker: n.acceptor, Sample: samples.Of, Cursors: cursors, BaseURL: n.o.PublicURL, Now: n.o.Now,
		Starter: &replay.Starter{Deliveries: n.db, Queue: n.queueOf("replay"), Now: n.o.Now},
		Planner: &replay.Planner{Store: n.db, IDs: n.ids, Now: n.o.Now},
	}
}

func (n *Node) deadLetters(cursors api.Cursors) *signicat.DeadLetters {
	return &signicat.DeadLetters{
		Store: n.db, Letters: &replay.Letters{Store: n.db, Now: n.o.Now}, Cursors: cursors, BaseURL: n.o.PublicURL, Now: n.o.Now,
		Redriver: &replay.Starter{Deliveries: n.db, Queue: n.queueOf("replay"), Now: n.o.Now},
		Planner:  &replay.Planner{Store: n.db, IDs: n.ids, Now: n.o.Now},
	}
}

// runReplays carries replays on until ctx ends.
func (n *Node) runReplays(ctx context.Context) {
	runner := &replay.Runner{Store: n.db, Queue: n.queueOf("replay"), Now: n.o.Now, Log: n.o.Log}
	every(ctx, cmp.Or(n.o.Timing.ReplayEvery, defaultReplayEvery), func() {
		round, cancel := context.WithTimeout(ctx, replayRound)
		defer cancel()
		if err := runner.Run(round); err != nil && ctx.Err() == nil {
			n.o.Log.LogAttrs(ctx, slog.LevelError, "replays not carried on", hermod.LogError(err))
		}
	})
}
