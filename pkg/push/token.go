package push

import (
	"context"
	"sync/atomic"
	"time"

	"hermod/pkg/deliver"
)

// A token is what a destination lets in, and for how long. The zero value is none.
type token[T any] struct {
	value T
	// renew is from when on another one is to be made: well before it runs out.
	renew time.Time
}

// A renewal makes the value of an Authorization header.
type renewal func(context.Context) (token[string], deliver.Result)

// A tokenKeeper keeps a place's token until shortly before it runs out. Safe for
// concurrent use: one push renews it while the others wait, each within its own time.
type tokenKeeper[T any] struct {
	kept atomic.Pointer[token[T]]
	turn chan struct{} // of one element: who holds it renews
}

func newTokenKeeper[T any]() *tokenKeeper[T] {
	return &tokenKeeper[T]{turn: make(chan struct{}, 1)}
}

// get gives the token, made anew by renew where there is none that lasts. What renew
// cannot make it says by a failed result, which goes to the push that asked; the next
// one tries again.
func (k *tokenKeeper[T]) get(ctx context.Context, now func() time.Time, renew func(context.Context) (token[T], deliver.Result)) (T, deliver.Result) {
	if t := k.fresh(now()); t != nil {
		return t.value, deliver.Result{}
	}
	var none T
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return none, classify(ctx, ctx.Err())
	}
	if t := k.fresh(now()); t != nil { // another push was here first
		return t.value, deliver.Result{}
	}
	t, failed := renew(ctx)
	if !failed.Succeeded() {
		return none, failed
	}
	k.kept.Store(&t)
	return t.value, deliver.Result{}
}

// forget drops the token, which the destination does not take any more.
func (k *tokenKeeper[T]) forget() { k.kept.Store(nil) }

func (k *tokenKeeper[T]) fresh(now time.Time) *token[T] {
	if t := k.kept.Load(); t != nil && now.Before(t.renew) {
		return t
	}
	return nil
}
