package push

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/deliver"
)

// These are tested from inside: no kind makes its token slowly enough to be watched
// from outside.

func TestATokenIsMadeOnceForAllWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newTokenKeeper[int]()
		var made atomic.Int64
		renew := func(ctx context.Context) (token[int], deliver.Result) {
			select {
			case <-time.After(time.Second):
				return token[int]{value: int(made.Add(1)), renew: time.Now().Add(time.Minute)}, deliver.Result{}
			case <-ctx.Done():
				return token[int]{}, classify(ctx, ctx.Err())
			}
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if v, r := k.get(t.Context(), time.Now, renew); v != 1 || !r.Succeeded() {
					t.Errorf("got %d, %+v", v, r)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		if v, _ := k.get(t.Context(), time.Now, renew); v != 2 {
			t.Errorf("got %d after its time", v)
		}
	})
}

func TestATokenThatCannotBeMadeIsTriedAgainByTheNext(t *testing.T) {
	t.Parallel()
	k := newTokenKeeper[int]()
	broken := func(context.Context) (token[int], deliver.Result) {
		return token[int]{}, deliver.Result{Class: deliver.ClassTimeout}
	}
	if _, r := k.get(t.Context(), time.Now, broken); r.Class != deliver.ClassTimeout {
		t.Errorf("got %+v", r)
	}
	mended := func(context.Context) (token[int], deliver.Result) {
		return token[int]{value: 7, renew: time.Now().Add(time.Hour)}, deliver.Result{}
	}
	if v, r := k.get(t.Context(), time.Now, mended); v != 7 || !r.Succeeded() {
		t.Errorf("got %d, %+v", v, r)
	}
}

func TestWhoWaitsForATokenIsOutOfTimeOrInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newTokenKeeper[int]()
		k.turn <- struct{}{} // another renews, and does not come to an end
		never := func(context.Context) (token[int], deliver.Result) {
			t.Error("renewed out of turn")
			return token[int]{}, deliver.Result{}
		}
		late, cancel := within(t.Context(), time.Second)
		defer cancel()
		if _, r := k.get(late, time.Now, never); r.Class != deliver.ClassTimeout {
			t.Errorf("got %+v", r)
		}
		ended, end := context.WithCancelCause(t.Context())
		end(errors.New("the worker stops"))
		if _, r := k.get(ended, time.Now, never); r.Class != deliver.ClassInterrupted {
			t.Errorf("got %+v", r)
		}
	})
}
