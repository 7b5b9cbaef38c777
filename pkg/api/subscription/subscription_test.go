package subscription_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"hermod/pkg/api/subscription"
	"hermod/pkg/hermod"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A store has one subscription, and fails as it is told so many times.
type store struct {
	subscription.Store
	kept  hermod.Subscription
	fails int
	err   error
}

func (s *store) fail() error {
	if s.fails--; s.fails >= 0 {
		return s.err
	}
	return nil
}

func (s *store) Subscription(context.Context, hermod.Ref) (*hermod.Subscription, error) {
	return &s.kept, nil
}

func (s *store) CreateSubscription(_ context.Context, made *hermod.Subscription) error {
	s.kept = *made
	return s.fail()
}

func (s *store) UpdateSubscription(_ context.Context, changed *hermod.Subscription) error {
	if err := s.fail(); err != nil {
		return err
	}
	s.kept = *changed
	return nil
}

func keeper(s *store) subscription.Keeper {
	return subscription.Keeper{Dialect: hermod.Signly, Store: s, Targets: &targets{}, URL: "Uri", Now: func() time.Time { return start }, Busy: "it is busy"}
}

// targets count whom they ask, and who they say does not agree.
type targets struct {
	asked  []string
	refuse string
}

func (*targets) Check(string, json.RawMessage) error { return nil }

func (g *targets) Agree(_ context.Context, kind string, configuration, before json.RawMessage) error {
	g.asked = append(g.asked, fmt.Sprintf("%s %s %s", kind, configuration, before))
	switch g.refuse {
	case "":
		return nil
	case "down":
		return errDown
	default:
		return hermod.InvalidFields(hermod.FieldError{Name: "typeConfiguration.url", Reason: g.refuse})
	}
}

var errDown = errors.New("down")

func TestANewEndpointAgreesBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	for refuse, want := range map[string]string{"": "", "does not agree": "Uri", "down": "down"} {
		s, g := &store{}, &targets{refuse: refuse}
		k := keeper(s)
		k.Targets = g
		sub := k.New("a", "t")
		sub.Type, sub.Secrets.Configuration = hermod.Webhook, json.RawMessage(`1`)
		err := k.Create(t.Context(), sub, func() string { return "s" })
		if got := reason(err); got != want || (s.kept.ID == "") != (err != nil) || fmt.Sprint(g.asked) != "[Webhook 1 ]" {
			t.Errorf("%q: %v, asked %q, kept %q", refuse, err, g.asked, s.kept.ID)
		}
	}
}

