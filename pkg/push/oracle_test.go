//go:build cloud

package push_test

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
	"hermod/pkg/sign"
)

// oracleDir holds the receiver that verifies with code nobody here wrote.
const oracleDir = "../../test/oracle"

// An oracle is a running receiver.
type oracle struct {
	url    string
	output *bufio.Scanner
}

// A verdict is what the receiver says of a request. Native is null where there was
// no native signature.
type verdict struct {
	OK     bool   `json:"ok"`
	ID     string `json:"id"`
	Error  string `json:"error"`
	Native *bool  `json:"native"`
}

func startOracle(t *testing.T, secret string) *oracle {
	t.Helper()
	modules := os.Getenv("HERMOD_NODE_MODULES")
	if modules == "" {
		modules = filepath.Join(oracleDir, "node_modules")
	}
	if _, err := os.Stat(filepath.Join(modules, "standardwebhooks")); err != nil {
		t.Fatalf("npm ci in test/oracle first, or name the modules in HERMOD_NODE_MODULES: %v", err)
	}
	modules, err := filepath.Abs(modules)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "node", filepath.Join(oracleDir, "receiver.mjs"), secret, modules)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's context has ended it. Were the test itself killed, the end of
		// its standard input would.
		_ = stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		_ = command.Wait()
	})
	o := &oracle{output: bufio.NewScanner(stdout)}
	var ready struct {
		URL string `json:"url"`
	}
	o.read(t, &ready)
	o.url = ready.URL
	return o
}

func (o *oracle) read(t *testing.T, into any) {
	t.Helper()
	if !o.output.Scan() {
		t.Fatalf("the receiver said no more: %v", o.output.Err())
	}
	if err := json.Unmarshal(o.output.Bytes(), into); err != nil {
		t.Fatalf("the receiver said %q: %v", o.output.Text(), err)
	}
}

func random(b []byte) { _, _ = rand.Read(b) } // never fails: it would end the program

const oracleID = "82fa52a9bc7549438b8c6aee71569fa7"

// signed is a delivery as a subscription with the first secret gets it.
func signed(t *testing.T, body string, at time.Time, secrets ...string) deliver.Payload {
	t.Helper()
	h := http.Header{"X-Signicat-Signature": {sign.HMACHex(secrets[0], []byte(body))}}
	if err := sign.StandardWebhooks(h, oracleID, at, []byte(body), secrets...); err != nil {
		t.Fatal(err)
	}
	return deliver.Payload{Body: []byte(body), ContentType: "application/json", Header: h}
}

