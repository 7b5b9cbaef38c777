package signly_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

func TestWhatAWebhookMaySay(t *testing.T) {
	t.Parallel()
	url := receive(t, http.StatusOK).URL
	refused(t, map[string][]string{
		`{}`:                                   {"events", "url"},
		`{"url":null,"events":null}`:           {"events", "url"},
		`{"url":[],"events":{}}`:               {"events", "url"},
		`{"url":"","events":[]}`:               {"events", "url"},
		webhook("ftp://receiver.example/", ""): {"url"},
		webhook("http://10.0.0.1/", ""):        {"url"},
		webhook("http://169.254.169.254/latest/meta-data", ""):                                                          {"url"},
		webhook("http://[::ffff:10.0.0.1]/", ""):                                                                        {"url"},
		webhook("https://user:pass@receiver.example/", ""):                                                              {"url"},
		webhook("https://receiver.example/#fragment", ""):                                                               {"url"},
		webhook("https://receiver.example/a b", ""):                                                                     {"url"},
		webhook("//receiver.example/", ""):                                                                              {"url"},
		webhook("https://0x7f.1/", ""):                                                                                  {"url"},
		webhook("https://receiver.example/"+strings.Repeat("a", 2048), ""):                                              {"url"},
		`{"url":"` + url + `","events":["PROCESS_COMPLETED","process_failed","PROCESS_DONE","signly:OTP_SENT","*",""]}`: {"events[1]", "events[2]", "events[3]", "events[4]", "events[5]"},
		`{"url":"` + url + `","events":[null]}`:                                                                         {"events[0]"},
		`{"url":"` + url + `","events":"OTP_SENT"}`:                                                                     {"events"},
		`{"url":"` + url + `","events":["OTP_SENT",1]}`:                                                                 {"events"},
		`{"url":"` + url + `","events":[` + strings.Repeat(`"OTP_SENT",`, 100) + `"OTP_SENT"]}`:                         {"events"},
		webhook(url, `,"description":1`):                                                                                {"description"},
		webhook(url, `,"description":"`+strings.Repeat("é", 501)+`"`):                                                   {"description"},
		webhook(url, `,"retries":3`):                                                                                    {"retries"},
		webhook(url, `,"retries":{"maxAttempts":0,"backoff":"Exponential"}`):                                            {"retries.backoff", "retries.maxAttempts"},
		webhook(url, `,"retries":{"maxAttempts":11}`):                                                                   {"retries.maxAttempts"},
		webhook(url, `,"retries":{"maxAttempts":"3"}`):                                                                  {"retries.maxAttempts"},
		webhook(url, `,"retries":{"maxAttempts":3,"maxAttempts":3}`):                                                    {"retries"},
		webhook(url, `,"httpTimeoutMs":499`):                                                                            {"httpTimeoutMs"},
		webhook(url, `,"httpTimeoutMs":30001`):                                                                          {"httpTimeoutMs"},
		webhook(url, `,"httpTimeoutMs":1000.5`):                                                                         {"httpTimeoutMs"},
		webhook(url, `,"httpTimeoutMs":1e400`):                                                                          {"httpTimeoutMs"},
		webhook(url, `,"signingSecret":""`):                                                                             {"signingSecret"},
		webhook(url, `,"signingSecret":"`+strings.Repeat("s", 1025)+`"`):                                                {"signingSecret"},
		webhook(url, `,"translate":"yes"`):                                                                              {"translate"},
		webhook(url, `,"events":["OTP_SENT"]`):                                                                          {"events"},
	})
}

