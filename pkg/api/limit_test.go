package api_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

func TestACredentialMayMakeSoManyRequestsASecond(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := api.NewLimiter(10, func() time.Time { return now })
	take := func(credential string, n int) (taken int) {
		for range n {
			switch err := l.Take(t.Context(), credential); hermod.CodeOf(err) {
			case "":
				taken++
			case hermod.CodeTooManyRequests:
			default:
				t.Fatal(err)
			}
		}
		return taken
	}
	for _, step := range []struct {
		after      time.Duration
		credential string
		want       int
	}{
		{0, "a", 10}, {0, "a", 0}, {0, "b", 10},
		{100 * time.Millisecond, "a", 1}, {500 * time.Millisecond, "a", 5}, {time.Hour, "a", 10},
	} {
		now = now.Add(step.after)
		if got := take(step.credential, 20); got != step.want {
			t.Errorf("%s later %s makes %d requests, want %d", step.after, step.credential, got, step.want)
		}
	}
}

func TestTooManyRequestsAreRefusedBeforeTheyDoAnything(t *testing.T) {
	t.Parallel()
	ran := 0
	s := api.NewServer(api.Options{
		Dialect: plain{}, Log: slog.New(slog.DiscardHandler), Now: time.Now, Trace: func() string { return freshTrace },
		Limiter: api.NewLimiter(2, func() time.Time { return time.Unix(0, 0) }),
		Routes: []api.Route{{Method: http.MethodGet, Path: "/x", Access: api.Scoped("ann", func(http.ResponseWriter, *http.Request, *hermod.Principal) error {
			ran++
			return nil
		})}},
	})
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		if got := call(s, http.MethodGet, "/x", "Who", "ann").Code; got != want {
			t.Errorf("request %d: %d, want %d", i+1, got, want)
		}
	}
	if other := call(s, http.MethodGet, "/x", "Who", "ben").Code; other != http.StatusForbidden {
		t.Errorf("another credential: %d", other)
	}
	if ran != 2 {
		t.Errorf("the handler ran %d times", ran)
	}
}

// TestAPublicRowIsCountedForWhatItPresents, if it presents something that is known.
func TestAPublicRowIsCountedForWhatItPresents(t *testing.T) {
	t.Parallel()
	ran := 0
	handler := func(http.ResponseWriter, *http.Request) error { //nolint:unparam // it is what Public takes
		ran++
		return nil
	}
	key := func(r *http.Request) (string, error) {
		if r.Header.Get("Key") == "" {
			return "", hermod.Errorf(hermod.CodeUnauthorized, "no key")
		}
		return r.Header.Get("Key"), nil
	}
	serve := func(limiter *api.Limiter) *api.Server {
		return api.NewServer(api.Options{
			Dialect: plain{}, Log: slog.New(slog.DiscardHandler), Now: time.Now, Trace: func() string { return freshTrace }, Limiter: limiter,
			Routes: []api.Route{
				{Method: http.MethodPost, Path: "/login", Access: api.Public(handler).CountedBy(key)},
				{Method: http.MethodGet, Path: "/open", Access: api.Public(handler)},
			},
		})
	}
	s := serve(api.NewLimiter(2, func() time.Time { return time.Unix(0, 0) }))
	for i, tt := range []struct {
		method, path, key string
		want              int
	}{
		{http.MethodPost, "/login", "a", 200}, {http.MethodPost, "/login", "a", 200}, {http.MethodPost, "/login", "a", 429},
		{http.MethodPost, "/login", "b", 200}, {http.MethodPost, "/login", "", 401}, {http.MethodGet, "/open", "a", 200},
	} {
		if got := call(s, tt.method, tt.path, "Key", tt.key).Code; got != tt.want {
			t.Errorf("request %d: %d, want %d", i+1, got, tt.want)
		}
	}
	if ran != 4 {
		t.Errorf("the handlers ran %d times", ran)
	}
	unbounded := serve(nil)
	for range 3 {
		if got := call(unbounded, http.MethodPost, "/login", "Key", "").Code; got != 200 {
			t.Errorf("without a limiter: %d", got)
		}
	}
}
