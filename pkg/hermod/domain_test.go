package hermod_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
)

func TestTheCodeOfAnErrorIsThatOfTheNearestError(t *testing.T) {
	t.Parallel()
	inner := hermod.Errorf(hermod.CodeNotFound, "no %s", "thing")
	for _, tt := range []struct {
		err  error
		want hermod.Code
	}{
		{nil, ""},
		{errors.New("plain"), hermod.CodeInternal},
		{inner, hermod.CodeNotFound},
		{fmt.Errorf("reading: %w", inner), hermod.CodeNotFound},
		{&hermod.Error{Code: hermod.CodeUnavailable, Err: inner}, hermod.CodeUnavailable},
		{errors.Join(errors.New("plain"), inner), hermod.CodeNotFound},
	} {
		if got := hermod.CodeOf(tt.err); got != tt.want {
			t.Errorf("code of %v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestACauseIsForTheLogAlone(t *testing.T) {
	t.Parallel()
	cause := &hermod.Error{Code: hermod.CodeUnavailable, Message: "table busy", Err: errors.New("dial 10.0.0.7")}
	err := fmt.Errorf("accepting: %w", &hermod.Error{Code: hermod.CodeUnavailable, Message: "try again", Err: fmt.Errorf("putting: %w", cause)})
	if got := err.Error(); got != "accepting: try again" {
		t.Errorf("the caller is told %q", got)
	}
	if got, want := hermod.Detail(err), "accepting: try again: putting: table busy: dial 10.0.0.7"; got != want {
		t.Errorf("the log is told %q, want %q", got, want)
	}
	if hermod.Detail(nil) != "" || !errors.Is(err, cause) {
		t.Error("no error has no detail, and a cause stays in the chain")
	}
}

func TestAWaitIsTheSchedulesWithin10PercentOrWhatTheDestinationAskedFor(t *testing.T) {
	t.Parallel()
	schedule := hermod.DefaultSchedule()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, len(schedule)).Draw(t, "attempt")
		u := rapid.Float64Range(0, 0.999999).Draw(t, "u")
		asked := time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "retryAfter"))
		wait, ok := schedule.Wait(n, asked, u)
		base := schedule[n-1]
		honoured := min(asked, hermod.MaxRetryAfter)
		if !ok || wait < base*9/10-1 || wait < honoured || wait > max(base*11/10+1, honoured) {
			t.Fatalf("after attempt %d, asked for %v: %v, %v", n, asked, wait, ok)
		}
	})
	for _, n := range []int{-1, 0, len(schedule) + 1} {
		if wait, ok := schedule.Wait(n, time.Hour, 0); ok {
			t.Errorf("after attempt %d there is a wait of %v", n, wait)
		}
	}
}

func TestTheDefaultScheduleIsThatOfStandardWebhooks(t *testing.T) {
	t.Parallel()
	var sum time.Duration
	for _, wait := range hermod.DefaultSchedule() {
		sum += wait
	}
	if want := 75*time.Hour + 35*time.Minute + 5*time.Second; sum != want || len(hermod.DefaultSchedule()) != 9 {
		t.Errorf("%d waits of %v together, want 9 of %v", len(hermod.DefaultSchedule()), sum, want)
	}
}

func TestSecretsStayOutOfTextAndLogs(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	s := hermod.Subscription{ID: "s-1", Secrets: hermod.Secrets{Configuration: []byte(`"` + secret + `"`), SigningSecret: secret, Former: []hermod.FormerSecret{{Secret: secret}}}}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("secrets", s.Secrets), slog.Any("former", s.Secrets.Former[0]),
		slog.String("subscription", fmt.Sprintf("%+v %v %#v %+v %#v", s, s, s, s.Secrets.Former, s.Secrets.Former)))
	if strings.Contains(log.String(), secret) {
		t.Errorf("a log shows the secret: %s", &log)
	}
}

func TestAMessageComesBackAsItWasSent(t *testing.T) {
	t.Parallel()
	for _, m := range []hermod.Message{
		{EventID: hermod.ID{1}, Account: "a", Owner: "o", SubscriptionID: "s", Trigger: hermod.TriggerMatch},
		{
			EventID: hermod.ID{2}, Account: "a", Owner: "a", SubscriptionID: "s", Run: 3, Trigger: hermod.TriggerReplay,
			Until: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), After: 7,
		},
	} {
		back, err := hermod.DecodeMessage(m.Encode())
		if err != nil || back != m {
			t.Errorf("%s became %+v: %v", m.Encode(), back, err)
		}
	}
	for _, body := range []string{"", "x", "[]", `{"event":"zz"}`} {
		if m, err := hermod.DecodeMessage([]byte(body)); hermod.CodeOf(err) != hermod.CodeInvalid {
			t.Errorf("%q became %+v: %v", body, m, err)
		}
	}
}

func TestAPrincipalOwnsItsAccountAndItsOrganizationAlone(t *testing.T) {
	t.Parallel()
	p := hermod.Principal{Account: "a", Scopes: []string{"x"}}
	for owner, want := range map[string]bool{"a": true, "": false, "b": false} {
		if got := p.Owns(owner); got != want {
			t.Errorf("owns %q: %v", owner, got)
		}
	}
	p.Organization = "o"
	if !p.Owns("o") || p.Owns("") || !p.Has("x") || p.Has("") {
		t.Error("organization or scopes are wrong")
	}
}
