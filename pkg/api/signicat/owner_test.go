package signicat_test

import (
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/api/signicat"
)

const (
	subscriptionsPath = signicat.Base + "/subscriptions"
	logsPath          = signicat.Base + "/delivery-logs"
)

func TestTheOwnerIsNamedInQueryOrHeaderInAnyCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct {
		query  string
		header []string
		want   string // the owner of what is created; "" for 403
	}{
		"none":                            {"", nil, local},
		"its account":                     {"?signicat-accountId=" + local, nil, local},
		"its organization":                {"?signicat-organizationId=" + organization, nil, organization},
		"in another case":                 {"?SIGNICAT-ORGANIZATIONID=" + organization, nil, organization},
		"in a header":                     {"", []string{"Signicat-OrganizationId", organization}, organization},
		"in a header in another case":     {"", []string{"SIGNICAT-organizationid", organization}, organization},
		"the account in a header":         {"", []string{"Signicat-AccountId", local}, local},
		"both":                            {"?signicat-accountId=" + local + "&signicat-organizationId=" + organization, nil, organization},
		"the SDK's way":                   {"?signicat-accountId=" + local + "&signicat-organizationId=" + organization, []string{"Signicat-OrganizationId", organization}, organization},
		"the organization in the header":  {"?signicat-accountId=" + local, []string{"Signicat-OrganizationId", organization}, organization},
		"an empty name":                   {"?signicat-accountId=", nil, local},
		"a foreign account":               {"?signicat-accountId=" + other, nil, ""},
		"nobody":                          {"?signicat-accountId=a-spge-Nobody", nil, ""},
		"its account in another case":     {"?signicat-accountId=" + strings.ToUpper(local), nil, ""},
		"a foreign organization":          {"?signicat-organizationId=o-p-Foreign", nil, ""},
		"a foreign one in a header":       {"", []string{"Signicat-AccountId", other}, ""},
		"a foreign one behind its own":    {"?signicat-organizationId=" + organization + "&signicat-accountId=" + other, nil, ""},
		"a foreign one beside its own":    {"?signicat-accountId=" + local + "&Signicat-AccountId=" + other, nil, ""},
		"a foreign one after its own":     {"?signicat-accountId=" + local + "&signicat-accountId=" + other, nil, ""},
		"a foreign header beside its own": {"?signicat-accountId=" + local, []string{"Signicat-AccountId", other}, ""},
		"a second foreign header":         {"", []string{"Signicat-AccountId", local, "Signicat-AccountId", other}, ""},
		"an account as an organization":   {"?signicat-organizationId=" + local, nil, local},
	} {
		a := w.do(t, "local", http.MethodPost, subscriptionsPath+tt.query, webhook(""), tt.header...)
		if tt.want == "" {
			wantStatus(t, name, a, http.StatusForbidden)
			for _, path := range []string{subscriptionsPath, logsPath, logsPath + "/x", subscriptionsPath + "/x", eventsPath + "/x"} {
				wantStatus(t, name+" at "+path, w.do(t, "local", http.MethodGet, path+tt.query, "", tt.header...), http.StatusForbidden)
			}
			continue
		}
		got := a.json(t, http.StatusOK)
		if id := got["id"].(string); got["ownerId"] != tt.want || !strings.HasPrefix(id, "s-"+tt.want+"-") || len(id) != len("s--12345")+len(tt.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAQueryThatCannotBeReadNamesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, query := range []string{"?signicat-accountId=%zz", "?a=1;signicat-accountId=" + other, "?%=1"} {
		wantStatus(t, query, w.do(t, "local", http.MethodGet, subscriptionsPath+query, ""), http.StatusBadRequest)
	}
}

func TestAClientWithoutAnOrganizationCannotNameOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, query := range []string{"?signicat-organizationId=" + organization, "?signicat-organizationId=%00", "?signicat-organizationId=%20"} {
		wantStatus(t, query, w.do(t, "other", http.MethodGet, subscriptionsPath+query, ""), http.StatusForbidden)
	}
	wantStatus(t, "an empty one", w.do(t, "other", http.MethodGet, subscriptionsPath+"?signicat-organizationId=", ""), http.StatusOK)
}
