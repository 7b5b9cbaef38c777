package auth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// A slowStore holds every read of the keys until it is let go.
type slowStore struct {
	*service
	entered chan struct{}
	release chan error
}

func (s *slowStore) SigningKeys(ctx context.Context) ([]hermod.SigningKey, error) {
	s.entered <- struct{}{}
	select {
	case err := <-s.release:
		if err != nil {
			return nil, err
		}
		return s.service.SigningKeys(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestManyWhoWaitForKeysReadThemOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.issue(t)
		slow := &slowStore{s, make(chan struct{}, 100), make(chan error)}
		keys := &auth.Keys{Store: slow, Sealer: boxes{}, Now: s.now}
		var wg sync.WaitGroup
		read := func(ctx context.Context, want error) {
			wg.Go(func() {
				if _, err := keys.CursorKeys(ctx); !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			})
			synctest.Wait()
		}
		reads := func(want int) {
			t.Helper()
			if n := len(slow.entered); n != want {
				t.Fatalf("%d reads, want %d", n, want)
			}
		}
		// The one who reads leaves; the others are not told that they left.
		hasty, leave := context.WithCancel(t.Context())
		read(hasty, context.Canceled)
		for range 10 {
			read(t.Context(), nil)
		}
		reads(1)
		leave()
		synctest.Wait()
		reads(2)
		slow.release <- nil
		wg.Wait()

		// Who has a fresh copy does not wait for a read that an unknown key forces.
		token := forge(t, s.stored()[0], func(header map[string]any, _ jwt.MapClaims) { header["kid"] = "unknown" })
		bearer := &auth.Bearer{Keys: keys, Credentials: s, Now: s.now}
		for range 10 {
			wg.Go(func() {
				if _, err := (&request{bearer}).with(t, token); hermod.CodeOf(err) != hermod.CodeUnauthorized {
					t.Errorf("an unknown key: %v", err)
				}
			})
		}
		synctest.Wait()
		reads(3)
		if _, err := keys.CursorKeys(t.Context()); err != nil {
			t.Error(err)
		}
		slow.release <- nil
		wg.Wait()

		// A failure is everyone's who waited for it.
		s.advance(time.Hour)
		fault := errors.New("away")
		for range 3 {
			read(t.Context(), fault)
		}
		reads(4)
		slow.release <- fault
		wg.Wait()
	})
}
