package subscription_test

import (
	"context"
	"errors"
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
	return subscription.Keeper{Dialect: hermod.Signly, Store: s, Now: func() time.Time { return start }, Busy: "it is busy"}
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
