package signicat_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/apitest"
	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
)

const auditPath = signicat.Base + "/audit-log"

func TestTheAuditLogOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Advance(time.Hour) // past what made the world
	since := "&after=2026-03-01T12:30:00Z"
	id := w.subscribe(t, "local", "")
	path := subscriptionsPath + "/" + id
	wantStatus(t, "update", w.do(t, "local", http.MethodPut, path, strings.Replace(webhook(""), "https://", "https://another.", 1)), http.StatusOK)
	wantStatus(t, "pause", w.do(t, "local", http.MethodPost, path+"/pause", ""), http.StatusOK)
	key := w.credential(t, `"type":"apiKey","name":"A key"`)["id"].(string)

	all := w.do(t, "local", http.MethodGet, auditPath+"?limit=100"+since, "")
	text := strings.NewReplacer(id, "{subscription}", key, "{key}").Replace(string(all.body))
	apitest.Golden(t, "audit_log.json", regexp.MustCompile(`"[0-9a-f]{32}"`).ReplaceAll(regexp.MustCompile(`"(ab){16}"`).ReplaceAll([]byte(text), []byte(`"{trace}"`)), []byte(`"{id}"`)))

	for query, want := range map[string]int{
		"?subscriptionId=" + id + since:                                 3,
		"?action=subscription.paused" + since:                           1,
		"?action=subscription.paused&subscriptionId=" + key + since:     0,
		"?before=2026-03-01T12:30:00Z&action=subscription.created":      0,
		"?subscriptionId=" + id + "&after=2026-03-01T13:30:00Z":         0,
		"?signicat-organizationId=" + organization + "&limit=1" + since: 0,
	} {
		if got := len(w.do(t, "local", http.MethodGet, auditPath+query, "").json(t, http.StatusOK)["data"].([]any)); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	for query, name := range map[string]string{
		"?action=subscription.burnt": "action", "?limit=0": "limit", "?after=yesterday": "after", "?page=x": "page",
		"?after=2026-03-02T00:00:00Z&before=2026-03-01T00:00:00Z": "after", "?accountId=" + local: "accountId", "?subscriptionld=x&LIMIT=1": "subscriptionld",
	} {
		if wrong := w.do(t, "local", http.MethodGet, auditPath+query, "").wrong(t); len(wrong) != 1 || wrong[0] != name {
			t.Errorf("%s: %v, want %s", query, wrong, name)
		}
	}
	foreign := w.do(t, "other", http.MethodGet, auditPath+"?subscriptionId="+id, "").json(t, http.StatusOK)["data"].([]any)
	if len(foreign) != 0 {
		t.Errorf("another account reads %v", foreign)
	}
}

// changedWhole tells of one write that changes every member there is.
type changedWhole struct {
	replaying
	change hermod.Change
}

func (c changedWhole) Changes(context.Context, hermod.ChangeQuery) (hermod.ChangePage, error) {
	return hermod.ChangePage{Changes: []*hermod.Change{&c.change}}, nil
}

// fill puts something else than zero into every field of a struct, but for those named.
func fill(s any, but ...string) {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		field := v.Field(i)
		if slices.Contains(but, v.Type().Field(i).Name) {
			continue
		}
		switch field.Kind() {
		case reflect.String:
			field.SetString("x")
		case reflect.Bool:
			field.SetBool(true)
		case reflect.Int, reflect.Int64:
			field.SetInt(1)
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case reflect.Pointer:
			field.Set(reflect.New(field.Type().Elem()))
		case reflect.Struct:
			if field.Type() == reflect.TypeFor[time.Time]() {
				field.Set(reflect.ValueOf(start))
			}
		default:
			panic("no value for " + v.Type().Field(i).Name)
		}
	}
}

// The description lists the names that the audit log may show, and every answer is held
// against it.
func TestTheAuditLogNamesMembersAsThisAPIDoes(t *testing.T) {
	t.Parallel()
	var secrets hermod.Secrets
	fill(&secrets)
	sub := &hermod.Subscription{SecretsChanged: secrets.ChangedFrom(hermod.Secrets{})}
	fill(sub, "DeletedAt", "DisabledReason", "SecretsChanged", "Sealed")
	resealed := &hermod.Subscription{Sealed: []byte("another"), DisabledReason: "gone"}
	definition, credential := &hermod.Definition{}, &hermod.Credential{}
	fill(definition)
	fill(credential, "RevokedAt")
	w := newWorld(t)
	for name, tt := range map[string]struct {
		change hermod.Change
		least  int
		shows  []any
	}{
		"a subscription": {sub.ChangeOf(&hermod.Subscription{}), 20, []any{
			"eventNameFilter", "tagFilter", "messageAuthentication", "typeConfiguration", "includeInternalEvents", "isGlobalSubscription", "outputFormat",
		}},
		"one sealed anew": {resealed.ChangeOf(&hermod.Subscription{}), 2, []any{"disabledReason", "secrets"}},
		"a type":          {definition.ChangeOf(&hermod.Definition{}), 6, []any{"validation", "internal"}},
		"a credential":    {credential.ChangeOf(&hermod.Credential{}), 6, []any{"ownerId", "organizationId", "secret", "scopes"}},
		"its name":        {credential.RenameChange(), 1, []any{"name"}},
	} {
		acceptor := replaying{w.DB, nil, w.delivery}
		tt.change.ID, tt.change.Actor.Kind = w.IDs.Next(), hermod.ActorOperator
		w.serve(w.Log, parts{w.Store, nil, w.Store, w.Store, w.DB, w.DB, changedWhole{acceptor, tt.change}})
		row := w.do(t, "local", http.MethodGet, auditPath, "").json(t, http.StatusOK)["data"].([]any)[0].(map[string]any)
		members := row["members"].([]any)
		if len(members) < tt.least {
			t.Errorf("%s: %v, of which there should be %d", name, members, tt.least)
		}
		for _, want := range tt.shows {
			if !slices.Contains(members, want) {
				t.Errorf("%s: %v, want %s", name, members, want)
			}
		}
	}
}

// Also a rotation to the secret in use is one, whatever it changes.
func TestARotationIsToldOfAsOne(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{"secret":"second"}`, `{"secret":"first"}`, `{"secret":"first","overlap":0}`} {
		w := newWorld(t)
		id := w.subscribe(t, "local", hmacSigned)
		for range 2 { // the second ends what the first has left, or changes nothing
			w.rotate(t, id, body).json(t, http.StatusOK)
			row := w.do(t, "local", http.MethodGet, auditPath+"?limit=1&subscriptionId="+id, "").json(t, http.StatusOK)["data"].([]any)[0].(map[string]any)
			if members := fmt.Sprint(row["members"]); row["action"] != "subscription.rotated" || members != "[messageAuthentication]" {
				t.Errorf("%s: %v of %s", body, row["action"], members)
			}
		}
	}
}
