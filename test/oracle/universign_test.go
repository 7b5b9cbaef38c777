//go:build cloud

package oracle_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hermod/pkg/node"
	"hermod/pkg/push"
)

// A signed delivery, as a receiver gets it.
type signed struct {
	jws  string
	body []byte
}

// deliverUniversign has a running node deliver one event to an endpoint of Universign,
// and gives where the node is and what arrived.
func deliverUniversign(t *testing.T) (base string, got signed) {
	t.Helper()
	arrived := make(chan signed, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- signed{r.Header.Get("X-JWS-Signature"), body}
	}))
	t.Cleanup(receiver.Close)
	n, err := node.Open(t.Context(), node.Options{Data: t.TempDir(), Policy: push.Local(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	base = "http://" + listener.Addr().String()
	post := func(path, authorization, media, body string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Content-Type", media)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		if err := answer.Body.Close(); err != nil || answer.StatusCode >= 300 {
			t.Fatalf("%s: %s %s, %v", path, answer.Status, text, err)
		}
	}
	form := url.Values{"name": {"Oracle"}, "url": {receiver.URL}, "event_types": {"transaction.lifecycle.completed"}}
	post("/universign/v1/webhook-endpoints", "Bearer apikey_local", "application/x-www-form-urlencoded", form.Encode())
	post("/events-management/events", "Bearer "+issue(t, base), "application/json",
		`{"sender":"universign","eventName":"transaction.lifecycle.completed","eventData":{"object":"transaction","id":"tx_1","state":"completed","name":"<Ærø>"}}`)
	select {
	case got = <-arrived:
		return base, got
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrived")
		return "", signed{}
	}
}

const universignJWKS = "/universign/v1/webhooks/jwks.json"

func TestJoseVerifiesDeliveriesOfUniversignByThePublishedKeys(t *testing.T) {
	t.Parallel()
	base, got := deliverUniversign(t)
	verifier := start(t, "jws.mjs", base+universignJWKS)
	judge := func(jws string, body []byte) (verdict struct {
		OK     bool           `json:"ok"`
		Header map[string]any `json:"header"`
		Error  string         `json:"error"`
	}) {
		t.Helper()
		line := map[string]string{"jws": jws, "body": base64.StdEncoding.EncodeToString(body)}
		if err := json.NewEncoder(verifier.in).Encode(line); err != nil {
			t.Fatal(err)
		}
		verifier.read(t, &verdict)
		return verdict
	}
	good := judge(got.jws, got.body)
	keyID, _ := good.Header["kid"].(string)
	if !good.OK || len(good.Header) != 2 || good.Header["alg"] != "PS256" || !strings.HasPrefix(keyID, "scd_") {
		t.Errorf("%+v", good)
	}
	parts := strings.Split(got.jws, ".")
	other := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PS256","kid":"` + keyID + `","typ":"JOSE"}`))
	for what, v := range map[string]signed{
		"another body":      {got.jws, append(got.body, ' ')},
		"another header":    {other + ".." + parts[2], got.body},
		"another signature": {parts[0] + ".." + strings.Repeat("A", len(parts[2])), got.body},
		"no signature":      {parts[0] + "..", got.body},
	} {
		if verdict := judge(v.jws, v.body); verdict.OK {
			t.Errorf("%s: %+v", what, verdict)
		}
	}
}

func TestOpenSSLVerifiesDeliveriesOfUniversignByThePublishedKeys(t *testing.T) {
	t.Parallel()
	base, got := deliverUniversign(t)
	parts := strings.Split(got.jws, ".")
	decode := func(text string) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := write("key.pem", publishedKey(t, base, decode))
	signature := write("signature", decode(parts[2]))
	verify := func(body []byte) (said string, ok bool) {
		input := write("input", []byte(parts[0]+"."+base64.RawURLEncoding.EncodeToString(body)))
		out, err := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss",
			"-sigopt", "rsa_pss_saltlen:32", "-sigopt", "rsa_mgf1_md:sha256", "-verify", key, "-signature", signature, input).CombinedOutput()
		return string(out), err == nil
	}
	if said, ok := verify(got.body); !ok || !strings.Contains(said, "Verified OK") {
		t.Error(said)
	}
	if said, ok := verify(append(got.body, ' ')); ok {
		t.Errorf("tampered with: %s", said)
	}
}

// publishedKey is the only published key in PEM.
func publishedKey(t *testing.T, base string, decode func(string) []byte) []byte {
	t.Helper()
	answer, err := http.Get(base + universignJWKS)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	var set struct{ Keys []struct{ N, E string } }
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%+v, %v", set, err)
	}
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{
		N: new(big.Int).SetBytes(decode(set.Keys[0].N)), E: int(new(big.Int).SetBytes(decode(set.Keys[0].E)).Int64()),
	})
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
