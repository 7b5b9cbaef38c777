package faults

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// handler stands between a queue and what handles its messages. Its end is where the
// settlement of the messages begins.
func (in *injector) handler(queue string, h hermod.Handler) hermod.Handler {
	step := queue + ".Handle"
	return func(ctx context.Context, batch []hermod.Received) []hermod.Outcome {
		var s scope
		if m, err := hermod.DecodeMessage(batch[0].Body); err == nil && queue == "delivery" {
			s = of(m.RunKey())
		}
		if err := in.pass(step, before, s); err != nil {
			return in.putOff(batch)
		}
		outcomes := in.hand(ctx, step, s, h, batch)
		if err := in.pass(step, after, s); err != nil {
			return in.putOff(batch)
		}
		return outcomes
	}
}

// putOff is what becomes of messages whose settlement fails: they come back.
func (in *injector) putOff(batch []hermod.Received) []hermod.Outcome {
	return slices.Repeat([]hermod.Outcome{{Action: hermod.Again}}, len(batch))
}

// hand hands a batch to the handler as often and as late as the armed fault has it.
func (in *injector) hand(ctx context.Context, step string, s scope, h hermod.Handler, batch []hermod.Received) []hermod.Outcome {
	what, due := in.delivering(step, s)
	if !due {
		return h(ctx, batch)
	}
	switch what {
	case twice:
		var second []hermod.Outcome
		var wg sync.WaitGroup
		wg.Go(func() { second = h(ctx, slices.Clone(batch)) })
		first := h(ctx, batch)
		wg.Wait()
		return settled(first, second)
	case late:
		first := h(ctx, batch)
		in.wait(ctx)
		again := slices.Clone(batch)
		for i := range again {
			again[i].Receives++
		}
		return settled(first, h(ctx, again))
	default:
		in.wait(ctx)
		return h(ctx, batch)
	}
}

// maxPause is longer than a node here waits between two attempts.
const maxPause = 50 * time.Millisecond

// wait waits for a moment.
func (in *injector) wait(ctx context.Context) {
	moment := time.NewTimer(rand.N(maxPause))
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-ctx.Done():
	}
}

// settled is what a queue makes of two settlements of the same messages: deleted is
// deleted, and else the last one counts.
func settled(first, second []hermod.Outcome) []hermod.Outcome {
	for i := range second {
		if first[i].Action == hermod.Done {
			second[i] = first[i]
		}
	}
	return second
}
