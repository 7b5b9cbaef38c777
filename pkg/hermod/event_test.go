package hermod_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hermod/pkg/hermod"
)

func TestTypeHasASenderAndANameOfPlainCharacters(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", hermod.MaxTypePart)
	for _, valid := range []string{"a:b", "signature-api:order.completed", "mint-api:create_event", "A0_.-:z", longest + ":" + longest} {
		sender, name, ok := hermod.ParseType(valid)
		if !ok || sender+":"+name != valid {
			t.Errorf("ParseType(%q) = %q, %q, %v", valid, sender, name, ok)
		}
	}
	for _, invalid := range []string{
		"", ":", "a", "a:", ":b", "a:b:c", "a b:c", "a:b\n", "a:é", "a:*", "*:a", "a:b\x00", longest + "x:b", "b:" + longest + "x",
	} {
		if _, _, ok := hermod.ParseType(invalid); ok {
			t.Errorf("ParseType(%q) takes it", invalid)
		}
	}
}

func TestPatternSelectsOneTypeOneSenderOrAll(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, sender, name string
		want                  bool
	}{
		{"a:b", "a", "b", true},
		{"a:b", "a", "B", false},
		{"a:b", "a", "bb", false},
		{"a:b", "aa", "b", false},
		{"a:*", "a", "anything", true},
		{"a:*", "A", "anything", false},
		{"a:*", "ab", "c", false},
		{"*", "a", "b", true},
	} {
		p, ok := hermod.ParsePattern(tt.pattern)
		if !ok {
			t.Fatalf("%q is no pattern", tt.pattern)
		}
		if got := p.Matches(tt.sender, tt.name); got != tt.want {
			t.Errorf("%q selects %s:%s: %v, want %v", tt.pattern, tt.sender, tt.name, got, tt.want)
		}
	}
}

// refusedPatterns are forms that look like patterns and are none.
var refusedPatterns = []string{
	"", "*:*", "**", "a", "a:", ":a", ":*", "a:b*", "a:*b", "a:b.*", "*:b", "a*:b", "a:b:*", "a:*:*", " *", "a: *", "a:**", "a:b\n",
}

func TestAnyOtherFormOfPatternIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range refusedPatterns {
		if _, ok := hermod.ParsePattern(text); ok {
			t.Errorf("ParsePattern(%q) takes it", text)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, seed := range append([]string{"*", "a:*", "a:b"}, refusedPatterns...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := hermod.ParsePattern(text)
		if !ok {
			return
		}
		if string(p) != text {
			t.Fatalf("pattern %q became %q", text, p)
		}
		sender, all := p.Sender()
		switch {
		case p == hermod.AnyType:
			if sender != "" || !all {
				t.Fatalf("* selects all of sender %q: %v", sender, all)
			}
		case all:
			if !hermod.ValidTypePart(sender) || text != sender+":*" || !p.Matches(sender, "anything") {
				t.Fatalf("%q does not select all of %q", text, sender)
			}
		default:
			_, name, ok := hermod.ParseType(text)
			if !ok || !p.Matches(sender, name) || p.Matches(sender, name+"x") {
				t.Fatalf("%q does not select itself alone", text)
			}
		}
	})
}

func TestOwnersOfAnEventAreItsAccountAndItsOrganizationOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		account, organization string
		want                  []string
	}{
		{"a", "", []string{"a"}},
		{"a", "o", []string{"a", "o"}},
		{"a", "a", []string{"a"}},
	} {
		e := hermod.Event{AccountID: tt.account, OrganizationID: tt.organization}
		if got := e.Owners(); !slices.Equal(got, tt.want) {
			t.Errorf("owners of %+v: %v", tt, got)
		}
	}
}

func TestAnEventIsExpiredFromTheMomentItNames(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := hermod.Event{ExpiresAt: end}
	if e.Expired(end.Add(-1)) || !e.Expired(end) || !e.Expired(end.Add(1)) {
		t.Error("the moment itself must be the first that is too late")
	}
	if (&hermod.Event{}).Expired(end) {
		t.Error("without an end it never expires")
	}
}

func TestASubscriptionIsInForceWhileActiveNotDeletedAndNotEnded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tt := range map[string]struct {
		s    hermod.Subscription
		want bool
	}{
		"active":                {hermod.Subscription{Active: true}, true},
		"switched off":          {hermod.Subscription{}, false},
		"deleted":               {hermod.Subscription{Active: true, DeletedAt: now}, false},
		"ends this very moment": {hermod.Subscription{Active: true, ExpiresAt: now}, false},
		"ends later":            {hermod.Subscription{Active: true, ExpiresAt: now.Add(1)}, true},
	} {
		if got := tt.s.InForce(now); got != tt.want {
			t.Errorf("%s: in force %v, want %v", name, got, tt.want)
		}
	}
}

func TestASubscriptionMatchesByOwnerTypeAndAnyTag(t *testing.T) {
	t.Parallel()
	event := hermod.Event{AccountID: "a", OrganizationID: "o", Sender: "s", Name: "n", Tags: []string{"x", "y"}}
	for name, tt := range map[string]struct {
		s    hermod.Subscription
		want bool
	}{
		"no filter of the account":      {hermod.Subscription{Owner: "a"}, true},
		"no filter of the organization": {hermod.Subscription{Owner: "o"}, true},
		"another owner":                 {hermod.Subscription{Owner: "b"}, false},
		"one of several filters":        {hermod.Subscription{Owner: "a", Filters: []hermod.Pattern{"z:z", "s:*"}}, true},
		"none of the filters":           {hermod.Subscription{Owner: "a", Filters: []hermod.Pattern{"z:z", "s:m"}}, false},
		"one of several tags":           {hermod.Subscription{Owner: "a", Tags: []string{"q", "y"}}, true},
		"tags with regard to case":      {hermod.Subscription{Owner: "a", Tags: []string{"X"}}, false},
		"filter and tag":                {hermod.Subscription{Owner: "a", Filters: []hermod.Pattern{"s:n"}, Tags: []string{"q"}}, false},
	} {
		tt.s.Active = true
		if got := tt.s.Matches(&event, time.Now()); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestPatternsMadeOfPartsAreReadAndSelectWhatTheyAreMadeOf(t *testing.T) {
	t.Parallel()
	part := rapid.StringMatching(`[A-Za-z0-9_.-]{1,8}`)
	rapid.Check(t, func(t *rapid.T) {
		sender, name, other := part.Draw(t, "sender"), part.Draw(t, "name"), part.Draw(t, "other")
		exact, ok := hermod.ParsePattern(sender + ":" + name)
		if !ok || exact.Matches(sender, other) != (other == name) {
			t.Fatalf("%q selects %s:%s wrongly", exact, sender, other)
		}
		group, ok := hermod.ParsePattern(sender + ":*")
		if !ok || !group.Matches(sender, name) || group.Matches(other, name) != (other == sender) {
			t.Fatalf("%q selects wrongly", group)
		}
	})
}
