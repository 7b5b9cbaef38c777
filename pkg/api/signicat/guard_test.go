package signicat_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"
)

func TestGuessingAClientSecretIsSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	login := func(client, secret string) answer {
		body := "grant_type=client_credentials&client_id=" + client + "&client_secret=" + secret
		return w.do(t, "", http.MethodPost, tokenPath, body, "Content-Type", formMedia)
	}
	for i := range 10 {
		wantStatus(t, "guess "+strconv.Itoa(i+1), login("local", "guess"), http.StatusUnauthorized)
	}
	for _, secret := range []string{"guess", "local-secret"} {
		refused := login("local", secret)
		wantStatus(t, "past the bound", refused, http.StatusTooManyRequests)
		if wait, err := strconv.Atoi(refused.header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
			t.Errorf("Retry-After %q, want a minute at most", refused.header.Get("Retry-After"))
		}
	}
	wantStatus(t, "another client", login("other", "other-secret"), http.StatusOK)
	w.Advance(time.Minute)
	wantStatus(t, "a minute later", login("local", "local-secret"), http.StatusOK)
}