func reason(err error) string {
	if e, ok := errors.AsType[*hermod.Error](err); ok && len(e.Fields) > 0 {
		return e.Fields[0].Name
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestAChangedEndpointIsAskedOnceHoweverOftenTheChangeIsMade(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		to     string
		fails  int
		refuse string
		asked  string
	}{
		"the same":          {`1`, 0, "", "[]"},
		"another":           {`2`, 0, "", "[ 2 1]"},
		"another, races":    {`2`, 3, "", "[ 2 1]"},
		"another, refused":  {`2`, 0, "does not agree", "[ 2 1]"},
		"deleted meanwhile": {``, 0, "does not agree", "[]"},
	} {
		s := &store{kept: hermod.Subscription{Active: true, Secrets: hermod.Secrets{Configuration: json.RawMessage(`1`)}},
			fails: tt.fails, err: hermod.Errorf(hermod.CodePreconditionFailed, "stale")}
		g := &targets{refuse: tt.refuse}
		k := keeper(s)
		k.Targets = g
		_, err := k.Change(t.Context(), func() (*hermod.Subscription, error) { return s.Subscription(t.Context(), hermod.Ref{}) },
			func(sub *hermod.Subscription) error {
				if tt.to == "" {
					return k.Delete(sub)
				}
				sub.Secrets.Configuration = json.RawMessage(tt.to)
				return nil
			})
		refused := tt.refuse != "" && tt.asked != "[]"
		if fmt.Sprint(g.asked) != tt.asked || (err != nil) != refused || string(s.kept.Secrets.Configuration) != tt.to && !refused {
			t.Errorf("%s: asked %q, kept %s, %v", name, g.asked, s.kept.Secrets.Configuration, err)
		}
	}
}

func TestACreateTriesOtherIDs(t *testing.T) {
	t.Parallel()
	for fails, want := range map[int]hermod.Code{0: "", 4: "", 5: hermod.CodeUnavailable} {
		s := &store{fails: fails, err: hermod.Errorf(hermod.CodeConflict, "taken")}
		id := "s"
		next := func() string { id += "x"; return id }
		err := keeper(s).Create(t.Context(), keeper(s).New("a", "t"), next)
		if hermod.CodeOf(err) != want && (want != "" || err != nil) {
			t.Errorf("after %d: %v", fails, err)
		}
		if k := s.kept; err == nil && (k.ID != id || len(id) != fails+2 || k.Owner != "a" || k.Tenant != "t" || k.Dialect != hermod.Signly || !k.Active || k.Version != 1) {
			t.Errorf("kept %+v", k)
		}
	}
}

func TestAChangeThatLostIsMadeAgain(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, tt := range []struct {
		fails int
		err   error
		want  error
	}{
		{0, nil, nil},
		{4, hermod.Errorf(hermod.CodePreconditionFailed, "stale"), nil},
		{5, hermod.Errorf(hermod.CodePreconditionFailed, "stale"), hermod.Errorf(hermod.CodeConflict, "it is busy")},
		{1, down, down},
	} {
		s := &store{kept: hermod.Subscription{Active: true, Secrets: hermod.Secrets{SigningSecret: "x"}, Sealed: []byte("x")}, fails: tt.fails, err: tt.err}
		find := func() (*hermod.Subscription, error) { return s.Subscription(t.Context(), hermod.Ref{}) }
		gone, err := keeper(s).Change(t.Context(), find, keeper(s).Delete)
		if tt.want == nil {
			if err != nil || !gone.Deleted() || gone.Active || gone.Secrets.SigningSecret != "" || gone.Sealed != nil || !gone.UpdatedAt.Equal(start) {
				t.Errorf("after %d: %+v, %v", tt.fails, gone, err)
			}
			continue
		}
		if !errors.Is(err, down) && (err == nil || err.Error() != tt.want.Error()) || !s.kept.Active {
			t.Errorf("after %d: %v, kept %+v", tt.fails, err, s.kept)
		}
	}
}

func TestATombstoneKeepsWhatTheLogNeeds(t *testing.T) {
	t.Parallel()
	was := hermod.Subscription{
		ID: "s", Owner: "o", Tenant: "t", Dialect: hermod.Signly, Name: "n", Type: hermod.Webhook, Global: true, Version: 3, CreatedAt: start,
	}
	want := was
	want.DeletedAt, want.UpdatedAt = start, start
	was.Active, was.Description, was.Filters, was.Tags = true, "d", []hermod.Pattern{"a:b"}, []string{"tag"}
	was.Schedule, was.Backoff = hermod.Schedule{time.Second}, "b"
	was.Secrets, was.Sealed = hermod.Secrets{SigningSecret: "x"}, []byte("x")
	s := &store{kept: was}
	gone, err := keeper(s).Change(t.Context(), func() (*hermod.Subscription, error) { return &was, nil }, keeper(s).Delete)
	if err != nil || !reflect.DeepEqual(*gone, want) {
		t.Errorf("the tombstone is %+v, %v\nwant %+v", gone, err, want)
	}
	if c := gone.ChangeOf(&was); c.Action != hermod.SubscriptionDeleted || len(c.Members) > 0 {
		t.Errorf("the audit log says %+v, want that it was deleted and no more", c)
	}
}

func TestRefusalsHaveTheNamesOfTheDialect(t *testing.T) {
	t.Parallel()
	refused := hermod.InvalidFields(
		hermod.FieldError{Name: "typeConfiguration.url", Reason: "is private"},
		hermod.FieldError{Name: "typeConfiguration.headers.typeConfiguration.url", Reason: "is reserved"},
		hermod.FieldError{Name: "typeConfiguration.headers", Reason: "are too many"},
		hermod.FieldError{Name: "typeConfiguration", Reason: "is odd"},
	)
	want := []hermod.FieldError{
		{Name: "Uri", Reason: "is private"}, {Name: "Headers.typeConfiguration.url", Reason: "is reserved"},
		{Name: "Headers", Reason: "are too many"}, {Name: "Uri", Reason: "is odd"},
	}
	if got := subscription.Refusals(refused, "Uri", "Headers"); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := subscription.Refusals(errors.New("no"), "Uri", "Headers"); !slices.Equal(got, []hermod.FieldError{{Name: "Uri", Reason: "no"}}) {
		t.Errorf("of another error: %v", got)
	}
	if subscription.Refusals(nil, "Uri", "Headers") != nil {
		t.Error("what is not refused has reasons")
	}
}
