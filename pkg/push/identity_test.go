package push_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// federated is what pushes by the configuration, with the token services answering
// beside it.
func federated(t *testing.T, kind string, configuration map[string]any, services *tokenServices, answer http.HandlerFunc) (*push.Pushers, *hermod.Subscription) {
	t.Helper()
	services.t = t
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if !services.serve(w, r) {
			answer(w, r)
		}
	})
	hosts := endpointsFor(t, server.URL, "googleapis.com", "servicebus.windows.net", "login.microsoftonline.com")
	ps := newPushers(t, push.Options{Endpoints: hosts, Assertions: asserting{}, Timeout: 5 * time.Second})
	return ps, &hermod.Subscription{
		ID: "s-1", Owner: "a-1", Type: kind, Version: 1, Secrets: hermod.Secrets{Configuration: json.RawMessage(textOf(configuration))},
	}
}

func TestHermodsIdentityIsExchangedForATokenThatIsKept(t *testing.T) {
	t.Parallel()
	direct := maps.Clone(keylessTopic)
	direct["workloadIdentity"] = map[string]any{"audience": provider}
	tests := map[string]struct {
		kind          string
		configuration map[string]any
		authorization string
		asked         []string
	}{
		"Google": {
			hermod.GooglePubSub, direct, "Bearer s3cret-token-1", []string{"sts.googleapis.com/v1/token"},
		},
		"Google, as an account": {
			hermod.GooglePubSub, keylessTopic, "Bearer s3cret-account-token", []string{
				"sts.googleapis.com/v1/token",
				"iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/hermod@acme-prod.iam.gserviceaccount.com:generateAccessToken",
			},
		},
		"Azure": {
			hermod.AzureServiceBus, keylessQueue, "Bearer s3cret-token-1",
			[]string{"login.microsoftonline.com/7c9e6679-7425-40de-944b-e07fc1f90ae7/oauth2/v2.0/token"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			services := &tokenServices{life: 3599}
			ps, s := federated(t, tt.kind, tt.configuration, services, func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Authorization"); got != tt.authorization {
					t.Errorf("Authorization %s", got)
				}
				w.WriteHeader(http.StatusOK)
			})
			for range 3 {
				r := ps.Push(t.Context(), s, eventPayload())
				if !r.Succeeded() {
					t.Errorf("got %+v", r)
				}
				discreet(t, r)
			}
			if !slices.Equal(services.asked, tt.asked) {
				t.Errorf("asked %q, want %q", services.asked, tt.asked)
			}
		})
	}
}

func TestATokenThatIsRefusedIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for kind, configuration := range map[string]map[string]any{hermod.AzureServiceBus: keylessQueue, hermod.GooglePubSub: keylessTopic} {
		services := &tokenServices{life: 3599}
		ps, s := federated(t, kind, configuration, services, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
		})
		for range 2 {
			if r := ps.Push(t.Context(), s, eventPayload()); r.Class != deliver.ClassCredential || r.Permanent != hermod.ReasonCredential {
				t.Errorf("got %+v", r)
			}
		}
		if n := services.count(); n < 2 || n%2 != 0 {
			t.Errorf("%s: asked %q", kind, services.asked)
		}
	}
}

