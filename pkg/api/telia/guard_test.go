package telia_test

import (
	"net/http"
	"testing"
	"time"
)

func TestGuessingAPasswordIsSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 10 {
		w.login(t, "local", "guess", tenants()["local"], "local-key").message(t, http.StatusUnauthorized)
	}
	for _, password := range []string{"guess", "local-secret"} {
		refused := w.login(t, "local", password, tenants()["local"], "local-key")
		refused.message(t, http.StatusTooManyRequests)
		if refused.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	w.Advance(time.Minute)
	w.login(t, "local", "local-secret", tenants()["local"], "local-key").json(t)
}
