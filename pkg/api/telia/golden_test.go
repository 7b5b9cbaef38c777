package telia_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hermod/pkg/api"
	"hermod/pkg/api/telia"
)

// A golden is an answer, and its status.
type golden struct {
	answer answer
	status int
}

func goldens(t *testing.T, w *world) map[string]golden {
	t.Helper()
	created := w.do(t, "local", http.MethodPost, listPath, subscribing(""))
	id := created.json(t)["id"].(string)
	updated := w.do(t, "local", http.MethodPost, listPath, strings.Replace(subscribing(""), "SignatureRequestCompleted", "SignatureRequestStatusUpdated", 1))
	second := updated.json(t)["id"].(string)
	get := func(path string) answer { return w.do(t, "local", http.MethodGet, path, "") }
	login := w.login(t, "local", "local-secret", localTenant, "local-key")
	all := map[string]golden{
		"hooks":             {get(hooksPath), 200},
		"created":           {created, 200},
		"list":              {get(listPath), 200},
		"read":              {get(listPath + "/" + id + "?eventType=SignatureRequestCompleted"), 200},
		"login":             {login, 200},
		"error_no_key":      {w.send(t, http.MethodGet, hooksPath, ""), 401},
		"error_wrong_key":   {w.send(t, http.MethodGet, hooksPath, "", telia.KeyHeader, "x"), 401},
		"error_no_token":    {w.send(t, http.MethodGet, hooksPath, "", telia.KeyHeader, "local-key"), 401},
		"error_login":       {w.login(t, "local", "wrong", localTenant, "local-key"), 401},
		"error_not_found":   {get("/hooks/v2"), 404},
		"error_method":      {w.do(t, "local", http.MethodPut, listPath, ""), 405},
		"error_members":     {w.do(t, "local", http.MethodPost, listPath, `{}`), 400},
		"error_media":       {w.do(t, "local", http.MethodPost, listPath, ``, "Content-Type", "text/plain"), 415},
		"error_large":       {w.do(t, "local", http.MethodPost, listPath, strings.Repeat(" ", 70000)), 413},
		"error_event_type":  {get(listPath + "/" + id), 400},
		"error_other_event": {get(listPath + "/" + id + "?eventType=signatorysigned"), 404},
	}
	w.serve(w.Store, w.DB, api.NewLimiter(1, w.Now))
	get(hooksPath)
	all["error_limit"] = golden{get(hooksPath), 429}
	stubs := strings.NewReplacer(id, "{id}", second, "{second}", login.json(t)["token"].(string), "{token}")
	for name, g := range all {
		g.answer.body = []byte(stubs.Replace(string(g.answer.body)))
		all[name] = g
	}
	return all
}

// TestEveryAnswerIsThatOfTheContract compares bytes: the order of members is the
// contract's too.
func TestEveryAnswerIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	for name, g := range goldens(t, newWorld(t)) {
		raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Errorf("%v; the answer is\n%s", err, g.answer.body)
			continue
		}
		if g.answer.status != g.status || g.answer.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", name, g.answer.status, g.answer.header)
		}
		if got := string(g.answer.body); got != string(raw) {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, raw)
		}
	}
}

// TestTheFirstHooksAreThoseOfTheSample is the seed's answer, to the letter.
func TestTheFirstHooksAreThoseOfTheSample(t *testing.T) {
	t.Parallel()
	const sample = `[{"eventType":"signaturerequestcompleted","description":"The signature request has been completed.",` +
		`"payloadSchema":{"EventType":"string","Timestamp":"date","EventData":{"SignatureRequestId":"guid","TenantId":"guid","DepartmentId":"guid","CreatorId":"guid"}}},` +
		`{"eventType":"signatorysigned","description":"The signatory signed the request.",` +
		`"payloadSchema":{"EventType":"string","Timestamp":"date","EventData":{"SignatoryId":"guid","SignatureRequestId":"guid","TenantId":"guid","DepartmentId":"guid","CreatorId":"guid"}}}`
	a := newWorld(t)
	got := a.do(t, "local", http.MethodGet, hooksPath, "")
	if !strings.HasPrefix(string(got.body), sample+",") || !json.Valid(got.body) {
		t.Errorf("got %s", got.body)
	}
}