func answeringWith(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestWhatATokenServiceRefusesIsTold(t *testing.T) {
	t.Parallel()
	const mistrust = "the cloud does not let Hermod's identity in"
	tests := map[string]struct {
		status         int
		body           string
		class, message string
		reason         hermod.Reason
	}{
		"another subject": {
			401, `{"error":"invalid_client","error_description":"AADSTS700213: No matching federated identity record found for presented assertion subject"}`,
			deliver.ClassCredential, mistrust + " (it answered 401)", hermod.ReasonCredential,
		},
		"another audience": {
			400, `{"error":"invalid_grant","error_description":"The audience in ID Token does not match the expected audience."}`,
			deliver.ClassCredential, mistrust + " (it answered 400)", hermod.ReasonCredential,
		},
		"not allowed to act as the account": {
			403, googleError(403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied"),
			deliver.ClassCredential, mistrust + " (it answered 403)", hermod.ReasonCredential,
		},
		"no such account": {404, googleError(404, "NOT_FOUND", ""), deliver.ClassCredential, mistrust + " (it answered 404)", hermod.ReasonCredential},
		"our keys were not read": {
			400, `{"error":"invalid_grant","error_description":"Error connecting to the given credential's issuer."}`,
			deliver.ClassClientError, "the cloud could not read the keys of Hermod's issuer (it answered 400)", "",
		},
		"our keys were not read, Entra": {
			400, `{"error":"invalid_request","error_description":"AADSTS50166: Request to External OIDC endpoint failed."}`,
			deliver.ClassClientError, "the cloud could not read the keys of Hermod's issuer (it answered 400)", "",
		},
		"busy":        {429, "", deliver.ClassThrottled, "the destination is busy and asks for a pause (it answered 429)", ""},
		"down":        {503, "", deliver.ClassThrottled, "the destination is busy and asks for a pause (it answered 503)", ""},
		"broken":      {500, "", deliver.ClassServerError, "the endpoint answered 500 Internal Server Error", ""},
		"no JSON":     {200, "<html>", deliver.ClassProtocol, "the token service's answer has no token (it answered 200)", ""},
		"no token":    {200, `{"token_type":"Bearer"}`, deliver.ClassProtocol, "the token service's answer has no token (it answered 200)", ""},
		"a bad token": {200, `{"access_token":"a\r\nX: b","expires_in":3600}`, deliver.ClassProtocol, "the token service's answer has no token (it answered 200)", ""},
		"too long":    {200, `{"access_token":"` + strings.Repeat("a", 16<<10) + `"}`, deliver.ClassProtocol, "the token service's answer has no token (it answered 200)", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for host, to := range map[string]struct {
				kind          string
				configuration map[string]any
			}{
				"sts.googleapis.com":            {hermod.GooglePubSub, keylessTopic},
				"iamcredentials.googleapis.com": {hermod.GooglePubSub, keylessTopic},
				"login.microsoftonline.com":     {hermod.AzureServiceBus, keylessQueue},
			} {
				services := &tokenServices{life: 3599, fails: map[string]http.HandlerFunc{host: answeringWith(tt.status, tt.body)}}
				ps, s := federated(t, to.kind, to.configuration, services, func(_ http.ResponseWriter, r *http.Request) {
					t.Errorf("pushed: %s", r.URL)
				})
				r := ps.Push(t.Context(), s, eventPayload())
				if r.Class != tt.class || r.Permanent != tt.reason || r.Message != tt.message || !strings.HasPrefix(r.Target, "https://"+host+"/") {
					t.Errorf("%s: got %+v", host, r)
				}
				discreet(t, r)
				found := ps.Probe(t.Context(), s)
				if last := found[len(found)-1]; last.Name != "credential" || last.Verdict != deliver.Failed || last.Message != tt.message {
					t.Errorf("%s: a probe: %+v", host, found)
				}
				discreet(t, found)
			}
		})
	}
}

// It is no fault of the destination's, and no attempt of the delivery's.
func TestAPushIsPutOffWhereHermodCannotSayWhoItIs(t *testing.T) {
	t.Parallel()
	for kind, configuration := range map[string]map[string]any{hermod.AzureServiceBus: keylessQueue, hermod.GooglePubSub: keylessTopic} {
		ps := newPushers(t, push.Options{Assertions: asserting{errors.New("s3cret")}})
		s := &hermod.Subscription{ID: "s-1", Owner: "a-1", Type: kind, Secrets: hermod.Secrets{Configuration: json.RawMessage(textOf(configuration))}}
		r := ps.Push(t.Context(), s, eventPayload())
		if r.Class != deliver.ClassInterrupted || r.Permanent != "" {
			t.Errorf("got %+v", r)
		}
		discreet(t, r)
	}
}

func TestNoIdentityIsUsedWhereHermodHasNone(t *testing.T) {
	t.Parallel()
	for kind, configuration := range map[string]map[string]any{hermod.AzureServiceBus: keylessQueue, hermod.GooglePubSub: keylessTopic} {
		err := newPushers(t, push.Options{}).Check(kind, json.RawMessage(textOf(configuration)))
		if !slices.Equal(fields(err), []string{"typeConfiguration.workloadIdentity"}) || !strings.Contains(fmt.Sprint(reasons(err)), "HERMOD_PUBLIC_URL") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// reasons are what err says of its members.
func reasons(err error) []string {
	var all []string
	if e, ok := errors.AsType[*hermod.Error](err); ok {
		for _, f := range e.Fields {
			all = append(all, f.Reason)
		}
	}
	return all
}