func TestTheStandardWebhooksLibraryVerifiesDeliveries(t *testing.T) {
	t.Parallel()
	generated := sign.NewSecret(random)
	for name, secret := range map[string]string{
		"a generated secret":   generated,
		"the published secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"a secret of text":     "E*wl1K87LYnUoZSm",
		"text beyond ASCII":    "hemmelig nøkkel 🦉",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, ps := startOracle(t, secret), newPushers(t, push.Options{})
			for _, body := range []string{
				`{}`,
				`{"id":"82fa52a9bc7549438b8c6aee71569fa7","eventData":{"a":"<&>","b":[1.0e400,null]},"tags":["mock"]}`,
				"{\"text\":\"æøå \u2028 🦉 \\u0000\"}\n",
				`{"long":"` + strings.Repeat("æ", 100_000) + `"}`,
			} {
				r := ps.Push(t.Context(), webhookTo(o.url+"/hook?token=1"), signed(t, body, time.Now(), secret))
				var v verdict
				o.read(t, &v)
				if !v.OK || v.ID != oracleID || v.Native == nil || !*v.Native || !r.Succeeded() || r.StatusCode != http.StatusNoContent {
					t.Errorf("%.40s: verdict %+v, result %+v", body, v, r)
				}
			}
		})
	}
	t.Run("the second of two secrets", func(t *testing.T) {
		t.Parallel()
		o := startOracle(t, generated)
		p := signed(t, `{}`, time.Now(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", generated)
		p.Header.Del("X-Signicat-Signature") // which has one secret alone
		r := newPushers(t, push.Options{}).Push(t.Context(), webhookTo(o.url), p)
		var v verdict
		o.read(t, &v)
		if !v.OK || !r.Succeeded() {
			t.Errorf("verdict %+v, result %+v", v, r)
		}
	})
}

func TestTheStandardWebhooksLibraryRefusesWhatWasTamperedWith(t *testing.T) {
	t.Parallel()
	secret := sign.NewSecret(random)
	o, ps := startOracle(t, secret), newPushers(t, push.Options{})
	honest := func() deliver.Payload { return signed(t, `{"amount":1}`, time.Now(), secret) }
	tests := map[string]func() deliver.Payload{
		"another body": func() deliver.Payload {
			p := honest()
			p.Body = []byte(`{"amount":2}`)
			return p
		},
		"another id": func() deliver.Payload {
			p := honest()
			p.Header.Set("webhook-id", "other")
			return p
		},
		"another timestamp": func() deliver.Payload {
			p := honest()
			p.Header.Set("webhook-timestamp", "1")
			return p
		},
		"another secret": func() deliver.Payload { return signed(t, `{"amount":1}`, time.Now(), sign.NewSecret(random)) },
		"an old delivery": func() deliver.Payload {
			return signed(t, `{"amount":1}`, time.Now().Add(-10*time.Minute), secret)
		},
		"no signature": func() deliver.Payload {
			p := honest()
			p.Header.Del("webhook-signature")
			return p
		},
	}
	for name, tampered := range tests { // one after the other: the verdicts come in order
		r := ps.Push(t.Context(), webhookTo(o.url), tampered())
		var v verdict
		o.read(t, &v)
		if v.OK || v.Error == "" || r.Class != deliver.ClassClientError || r.StatusCode != http.StatusUnauthorized || r.Permanent != hermod.Reason("") {
			t.Errorf("%s: verdict %+v, result %+v", name, v, r)
		}
	}
	if r := ps.Push(t.Context(), webhookTo(o.url), honest()); !r.Succeeded() {
		t.Errorf("the honest one: %+v", r)
	}
}

func TestNodeVerifiesDeliveriesByAPublicKey(t *testing.T) {
	t.Parallel()
	mine, another := sign.NewPrivateKey(random), sign.NewPrivateKey(random)
	o, ps := startOracle(t, sign.PublicKey(mine)), newPushers(t, push.Options{})
	for name, tt := range map[string]struct {
		body, sent string
		at         time.Time
		keys       []string
		ok         bool
	}{
		"one key":             {`{"text":"æøå \u2028 🦉"}`, "", time.Now(), []string{mine}, true},
		"the old of two keys": {`{}`, "", time.Now(), []string{another, mine}, true},
		"a long body":         {`{"long":"` + strings.Repeat("æ", 100_000) + `"}`, "", time.Now(), []string{mine}, true},
		"another key":         {`{}`, "", time.Now(), []string{another}, false},
		"another body":        {`{}`, `{"a":1}`, time.Now(), []string{mine}, false},
		"an old delivery":     {`{}`, "", time.Now().Add(-10 * time.Minute), []string{mine}, false},
	} {
		p := deliver.Payload{Body: []byte(tt.body), ContentType: "application/json", Header: http.Header{}}
		if err := sign.StandardWebhooksEd25519(p.Header, oracleID, tt.at, p.Body, tt.keys...); err != nil {
			t.Fatal(err)
		}
		if tt.sent != "" {
			p.Body = []byte(tt.sent)
		}
		r := ps.Push(t.Context(), webhookTo(o.url), p)
		var v verdict
		o.read(t, &v)
		if v.OK != tt.ok || r.Succeeded() != tt.ok {
			t.Errorf("%s: verdict %+v, result %+v", name, v, r)
		}
	}
}
