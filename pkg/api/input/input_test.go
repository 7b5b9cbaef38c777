package input_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
)

func request(t *testing.T, target, body string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://host"+target, strings.NewReader(body))
}

func TestAllThatIsWrongWithABodyIsToldAtOnce(t *testing.T) {
	t.Parallel()
	m, err := input.Object(request(t, "/", `{"a":1,"b":null,"c":"x","unknown":2}`), 100, "a", "b", "c", "d")
	if err != nil {
		t.Fatal(err)
	}
	f := input.Fields{Members: m}
	var text string
	if f.Read("a", &text, "a string") || !f.Read("c", &text, "a string") || text != "x" {
		t.Errorf("read %q", text)
	}
	if !f.Null("b") || f.Given("b") || f.Null("a") || f.Null("d") || f.Given("d") || f.Given("unknown") {
		t.Error("absent, null and given members are confused")
	}
	f.Required("b", "c", "d")
	if got := names(f.Err()); !slices.Equal(got, []string{"a must be a string", "b is required", "d is required"}) {
		t.Errorf("got %q", got)
	}
	if (&input.Fields{}).Err() != nil {
		t.Error("nothing is wrong with nothing")
	}
}

func TestABodyIsBounded(t *testing.T) {
	t.Parallel()
	if _, err := input.Object(request(t, "/", `{"a":12345}`), 10, "a"); hermod.CodeOf(err) != hermod.CodeTooLarge {
		t.Errorf("got %v", err)
	}
}

func TestAllThatIsWrongWithAQueryIsToldAtOnce(t *testing.T) {
	t.Parallel()
	q := input.Query{Request: request(t, "/?Limit=0&at=yesterday&twice=1&TWICE=2", "")}
	q.Limit("limit", 10, 100)
	q.Time("at")
	if q.One("twice") != "" || q.One("absent") != "" {
		t.Error("a parameter that stands twice, or not at all, has a value")
	}
	if _, given := q.Time("absent"); given || q.Limit("absent", 10, 100) != 10 {
		t.Error("an absent parameter has a value")
	}
	want := []string{"limit must be a whole number from 1 to 100", "at must be a date", "twice must be given once"}
	for i, got := range names(q.Err()) {
		if !strings.HasPrefix(got, want[i]) {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
	strange := input.Query{Request: request(t, "/?LIMIT=1&accountId=x&&b", "")}
	strange.Only("limit", "at")
	if got := names(strange.Err()); !slices.Equal(got, []string{"accountId is not known here", "b is not known here"}) {
		t.Errorf("got %q", got)
	}
	good := input.Query{Request: request(t, "/?limit=100&at=2026-03-01T12:00:00%2B01:00", "")}
	if at, given := good.Time("at"); !given || at.UTC().Hour() != 11 || good.Limit("limit", 10, 100) != 100 || good.Err() != nil {
		t.Errorf("at %v, %v", at, good.Err())
	}
}

func names(err error) []string {
	var all []string
	if e, ok := err.(*hermod.Error); ok { //nolint:errorlint // exactly this error is wanted
		for _, f := range e.Fields {
			all = append(all, f.Name+" "+f.Reason)
		}
	}
	return all
}
