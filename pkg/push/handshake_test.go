package push_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

const origin = "events.example.com"

// asking are pushers of a deployment with a name.
func asking(t testing.TB, o push.Options) *push.Pushers {
	t.Helper()
	o.Handshake.Origin = origin
	return newPushers(t, o)
}

// verified is the configuration of an endpoint that is to be asked.
func verified(url string) json.RawMessage {
	return fmt.Appendf(nil, `{"url":%q,"verifyEndpoint":true,"headers":{"Authorization":"Bearer s3cret"}}`, url)
}

func TestAnEndpointThatAgreesIsAskedOnceByOPTIONS(t *testing.T) {
	t.Parallel()
	for name, allowed := range map[string]string{"everybody": "*", "us": origin, "us, in capitals": strings.ToUpper(origin)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if r.Method != http.MethodOptions || r.RequestURI != "/hook?token=s3cret" || r.ContentLength != 0 ||
					r.Header.Get("WebHook-Request-Origin") != origin || r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Get("WebHook-Request-Rate") != "" {
					t.Errorf("%s %s %v", r.Method, r.RequestURI, r.Header)
				}
				w.Header().Set("WebHook-Allowed-Origin", allowed)
				w.Header().Set("Allow", "POST")
			})
			if err := asking(t, push.Options{}).Agree(t.Context(), hermod.Webhook, verified(server.URL+"/hook?token=s3cret"), nil); err != nil {
				t.Error(err)
			}
			if asked.Load() != 1 {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
}

// wantRefused checks that err names the URL, and says so, without what is secret.
func wantRefused(t *testing.T, err error, says string) {
	t.Helper()
	if !slices.Equal(fields(err), []string{"typeConfiguration.url"}) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want one that says %q", err, says)
	}
}

func TestAnEndpointThatDoesNotAgreeIsRefused(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		w.Header().Set("WebHook-Allowed-Origin", "*")
	})
	t.Cleanup(func() {
		if elsewhere.Load() > 0 {
			t.Error("a redirect was followed")
		}
	})
	for name, tt := range map[string]struct {
		status  int
		allowed []string
		says    string
	}{
		"any site that answers OPTIONS": {200, nil, "its answer to OPTIONS has no WebHook-Allowed-Origin"},
		"no content":                    {204, nil, "its answer to OPTIONS has no WebHook-Allowed-Origin"},
		"nothing":                       {200, []string{""}, "allows another origin"},
		"another origin":                {200, []string{"eventgrid.azure.net"}, "does not agree to deliveries from events.example.com"},
		"a host below ours":             {200, []string{"a." + origin}, "allows another origin"},
		"a list":                        {200, []string{origin + ", *"}, "allows another origin"},
		"two values":                    {200, []string{"*", origin}, "allows another origin"},
		"a redirect":                    {307, []string{"*"}, "redirects are not followed"},
		"not found":                     {404, []string{"*"}, "the endpoint answered 404 Not Found"},
		"no such method":                {405, []string{"*"}, "the endpoint answered 405 Method Not Allowed"},
		"gone":                          {410, []string{"*"}, "the endpoint answered 410 Gone"},
		"broken":                        {500, []string{"*"}, "the endpoint answered 500 Internal Server Error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Webhook-Allowed-Origin"] = tt.allowed
				w.Header().Set("Location", other.URL)
				w.WriteHeader(tt.status)
			})
			wantRefused(t, asking(t, push.Options{}).Agree(t.Context(), hermod.Webhook, verified(server.URL+"/?token=s3cret"), nil), tt.says)
		})
	}
}

func TestAnEndpointThatCannotBeAskedIsRefused(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	slow := newServer(t, func(http.ResponseWriter, *http.Request) { <-hanging })
	t.Cleanup(func() { close(hanging) })
	endless := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WebHook-Allowed-Origin", strings.Repeat("*", 32<<10))
	})
	private := newResolver(t, func(int) []netip.Addr { return addresses("169.254.169.254") })
	for name, tt := range map[string]struct {
		options push.Options
		url     string
		says    string
	}{
		"nobody there":       {push.Options{}, refused(t), "the connection was refused"},
		"no answer":          {push.Options{Timeout: quick}, slow.URL, "did not answer in time"},
		"an endless header":  {push.Options{}, endless.URL, "does not agree"},
		"a forbidden name":   {push.Options{Resolver: private}, "http://receiver.example/", "must not be connected to"},
		"strict, private":    {push.Options{Policy: push.Strict(), Resolver: private}, "https://receiver.example/", "must not be connected to"},
		"an address, strict": {push.Options{Policy: push.Strict()}, "https://127.0.0.1/", "must not be a private"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefused(t, asking(t, tt.options).Agree(t.Context(), hermod.Webhook, verified(tt.url+"?token=s3cret"), nil), tt.says)
		})
	}
}

func TestAHandshakeTakesFiveSecondsAtMost(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	server := newServer(t, func(http.ResponseWriter, *http.Request) { <-hanging })
	t.Cleanup(func() { close(hanging) })
	begun := time.Now()
	err := asking(t, push.Options{}).Agree(t.Context(), hermod.Webhook, verified(server.URL), nil)
	wantRefused(t, err, "did not answer in time")
	if took := time.Since(begun); took > 8*time.Second { // a push has 10
		t.Errorf("it took %s", took)
	}
}

