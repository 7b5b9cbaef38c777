package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// A process is one of several over the same store: it caches keys by itself.
type process struct {
	keys   *auth.Keys
	issuer *auth.Issuer
	bearer *auth.Bearer
}

func (s *service) process() *process {
	keys := s.newKeys()
	keys.Log = slog.New(slog.DiscardHandler)
	return &process{
		keys:   keys,
		issuer: &auth.Issuer{Keys: keys, Credentials: s, Now: s.now, TokenID: func() string { return fmt.Sprint(s.now().UnixNano()) }},
		bearer: &auth.Bearer{Keys: keys, Credentials: s, Now: s.now},
	}
}

// A thirdParty verifies tokens by the published keys and reads them again by the clock
// alone: it knows no better than Cache-Control.
type thirdParty struct {
	published func(context.Context) ([]auth.PublicKey, error)
	keeps     time.Duration
	now       func() time.Time
	known     []auth.PublicKey
	readAt    time.Time
}

func (v *thirdParty) verify(t *testing.T, token string) {
	t.Helper()
	if v.known == nil || v.now().Sub(v.readAt) >= v.keeps {
		keys, err := v.published(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v.known, v.readAt = keys, v.now()
	}
	_, err := jwt.Parse(token, func(token *jwt.Token) (any, error) {
		for _, k := range v.known {
			if k.ID == token.Header["kid"] {
				return k.Key, nil
			}
		}
		return nil, fmt.Errorf("unknown key %v", token.Header["kid"])
	}, jwt.WithTimeFunc(v.now))
	if err != nil {
		t.Fatalf("%s: by the published keys: %v", v.now().Sub(start), err)
	}
}

func kid(t *testing.T, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Header["kid"].(string)
}

// TestNoTokenIsRefusedOverTheWholeCourseOfRotations runs three months with two issuing
// processes, a verifying one and a third party, each with its own cache, and checks
// every token when it is made and just before its end.
func TestNoTokenIsRefusedOverTheWholeCourseOfRotations(t *testing.T) {
	t.Parallel()
	s := newService()
	issuers := []*process{s.process(), s.process()}
	verifier := s.process()
	// They share the process that publishes, so that what they read is stale already.
	published := s.process().keys.Published
	readers := []*thirdParty{
		{published: published, keeps: auth.JWKSMaxAge, now: s.now},
		{published: published, keeps: auth.JWKSMaxAge - time.Minute, now: s.now},
		{published: published, keeps: 10 * auth.JWKSMaxAge, now: s.now}, // one that is slack
	}
	type pending struct {
		token string
		ends  time.Time
	}
	var open []pending
	signed := map[string]bool{}
	believe := func(token string) {
		t.Helper()
		for _, p := range append(slices.Clone(issuers), verifier) {
			if _, err := (&request{p.bearer}).with(t, token); err != nil {
				t.Fatalf("%s: %v", s.now().Sub(start), err)
			}
		}
		for _, reader := range readers {
			reader.verify(t, token)
		}
	}
	for n := 0; s.now().Before(start.Add(95 * 24 * time.Hour)); n++ {
		p := issuers[n%len(issuers)]
		token, _, err := p.issuer.Issue(t.Context(), issuer, "client", "secret", nil)
		if err != nil {
			t.Fatal(err)
		}
		believe(token)
		signed[kid(t, token)] = true
		open = append(open, pending{token, s.now().Add(auth.TokenLife)})
		// Where nothing happens for weeks, time passes faster.
		step := time.Minute
		if age := s.now().Sub(s.stored()[0].CreatedAt); age > 2*time.Hour && age < auth.RotateAfter-30*time.Minute {
			step = min(7*time.Hour, auth.RotateAfter-30*time.Minute-age)
		}
		next := s.now().Add(step)
		for len(open) > 0 && open[0].ends.Before(next) {
			s.advance(open[0].ends.Add(-time.Second).Sub(s.now()))
			believe(open[0].token)
			open = open[1:]
		}
		s.advance(next.Sub(s.now()))
	}
	if len(signed) < 4 {
		t.Errorf("%d keys have signed in 95 days", len(signed))
	}
	if rows := len(s.stored()); rows > 6 {
		t.Errorf("%d rows are left", rows)
	}
}

// A request authenticates at one process.
type request struct{ bearer *auth.Bearer }

func (r *request) with(t *testing.T, token string) (*hermod.Principal, error) {
	t.Helper()
	return (&service{Bearer: r.bearer}).authenticate(t, "Bearer "+token)
}

// states gives the states of the stored keys, the newest first.
func (s *service) states() string {
	keys := s.stored()
	var states []string
	for i := range keys {
		states = append(states, string(auth.KeyStateOf(keys, i, s.now())))
	}
	return strings.Join(states, " ")
}

func TestAKeyIsPublishedBeforeItSignsAndUntilItsTokensHaveEnded(t *testing.T) {
	t.Parallel()
	s := newService()
	old := kid(t, s.issue(t))
	s.advance(time.Hour)
	signs, err := s.Keys.Rotate(t.Context())
	if err != nil || !signs.Equal(s.now().Add(time.Hour)) {
		t.Fatalf("signs from %v, %v", signs, err)
	}
	rotated := s.now()
	for _, tt := range []struct {
		after     time.Duration
		states    string
		published int
		oldSigns  bool
	}{
		{0, "next signing", 2, true},
		{time.Hour - time.Second, "next signing", 2, true},
		{time.Hour, "signing verifies", 2, false},
		{time.Hour + auth.TokenLife, "signing verifies", 2, false},
		{time.Hour + auth.TokenLife + 5*time.Minute, "signing retired", 1, false},
		{30 * 24 * time.Hour, "signing retired", 1, false},
		{31 * 24 * time.Hour, "signing past", 1, false},
	} {
		s.advance(rotated.Add(tt.after).Sub(s.now()))
		if got := s.states(); got != tt.states {
			t.Errorf("after %s: %s, want %s", tt.after, got, tt.states)
		}
		published, err := s.newKeys().Published(t.Context())
		if err != nil || len(published) != tt.published {
			t.Errorf("after %s: %d published, %v", tt.after, len(published), err)
		}
		if tt.after < auth.RotateAfter { // or the issuer rotates
			if signs := kid(t, s.issue(t)) == old; signs != tt.oldSigns {
				t.Errorf("after %s: the old key signs: %v", tt.after, signs)
			}
		}
	}
	if _, err := s.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.states(); got != "next signing" {
		t.Errorf("after another rotation: %s", got)
	}
}

func TestARetiredKeyIsBelievedNoMore(t *testing.T) {
	t.Parallel()
	s := newService()
	s.issue(t)
	stolen := s.stored()[0]
	if _, err := s.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.advance(time.Hour + auth.TokenLife + 5*time.Minute)
	at := s.now()
	token := forge(t, stolen, func(_ map[string]any, claims jwt.MapClaims) {
		claims["nbf"], claims["iat"], claims["exp"] = at.Unix(), at.Unix(), at.Add(auth.TokenLife).Unix()
	})
	if p, err := s.authenticate(t, "Bearer "+token); hermod.CodeOf(err) != hermod.CodeUnauthorized {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestTheFirstKeySignsAtOnceAndManyMayBeFirst(t *testing.T) {
	t.Parallel()
	s := newService()
	processes := []*process{s.process(), s.process(), s.process()}
	tokens := make([]string, len(processes))
	var wg sync.WaitGroup
	for i, p := range processes {
		wg.Go(func() {
			var err error
			if tokens[i], _, err = p.issuer.Issue(t.Context(), issuer, "client", "secret", nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range processes { // each may have read the keys before the others made theirs
		for _, token := range tokens {
			if _, err := (&request{p.bearer}).with(t, token); err != nil {
				t.Errorf("%s: %v", kid(t, token), err)
			}
		}
	}
}

func TestTheFirstReaderOfThePublishedKeysFindsOne(t *testing.T) {
	t.Parallel()
	s := newService()
	published, err := s.Keys.Published(t.Context())
	if err != nil || len(published) != 1 || published[0].ID != kid(t, s.issue(t)) {
		t.Errorf("%v, %v", published, err)
	}
}

func TestTwoWhoRotateAtOnceDoNoHarm(t *testing.T) {
	t.Parallel()
	s := newService()
	one, two := s.process(), s.process()
	for _, p := range []*process{one, two} {
		if err := p.keys.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.advance(auth.RotateAfter)
	var wg sync.WaitGroup
	for range 8 {
		for _, p := range []*process{one, two} {
			wg.Go(func() {
				if err := p.keys.Ensure(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if rows := len(s.stored()); rows < 2 || rows > 3 {
		t.Errorf("%d keys", rows)
	}
}

func TestARotationThatFailsFailsNobody(t *testing.T) {
	t.Parallel()
	s := newService()
	var log bytes.Buffer
	s.Keys.Log = slog.New(slog.NewTextHandler(&log, nil))
	first := kid(t, s.issue(t))
	s.advance(auth.RotateAfter)
	if err := s.Keys.Ensure(t.Context()); err != nil { // reads the keys afresh
		t.Fatal(err)
	}
	broken := s.process()
	broken.keys.Sealer = sealing{fail: errors.New("no key service")}
	broken.keys.Log = slog.New(slog.NewTextHandler(&log, nil))
	s.advance(auth.RotateAfter + time.Hour)
	for range 3 {
		if _, _, err := broken.issuer.Issue(t.Context(), issuer, "client", "secret", nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "signing key not rotated"); n != 1 || !strings.Contains(log.String(), "no key service") {
		t.Errorf("%d tries in a minute: %s", n, log.String())
	}
	if kid(t, s.issue(t)) == first {
		t.Error("the first key signs on after two months")
	}
}

// sealing opens and cannot seal.
type sealing struct {
	boxes
	fail error
}

func (s sealing) Seal(context.Context, string, string, []byte) ([]byte, error) { return nil, s.fail }

func TestCursorKeysOutlastARotationAndEveryProcessMakesWithOneThatAllKnow(t *testing.T) {
	t.Parallel()
	s := newService()
	s.issue(t)
	elsewhere := s.newKeys()
	cursorKeys := func(k *auth.Keys) [][]byte {
		t.Helper()
		keys, err := k.CursorKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	old := cursorKeys(elsewhere)[0]
	if _, err := s.Keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 26 * 60 { // a cursor of a day, and more
		makes := cursorKeys(s.Keys)
		if !slices.ContainsFunc(cursorKeys(elsewhere), func(k []byte) bool { return bytes.Equal(k, makes[0]) }) {
			t.Fatalf("%s: a cursor that one process makes another does not know", s.now().Sub(start))
		}
		if !slices.ContainsFunc(makes, func(k []byte) bool { return bytes.Equal(k, old) }) {
			t.Fatalf("%s: an old cursor is not known", s.now().Sub(start))
		}
		s.advance(time.Minute)
	}
	if bytes.Equal(cursorKeys(s.Keys)[0], old) {
		t.Error("the old key makes cursors on")
	}
}