func TestWhatCustomHeadersMaySay(t *testing.T) {
	t.Parallel()
	url := receive(t, http.StatusOK).URL
	headers := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"X-%d":"v"`, i))
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	refused(t, map[string][]string{
		webhook(url, `,"customHeaders":[]`):                                       {"customHeaders"},
		webhook(url, `,"customHeaders":{"X":1}`):                                  {"customHeaders"},
		webhook(url, `,"customHeaders":{"X":null}`):                               {"customHeaders"},
		webhook(url, `,"customHeaders":{"X-A":"a\r\nX-B: b"}`):                    {"customHeaders.X-A"},
		webhook(url, `,"customHeaders":{"X A":"a","X:":"a","":"a","X\r\nY":"a"}`): {"customHeaders.", "customHeaders.X\r\nY", "customHeaders.X A", "customHeaders.X:"},
		webhook(url, `,"customHeaders":{"Host":"a","content-length":"1","Transfer-Encoding":"chunked","Webhook-Id":"a","connection":"close"}`): {
			"customHeaders.Host", "customHeaders.Transfer-Encoding", "customHeaders.Webhook-Id", "customHeaders.connection", "customHeaders.content-length",
		},
		webhook(url, `,"customHeaders":{"X-A":"a","x-a":"b"}`):                   {"customHeaders.x-a"},
		webhook(url, `,"customHeaders":{"X-A":"`+strings.Repeat("a", 1024)+`"}`): {"customHeaders.X-A"},
		webhook(url, `,"customHeaders":`+headers(11)):                            {"customHeaders"},
	})
}

// refused has every body refused for the members that are wrong with it, and nothing
// stored.
func refused(t *testing.T, bodies map[string][]string) {
	t.Helper()
	w := newWorld(t)
	for body, want := range bodies {
		a := w.do(t, localKey, http.MethodPost, webhooksPath, body)
		if got := slices.Sorted(maps.Keys(a.wrong(t))); !slices.Equal(got, want) {
			t.Errorf("%.200s: %q, want %q: %s", body, got, want, a.body)
		}
	}
	if n := len(w.list(t, localKey, "")); n != 0 {
		t.Errorf("%d webhooks were stored", n)
	}
}

// list are the ids of the webhooks that a query finds.
func (w *world) list(t testing.TB, c caller, query string) []string {
	t.Helper()
	ids, _ := w.page(t, c, query)
	return ids
}

func TestDefaultsAreShown(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	const url = "https://receiver.example/hook?token=s3cret"
	plain := w.do(t, localKey, http.MethodGet, w.create(t, localKey, url, `,"retries":null,"httpTimeoutMs":null,"description":null,"customHeaders":null,"signingSecret":null,"translate":null,"unknown":1`), "").data(t, http.StatusOK)
	full := w.do(t, localKey, http.MethodGet, w.create(t, localKey, url, `,"description":"é","retries":{"maxAttempts":1,"backoff":"linear"},"httpTimeoutMs":30000,"translate":true,"signingSecret":"s3cret"`), "").data(t, http.StatusOK)
	for name, want := range map[string][2]any{
		"url": {url, url}, "description": {nil, "é"}, "httpTimeoutMs": {5000.0, 30000.0}, "translate": {false, true},
		"retries": {map[string]any{"maxAttempts": 3.0, "backoff": "exponential"}, map[string]any{"maxAttempts": 1.0, "backoff": "linear"}},
		"events":  {[]any{"PROCESS_COMPLETED", "OTP_VERIFIED"}, []any{"PROCESS_COMPLETED", "OTP_VERIFIED"}},
	} {
		if got := [2]any{plain[name], full[name]}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestAPolicyIsAScheduleOfDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, parts{targets: silent{}})
	seconds := func(waits ...int) hermod.Schedule {
		s := hermod.Schedule{}
		for _, n := range waits {
			s = append(s, time.Duration(n)*time.Second)
		}
		return s
	}
	for policy, want := range map[string]hermod.Schedule{
		`null`: seconds(1, 2), `{}`: seconds(1, 2), `{"maxAttempts":1}`: seconds(), `{"backoff":"fixed"}`: seconds(1, 1),
		`{"maxAttempts":5,"backoff":"linear"}`:       seconds(1, 2, 3, 4),
		`{"maxAttempts":10,"backoff":"exponential"}`: seconds(1, 2, 4, 8, 16, 32, 64, 128, 256),
	} {
		path := w.create(t, localKey, "https://receiver.example/", `,"retries":`+policy)
		s := w.stored(t, path)
		if s.Schedule == nil || !slices.Equal(s.Schedule, want) {
			t.Errorf("%s: %v, want %v", policy, s.Schedule, want)
		}
	}
}

// stored is a webhook as it is stored, with its secrets.
func (w *world) stored(t testing.TB, path string) *hermod.Subscription {
	t.Helper()
	s, err := w.Store.Subscription(t.Context(), hermod.Ref{Owner: local, ID: strings.TrimPrefix(path, webhooksPath+"/")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Twice the same type is once, and what is stored is what push reads.
func TestAWebhookIsASubscription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := receive(t, http.StatusOK)
	path := w.create(t, localKey, r.URL+"/hook", `,"customHeaders":{"X-Client-Auth":"<abc>"},"httpTimeoutMs":750,"signingSecret":"s3cret"`)
	s := w.stored(t, path)
	if s.Owner != local || s.Dialect != hermod.Signly || s.Tenant != localKey.tenant || s.Type != hermod.Webhook || !s.Active || s.Version != 1 {
		t.Errorf("stored %+v", s)
	}
	if want := []hermod.Pattern{"signly:PROCESS_COMPLETED", "signly:OTP_VERIFIED"}; !slices.Equal(s.Filters, want) {
		t.Errorf("filters %v", s.Filters)
	}
	if s.Signing != hermod.HMACSHA256 || s.Secrets.SigningSecret != "s3cret" {
		t.Errorf("signing %q", s.Signing)
	}
	if err := push.New(push.Options{Policy: push.Local()}).Check(s.Type, s.Secrets.Configuration); err != nil {
		t.Error(err)
	}
	if got, want := string(s.Secrets.Configuration), `"timeout":0.75`; !strings.Contains(got, want) {
		t.Errorf("configuration %s", got)
	}
	w.do(t, localKey, http.MethodPut, path, `{"events":["OTP_SENT","OTP_SENT"]}`).data(t, http.StatusOK)
	if got := w.stored(t, path).Filters; !slices.Equal(got, []hermod.Pattern{"signly:OTP_SENT"}) {
		t.Errorf("filters %v", got)
	}
}