func TestWhoGivesUpAskingIsNotToldThatTheEndpointDisagrees(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	server := newServer(t, func(http.ResponseWriter, *http.Request) {
		cancel()
		<-hanging
	})
	t.Cleanup(func() { close(hanging) })
	if err := asking(t, push.Options{}).Agree(ctx, hermod.Webhook, verified(server.URL), nil); err == nil || hermod.CodeOf(err) == hermod.CodeInvalid {
		t.Errorf("got %v", err)
	}
}

func TestOnlyAnEndpointThatIsNewIsAsked(t *testing.T) {
	t.Parallel()
	const a, b, verifiedA, verifiedB = `{"url":"A"}`, `{"url":"B"}`, `{"url":"A","verifyEndpoint":true}`, `{"url":"B","verifyEndpoint":true}`
	for name, tt := range map[string]struct {
		kind, configuration, before string
		optional, required          bool
	}{
		"new, not to be asked":       {hermod.Webhook, a, ``, false, true},
		"new, null":                  {hermod.Webhook, `{"url":"A","verifyEndpoint":null}`, ``, false, true},
		"new, off":                   {hermod.Webhook, `{"url":"A","verifyEndpoint":false}`, ``, false, true},
		"new":                        {hermod.Webhook, verifiedA, ``, true, true},
		"the same":                   {hermod.Webhook, verifiedA, verifiedA, false, false},
		"other headers":              {hermod.Webhook, `{"url":"A","verifyEndpoint":true,"headers":{"X-A":"b"}}`, verifiedA, false, false},
		"another URL":                {hermod.Webhook, verifiedB, verifiedA, true, true},
		"another query":              {hermod.Webhook, `{"url":"A?b=c","verifyEndpoint":true}`, verifiedA, true, true},
		"to be asked from now on":    {hermod.Webhook, verifiedA, a, true, false},
		"not to be asked any more":   {hermod.Webhook, a, verifiedA, false, false},
		"another URL, not asked":     {hermod.Webhook, b, verifiedA, false, true},
		"one from before the demand": {hermod.Webhook, a, a, false, false},
		"before cannot be read":      {hermod.Webhook, verifiedA, `{`, true, true},
		"no webhook":                 {hermod.AWSSQS, verifiedA, ``, false, false},
	} {
		for required, want := range map[bool]bool{false: tt.optional, true: tt.required} {
			t.Run(fmt.Sprint(name, ", required ", required), func(t *testing.T) {
				t.Parallel()
				var asked atomic.Int64
				server := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
					asked.Add(1)
					w.Header().Set("WebHook-Allowed-Origin", "*")
				})
				at := strings.NewReplacer(`"A`, `"`+server.URL+`/a`, `"B`, `"`+server.URL+`/b`)
				ps := asking(t, push.Options{Handshake: push.Handshake{Required: required}})
				if err := ps.Agree(t.Context(), tt.kind, json.RawMessage(at.Replace(tt.configuration)), json.RawMessage(at.Replace(tt.before))); err != nil {
					t.Error(err)
				}
				if got := asked.Load() == 1; got != want {
					t.Errorf("asked %d times", asked.Load())
				}
			})
		}
	}
}

// CloudEvents, HTTP 1.1 Web Hooks, section 2.1.
func TestDeliveriesToAnEndpointThatWasAskedSayWhoseTheyAre(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handshake push.Handshake
		verify    bool
		want      string
	}{
		"not asked":            {push.Handshake{Origin: origin}, false, ""},
		"asked":                {push.Handshake{Origin: origin}, true, origin},
		"all are asked":        {push.Handshake{Origin: origin, Required: true}, false, origin},
		"asked, without a URL": {push.Handshake{}, true, "localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("WebHook-Request-Origin"); got != tt.want {
					t.Errorf("got %q", got)
				}
			})
			s := webhook(map[string]any{"url": server.URL, "verifyEndpoint": tt.verify})
			if r := newPushers(t, push.Options{Handshake: tt.handshake}).Push(t.Context(), s, payload()); !r.Succeeded() {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestVerifyEndpointIsASwitch(t *testing.T) {
	t.Parallel()
	for value, wrong := range map[string][]string{
		`true`: nil, `false`: nil, `null`: nil, `"true"`: {"typeConfiguration.verifyEndpoint"}, `1`: {"typeConfiguration.verifyEndpoint"},
	} {
		err := newPushers(t, push.Options{}).Check(hermod.Webhook, json.RawMessage(`{"url":"https://receiver.example/","verifyEndpoint":`+value+`}`))
		if !slices.Equal(fields(err), wrong) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestTheHandshakeIsReadFromTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, url string
		want      push.Handshake
		ok        bool
	}{
		{"", "", push.Handshake{}, true},
		{"optional", "https://events.example.com", push.Handshake{Origin: origin}, true},
		{"required", "https://events.example.com:8443/base", push.Handshake{Origin: origin, Required: true}, true},
		{"always", "", push.Handshake{}, false},
		{"", "http://[", push.Handshake{}, false},
	} {
		if got, err := push.ParseHandshake(tt.text, tt.url); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q, %q: %+v, %v", tt.text, tt.url, got, err)
		}
	}
}
