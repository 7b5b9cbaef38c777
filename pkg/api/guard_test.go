package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// A gate is a login under one or more guards, with a clock moved by hand.
type gate struct {
	t      *testing.T
	now    time.Time
	guards []*api.Guard
	asked  int
}

func newGate(t *testing.T, processes int, counter api.Counter) *gate {
	t.Helper()
	g := &gate{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for range processes {
		g.guards = append(g.guards, &api.Guard{Counter: counter, Now: func() time.Time { return g.now }, Log: slog.New(slog.DiscardHandler)})
	}
	return g
}

// try presents a secret, the right one or another, n times, to the processes in turn, and
// counts the answers by code.
func (g *gate) try(n int, login, source string, right bool) map[hermod.Code]int {
	g.t.Helper()
	codes := map[hermod.Code]int{}
	for i := range n {
		err := g.guards[i%len(g.guards)].Try(g.t.Context(), login, source, func(context.Context) error {
			g.asked++
			if right {
				return nil
			}
			return hermod.Errorf(hermod.CodeUnauthorized, "wrong")
		})
		if e, ok := errors.AsType[*hermod.Error](err); ok && e.Code == hermod.CodeTooManyRequests && (e.RetryAfter <= 0 || e.RetryAfter > time.Minute) {
			g.t.Errorf("refused for %s", e.RetryAfter)
		}
		codes[hermod.CodeOf(err)]++
	}
	return codes
}

func (g *gate) want(what string, got map[hermod.Code]int, passed, failed, refused int) {
	g.t.Helper()
	if got[""] != passed || got[hermod.CodeUnauthorized] != failed || got[hermod.CodeTooManyRequests] != refused {
		g.t.Errorf("%s: %v, want %d passed, %d failed and %d refused", what, got, passed, failed, refused)
	}
}

func TestGuessingASecretIsSlow(t *testing.T) {
	t.Parallel()
	g := newGate(t, 1, nil)
	g.want("guesses", g.try(1000, "c", "192.0.2.1", false), 0, 10, 990)
	g.want("the right one, which must not be told from others", g.try(1, "c", "192.0.2.1", true), 0, 0, 1)
	if g.asked != 10 {
		t.Errorf("%d secrets were looked at, want 10", g.asked)
	}
	g.now = g.now.Add(time.Minute)
	g.want("the right one a minute later", g.try(1, "c", "192.0.2.1", true), 1, 0, 0)
}

func TestWhoKnowsTheSecretMayLogInAsOftenAsItLikes(t *testing.T) {
	t.Parallel()
	g := newGate(t, 1, nil)
	g.want("logins", g.try(5000, "c", "192.0.2.1", true), 5000, 0, 0)
}

func TestStrangersDoNotLockOutAClient(t *testing.T) {
	t.Parallel()
	g := newGate(t, 3, &sums{})
	for i := range 200 {
		g.try(50, "c", fmt.Sprintf("198.51.100.%d", i), false)
	}
	g.want("the client, whom no process knows", g.try(3, "c", "192.0.2.1", true), 3, 0, 0)
	g.want("a client that mistypes its secret first", g.try(3, "c", "203.0.113.9", false), 0, 3, 0)
	g.want("that client", g.try(3, "c", "203.0.113.9", true), 3, 0, 0)
}

func TestFailuresUnderManyNamesDoNotLiftARefusal(t *testing.T) {
	t.Parallel()
	g := newGate(t, 1, nil)
	g.want("guesses", g.try(11, "c", "192.0.2.1", false), 0, 10, 1)
	for source := range 400 {
		for login := range 50 {
			g.try(1, fmt.Sprintf("c%d", login), fmt.Sprintf("2001:db8:0:%x::/64", source), false)
		}
	}
	g.want("guesses after 20,000 others", g.try(10, "c", "192.0.2.1", false), 0, 0, 10)
	g.want("guesses from one more source", g.try(20, "c", "192.0.2.2", false), 0, 10, 10)
	g.now = g.now.Add(time.Minute)
	g.want("guesses a minute later", g.try(20, "c", "192.0.2.1", false), 0, 10, 10)
}

func TestASourceThatTriesManyLoginsIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t, 1, nil)
	g.want("one behind the same address, before", g.try(1, "mine", "192.0.2.1", true), 1, 0, 0)
	failed := 0
	for i := range 500 {
		failed += g.try(1, fmt.Sprintf("c%d", i), "192.0.2.1", false)[hermod.CodeUnauthorized]
	}
	if failed != 60 {
		t.Errorf("%d failures, want 60", failed)
	}
	g.want("one behind the same address", g.try(1, "mine", "192.0.2.1", true), 1, 0, 0)
}

func TestFailuresAreCountedOverAllProcesses(t *testing.T) {
	t.Parallel()
	counter := &sums{}
	g := newGate(t, 20, counter)
	failed := g.try(1000, "c", "192.0.2.1", false)[hermod.CodeUnauthorized]
	if failed < 10 || failed > 10+20 {
		t.Errorf("%d failures by way of 20 processes, want 10 and one more each at most", failed)
	}
	counter.fault = errors.New("no table")
	alone := newGate(t, 2, counter)
	alone.want("where counting fails, each process counts alone", alone.try(1000, "c", "192.0.2.1", false), 0, 20, 980)
}

type sums struct {
	mu    sync.Mutex
	of    map[string]int64
	fault error
}

func (s *sums) Count(_ context.Context, name string, n int64, _ time.Time) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return 0, s.fault
	}
	if s.of == nil {
		s.of = map[string]int64{}
	}
	s.of[name] += n
	return s.of[name], nil
}

func TestASourceIsTheAddressOfThePeer(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:443": "192.0.2.1", "[::ffff:192.0.2.1]:443": "192.0.2.1", "[2001:db8:1:2:3::4]:443": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:443": "fe80::/64", "": "", "pipe": "", "name:443": "",
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", "203.0.113.7")
		if got := api.SourceOf(r); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}
