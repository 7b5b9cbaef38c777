package push_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// refusedNames are headers that are not a subscriber's to set.
func refusedNames() []string {
	return []string{
		// What frames the message and what belongs to one hop (RFC 9110, section 7.6.1).
		"Host", "Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Expect",
		"Content-Length", "Content-Type", "Content-Encoding", "Content-Anything", "Proxy-Authorization", "Proxy-Authenticate", "Proxy-Connection",
		// Hermod's own, and what ends loops.
		"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "Webhook-Anything", "CDN-Loop",
		// What a cloud takes for its own, or its metadata service asks for.
		"X-Amz-Security-Token", "X-Amz-Date", "X-Amz-Anything", "X-Aws-Ec2-Metadata-Token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds",
		"Metadata", "Metadata-Flavor",
	}
}

// casings are spellings of a name that are one name to HTTP.
func casings(name string) []string {
	odd := []byte(strings.ToLower(name))
	for i := range odd {
		if i%2 == 1 && 'a' <= odd[i] && odd[i] <= 'z' {
			odd[i] -= 'a' - 'A'
		}
	}
	return []string{name, strings.ToLower(name), strings.ToUpper(name), string(odd)}
}

func checkHeader(name, value string) error {
	return checkConfiguration(map[string]any{"url": "https://receiver.example/", "headers": map[string]string{name: value}})
}

func checkConfiguration(configuration map[string]any) error {
	raw, err := json.Marshal(configuration)
	if err != nil {
		return err
	}
	return push.New(push.Options{}).Check(hermod.Webhook, raw)
}

func TestHeadersThatAreNotTheSubscribersAreRefusedInAnyCasing(t *testing.T) {
	t.Parallel()
	for _, name := range refusedNames() {
		for _, spelled := range casings(name) {
			err := checkHeader(spelled, "s3cret")
			if hermod.CodeOf(err) != hermod.CodeInvalid || !strings.Contains(err.Error(), "typeConfiguration.headers."+spelled) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v", spelled, err)
			}
		}
	}
}

func TestNamesAndValuesOfHeadersAreThoseOfHTTP(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", " ", " X-A", "X-A ", "X A", "X\tA", "X-A:", ":authority", "X-A\r\nHost", "X-A\n", "X-A\x00", "X-Æ", "Ｈost", "ｈｏｓｔ", "Transfer‑Encoding",
		"X(A)", "X,A", "X/A", "X;A", "X=A", "X?A", "X@A", "X[A]", `X\A`, `X"A`, "X{A}", "\x7f", "X-\u200b", "Kеy",
	} {
		if err := checkHeader(name, "v"); hermod.CodeOf(err) != hermod.CodeInvalid {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, value := range []string{
		"a\r\nHost: evil", "a\nb", "a\rb", "\r", "\n", "a\x00b", "\x01", "\x1f", "\x7f", "a\r\n\r\nPOST / HTTP/1.1", "a\vb", "a\fb", "\x1b[0m",
	} {
		if err := checkHeader("X-A", value); hermod.CodeOf(err) != hermod.CodeInvalid || strings.Contains(err.Error(), "evil") {
			t.Errorf("value %q: %v", value, err)
		}
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer x", "X-Api-Key": "", "Cookie": "a=b", "x_underscored": "v", "X-Tab": "a\tb", "X-UTF-8": "æ €", "!#$%&'*+-.^_`|~": "v",
		"Accept": "*/*", "User-Agent": "mine", "Hosted": "v", "Contents": "v", "X-Webhook-Id": "v", "X-Amzn": "v", "Trailers": "v", "X-Metadata": "v",
		"Idempotency-Key": "v", "X-Quote": `"`, "X-Colon": "a:b",
	} {
		if err := checkHeader(name, value); err != nil {
			t.Errorf("%q: %q: %v", name, value, err)
		}
	}
}

func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	of := func(n int) map[string]any {
		headers := map[string]string{}
		for i := range n {
			headers[fmt.Sprintf("X-%d", i)] = "v"
		}
		return map[string]any{"url": "https://receiver.example/", "headers": headers}
	}
	if err := checkConfiguration(of(10)); err != nil {
		t.Errorf("ten headers: %v", err)
	}
	for _, n := range []int{11, 10_000} {
		if err := checkConfiguration(of(n)); hermod.CodeOf(err) != hermod.CodeInvalid || len(err.Error()) > 1000 {
			t.Errorf("%d headers: %.200v", n, err)
		}
	}
	if err := checkHeader("X-A", strings.Repeat("v", 1024-3)); err != nil {
		t.Errorf("1,024 bytes: %v", err)
	}
	for name, value := range map[string]string{"X-A": strings.Repeat("v", 1024-2), strings.Repeat("X", 1025): "", "X-UTF-8": strings.Repeat("æ", 510)} {
		if err := checkHeader(name, value); hermod.CodeOf(err) != hermod.CodeInvalid || len(err.Error()) > 1000 {
			t.Errorf("%.10s: %.200v", name, err)
		}
	}
	for _, headers := range []string{`{"X-A":"1","x-a":"2"}`, `[]`, `"X-A: v"`, `{"X-A":1}`, `{"X-A":["v"]}`, `{"X-A":{}}`} {
		err := push.New(push.Options{}).Check(hermod.Webhook, json.RawMessage(`{"url":"https://receiver.example/","headers":`+headers+`}`))
		if hermod.CodeOf(err) != hermod.CodeInvalid {
			t.Errorf("%s: %v", headers, err)
		}
	}
}

// What was stored before a rule was made is judged again at each push.
func TestAHeaderThatWasStoredIsJudgedAgain(t *testing.T) {
	t.Parallel()
	server := newServer(t, func(http.ResponseWriter, *http.Request) { t.Error("the push went out") })
	s := webhook(map[string]any{"url": server.URL, "headers": map[string]string{"Host": "s3cret.example"}})
	ps := newPushers(t, push.Options{})
	if r := ps.Push(t.Context(), s, payload()); r.Class != deliver.ClassConfiguration || strings.Contains(fmt.Sprint(r), "s3cret") {
		t.Errorf("got %+v", r)
	}
	if f := ps.Probe(t.Context(), s); len(f) != 1 || strings.Contains(fmt.Sprint(f), "s3cret") {
		t.Errorf("found %+v", f)
	}
}

func TestADeliverySaysThatItIsHermods(t *testing.T) {
	t.Parallel()
	marks := make(chan string, 2)
	server := newServer(t, func(_ http.ResponseWriter, r *http.Request) { marks <- r.Method + " " + r.Header.Get("CDN-Loop") })
	ps := newPushers(t, push.Options{})
	ps.Push(t.Context(), webhookTo(server.URL), payload())
	ps.Probe(t.Context(), webhookTo(server.URL))
	if first, second := <-marks, <-marks; first != "POST hermod" || second != "HEAD hermod" {
		t.Errorf("got %q, %q", first, second)
	}
}
