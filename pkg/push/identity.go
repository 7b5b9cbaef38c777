package push

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// Assertions say to a cloud for whom Hermod comes, so that nobody has to hand over a
// secret: the cloud trusts Hermod's issuer (workload identity federation).
type Assertions interface {
	// Assertion is a signed token of some minutes that tells the audience for which
	// owner and which subscription Hermod comes. It must be impossible to get one with
	// the owner of somebody else: ref is that of the subscription as it is stored.
	Assertion(ctx context.Context, ref hermod.Ref, audience string) (string, error)
}

const identityField = "workloadIdentity"

// identityFault says why no workload identity can be used here; "" where one can.
func identityFault(assertions Assertions, secret bool, besides string) string {
	switch {
	case secret:
		return "must not stand beside " + besides
	case assertions == nil:
		return "cannot be used here: the operator of this Hermod has not configured its public URL, which is its identity (HERMOD_PUBLIC_URL)"
	default:
		return ""
	}
}

// An exchange of tokens is one step on the way to the token that a destination takes.
type tokenExchange struct {
	url    string
	header http.Header
	body   []byte
}

func formExchange(url string, form url.Values) tokenExchange {
	return tokenExchange{url, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode())}
}

// A federation gets access tokens of a cloud for what Hermod asserts.
type federation struct {
	exchanger  *exchanger
	now        func() time.Time
	assertions Assertions
	ref        hermod.Ref
	// audience is whom the assertion is for.
	audience string
	// first makes the exchange of the assertion. next makes another one, of the token
	// that came; nil where that is the last.
	first, next func(token string) tokenExchange
}

// The bounds of a token's life. One that says nothing of it is kept for the least.
const (
	minTokenLife = 5 * time.Minute
	maxTokenLife = time.Hour
)

// renew makes the value of an Authorization header. It lasts three quarters of the
// token's life.
func (f *federation) renew(ctx context.Context) (token[string], deliver.Result) {
	assertion, err := f.assertions.Assertion(ctx, f.ref, f.audience)
	if err != nil {
		// No fault of the destination's: the attempt is put off, not counted.
		return token[string]{}, failure(deliver.ClassInterrupted, "Hermod could not say who it is")
	}
	got, life, failed := f.exchange(ctx, f.first(assertion))
	if failed.Succeeded() && f.next != nil {
		got, life, failed = f.exchange(ctx, f.next(got))
	}
	if !failed.Succeeded() {
		return token[string]{}, failed
	}
	return token[string]{value: "Bearer " + got, renew: f.now().Add(life * 3 / 4)}, deliver.Result{}
}

func (f *federation) exchange(ctx context.Context, e tokenExchange) (value string, life time.Duration, failed deliver.Result) {
	to, err := url.Parse(e.url)
	if err != nil {
		return "", 0, failure(deliver.ClassConfiguration, "the subscription's configuration cannot be used")
	}
	a := f.exchanger.do(ctx, request{url: to, header: e.header, body: e.body, keep: maxAnswer})
	if a.Class != "" {
		judgeExchange(&a)
		return "", 0, a.Result
	}
	if value, life = readToken(a.body, f.now()); value == "" {
		a.refuse(deliver.ClassProtocol, "", "the token service's answer has no token")
		return "", 0, a.Result
	}
	return value, life, deliver.Result{}
}

// judgeExchange sharpens what a token service answered. That it could not read the
// keys of Hermod's issuer is not the subscription's fault, and may pass.
func judgeExchange(a *answer) {
	switch a.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		if containsAny(strings.ToLower(a.Response), "error connecting to the given credential's issuer", "aadsts50166", "temporarily_unavailable") {
			a.refuse(deliver.ClassClientError, "", "the cloud could not read the keys of Hermod's issuer")
			return
		}
		a.refuse(deliver.ClassCredential, hermod.ReasonCredential, "the cloud does not let Hermod's identity in")
	default:
		a.refine()
	}
}

// readToken reads a token and how long it lasts, in the form of OAuth 2.0 or in that of
// Google's IAM Credentials API; "" for none.
func readToken(body []byte, now time.Time) (value string, life time.Duration) {
	var t struct {
		AccessToken string      `json:"access_token"`
		ExpiresIn   json.Number `json:"expires_in"` // seconds; some issuers write a text
		Token       string      `json:"accessToken"`
		ExpireTime  time.Time   `json:"expireTime"`
	}
	if json.Unmarshal(body, &t) != nil {
		return "", 0
	}
	if seconds, err := t.ExpiresIn.Int64(); err == nil {
		life = time.Duration(min(max(seconds, 0), int64(maxTokenLife/time.Second))) * time.Second
	}
	if value = t.AccessToken; value == "" {
		value, life = t.Token, t.ExpireTime.Sub(now)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", 0
	}
	return value, min(max(life, minTokenLife), maxTokenLife)
}
