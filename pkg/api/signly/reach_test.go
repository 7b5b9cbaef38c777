package signly_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hermod/pkg/push"
)

func TestAWebhookThatAnswersCanBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, status := range []int{200, 204, 301, 302, 400, 401, 403, 404, 405, 410, 429, 500, 503} {
		r := receive(t, status)
		w.create(t, localKey, r.URL+"/hook", `,"customHeaders":{"X-Client-Auth":"abc123"}`)
		if heads, posts := r.got(http.MethodHead), r.got(http.MethodPost); len(heads) != 1 || len(posts) != 0 || heads[0].header.Get("X-Client-Auth") != "abc123" {
			t.Errorf("%d: asked by %v and %v", status, heads, posts)
		}
	}
}

func TestTheCheckFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	w, elsewhere := newWorld(t), receive(t, http.StatusOK)
	r := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer r.Close()
	w.create(t, localKey, r.URL, "")
	if got := elsewhere.got(http.MethodHead); len(got) != 0 {
		t.Errorf("the redirect was followed: %v", got)
	}
}

func TestAWebhookThatDoesNotAnswerIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler()) // its certificate is nobody's
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	hung, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hung.Close() }()
	for url, want := range map[string]struct {
		timeout int
		reason  string
	}{
		closed.URL:                       {30_000, "The connection was refused."},
		secure.URL:                       {30_000, "The certificate is not from a trusted authority."},
		"http://" + hung.Addr().String(): {500, "The endpoint did not answer in time."},
	} {
		members := fmt.Sprintf(`,"httpTimeoutMs":%d`, want.timeout)
		a := w.do(t, localKey, http.MethodPost, webhooksPath, webhook(url+"/hook?token=s3cret", members))
		wantError(t, url, a, http.StatusUnprocessableEntity, "webhook_unreachable", "connectivity")
		var details map[string]string
		if err := json.Unmarshal(a.envelope(t, http.StatusUnprocessableEntity).Error.Details, &details); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint(map[string]string{"url": url + "/hook", "reason": want.reason}); fmt.Sprint(details) != want {
			t.Errorf("details %v, want %s", details, want)
		}
	}
	if got := w.list(t, localKey, ""); len(got) != 0 {
		t.Errorf("%v were stored", got)
	}
}

// On AWS the strict policy holds: what is wrong with the address is told before
// anything is asked.
func TestTheTargetPolicyDecidesWhereAWebhookMayPoint(t *testing.T) {
	t.Parallel()
	pushers := push.New(push.Options{Policy: push.Strict()})
	t.Cleanup(pushers.CloseIdle)
	w := newWorldOf(t, parts{targets: pushers, pusher: pushers})
	r := receive(t, http.StatusOK)
	for _, url := range []string{r.URL, strings.Replace(r.URL, "http", "https", 1), "https://localhost/", "https://10.1.2.3/", "https://[::1]/", "https://host.internal/", "https://receiver.example:8443/"} {
		if a := w.do(t, localKey, http.MethodPost, webhooksPath, webhook(url, "")); a.wrong(t)["url"] == "" {
			t.Errorf("%s: %s", url, a.body)
		}
	}
	if len(r.got(http.MethodHead)) != 0 {
		t.Error("the address was asked")
	}
}
