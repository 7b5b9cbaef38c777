package push_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

func TestAFlowOfMintGetsTheEventAsItIsSigned(t *testing.T) {
	t.Parallel()
	row, p := mintRow(), eventPayload()
	ps, s, _ := row.serving(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != string(p.Body) || r.RequestURI != "/flows/flow-1/start?key=s3cret" {
			t.Errorf("%s with %q, %v", r.RequestURI, body, err)
		}
		if r.Header.Get("X-Signicat-Signature") != "0123abcd" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("header %v", r.Header)
		}
	})
	if r := ps.Push(t.Context(), s, p); !r.Succeeded() {
		t.Errorf("got %+v", r)
	}
}

func TestTheURLThatTriggersFlows(t *testing.T) {
	t.Parallel()
	strict, local := push.Strict(), push.Local()
	for template, takes := range map[string]bool{
		"https://mint.example/{flowId}":                  true,
		"https://mint.example/start?flow={flowId}&key=k": true,
		"https://mint.example/{flowId}/v/{flowId}":       true,
		"http://127.0.0.1:8080/{flowId}":                 false,
		"https://mint.example/start":                     false,
		"https://{flowId}.example/":                      false,
		"https://mint.example{flowId}":                   false,
		"https://user@mint.example/{flowId}":             false,
		"https://10.0.0.1/{flowId}":                      false,
		"mint.example/{flowId}":                          false,
		"{flowId}":                                       false,
	} {
		if mint, err := push.ParseMint(template, strict); (err == nil) != takes || (mint != nil) != takes {
			t.Errorf("%s: %v", template, err)
		}
	}
	if mint, err := push.ParseMint("", strict); mint != nil || err != nil {
		t.Errorf("none: %v, %v", mint, err)
	}
	if _, err := push.ParseMint("http://127.0.0.1:8080/{flowId}", local); err != nil {
		t.Error(err)
	}
	if _, err := push.ParseMint("https://mint.example/?key=s3cret", strict); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error quotes the URL: %v", err)
	}
}

func TestWithoutATriggerMintIsRefusedWhenItIsWritten(t *testing.T) {
	t.Parallel()
	row := mintRow()
	row.options = nil
	ps, s := row.pushing(t, "")
	err := ps.Check(hermod.Mint, s.Secrets.Configuration)
	if got := fields(err); len(got) != 1 || got[0] != "type" || !strings.Contains(err.Error(), "is not configured here") {
		t.Errorf("got %v", err)
	}
	// One that was written before is tried again: the operator may have slipped.
	if r := ps.Push(t.Context(), s, eventPayload()); r.Class != "configuration" || r.Permanent != "" || r.Message != "type is not configured here" {
		t.Errorf("got %+v", r)
	}
}
