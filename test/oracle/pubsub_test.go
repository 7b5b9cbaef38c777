//go:build cloud

package oracle_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signicat"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// What Google's stand-in says of a request.
type googleRequest struct {
	Path      string             `json:"path"`
	Status    int                `json:"status"`
	Reason    string             `json:"reason"`
	Messages  []publishedMessage `json:"messages"`
	Assertion struct {
		Payload map[string]any `json:"payload"`
	} `json:"assertion"`
}

type publishedMessage struct {
	Data        string            `json:"data"`
	Attributes  map[string]string `json:"attributes"`
	OrderingKey string            `json:"orderingKey"`
}

const (
	googleAccount  = "hermod@acme-prod.iam.gserviceaccount.com"
	googleProvider = "projects/123456789/locations/global/workloadIdentityPools/partners/providers/hermod"
)

// serviceAccount makes a key file, and the certificates by which Google's libraries
// know the key.
func serviceAccount(t *testing.T) (file map[string]any, certificates string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: googleAccount},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	known, err := json.Marshal(map[string]string{
		"key-1": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"type": "service_account", "project_id": "acme-prod", "private_key_id": "key-1", "client_email": googleAccount,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}, string(known)
}

// startGoogle starts the stand-in, and makes what pushes to it.
func startGoogle(t *testing.T, certificates, issuer string, assertions push.Assertions) (*program, *push.Pushers) {
	t.Helper()
	p := start(t, "pubsub.mjs", certificates, "//iam.googleapis.com/"+googleProvider, googleAccount, issuer)
	var ready struct {
		URL string `json:"url"`
	}
	p.read(t, &ready)
	endpoints, err := push.ParseEndpoints("googleapis.com=" + ready.URL)
	if err != nil {
		t.Fatal(err)
	}
	pushers := push.New(push.Options{Policy: push.Local(), Endpoints: endpoints, Assertions: assertions})
	t.Cleanup(pushers.CloseIdle)
	return p, pushers
}

// topicOf is a subscription to a topic.
func topicOf(t *testing.T, configuration map[string]any) *hermod.Subscription {
	t.Helper()
	raw, err := json.Marshal(configuration)
	if err != nil {
		t.Fatal(err)
	}
	return &hermod.Subscription{
		ID: "s-1", Owner: "a-1", Type: hermod.GooglePubSub, Dialect: hermod.Signicat, Signing: hermod.HMACSHA256, Version: 1,
		Secrets: hermod.Secrets{Configuration: raw, SigningSecret: "s"},
	}
}

func TestGooglesLibrariesTakeOurTokensAndMessages(t *testing.T) {
	t.Parallel()
	file, certificates := serviceAccount(t)
	google, pushers := startGoogle(t, certificates, "", nil)
	s := topicOf(t, map[string]any{
		"credential": file, "topicId": "events", "orderingKey": "{account}", "attributes": map[string]string{"stage": "tést"},
	})
	e, p := delivered(t, s)
	r := pushers.Push(t.Context(), s, p)
	var got googleRequest
	google.read(t, &got)
	if !r.Succeeded() || got.Status != http.StatusOK || got.Path != "/v1/projects/acme-prod/topics/events:publish" || len(got.Messages) != 1 {
		t.Fatalf("%+v, Google: %+v", r, got)
	}
	m := got.Messages[0]
	want := map[string]string{
		"sender": e.Sender, "eventName": e.Name, "eventId": e.ID.String(), "tags": strings.Join(e.Tags, ","), "stage": "tést",
		"content-type": "application/json", "x-signicat-signature": p.Header.Get("X-Signicat-Signature"),
	}
	maps.DeleteFunc(m.Attributes, func(name, _ string) bool { return want[name] == "" })
	if m.Data != string(p.Body) || m.OrderingKey != "a-1" || !maps.Equal(m.Attributes, want) {
		t.Errorf("got %+v, want %v", m, want)
	}
	// Those at one time come in one request, each with what is its own.
	results := make(chan deliver.Result, 20)
	for range cap(results) {
		go func() { results <- pushers.Push(context.WithoutCancel(t.Context()), s, p) }()
	}
	for range cap(results) {
		if r := <-results; !r.Succeeded() {
			t.Errorf("got %+v", r)
		}
	}
	for n := 0; n < cap(results); n += len(got.Messages) {
		if google.read(t, &got); got.Status != http.StatusOK {
			t.Fatalf("Google: %+v", got)
		}
	}
	found := pushers.Probe(t.Context(), s)
	if google.read(t, &got); slices.ContainsFunc(found, func(f deliver.Finding) bool { return f.Verdict != deliver.Passed }) {
		t.Errorf("a probe: %+v", found)
	}
}

func TestGooglesLibrariesRefuseAnotherKey(t *testing.T) {
	t.Parallel()
	_, certificates := serviceAccount(t)
	file, _ := serviceAccount(t)
	google, pushers := startGoogle(t, certificates, "", nil)
	s := topicOf(t, map[string]any{"credential": file, "topicId": "events"})
	_, p := delivered(t, s)
	r := pushers.Push(t.Context(), s, p)
	var got googleRequest
	google.read(t, &got)
	if r.Class != deliver.ClassCredential || !strings.Contains(got.Reason, "signature") {
		t.Errorf("%+v, Google: %+v", r, got)
	}
}

// signers keep signing keys in memory.
type signers struct{ keys []hermod.SigningKey }

func (s *signers) SigningKeys(context.Context) ([]hermod.SigningKey, error) { return s.keys, nil }
func (s *signers) PutSigningKey(_ context.Context, k hermod.SigningKey) error {
	s.keys = append([]hermod.SigningKey{k}, s.keys...)
	return nil
}
func (s *signers) DeleteSigningKey(context.Context, string) error { return nil }

// open seals nothing.
type open struct{}

func (open) Seal(_ context.Context, _, _ string, b []byte) ([]byte, error) { return b, nil }
func (open) Open(_ context.Context, _, _ string, b []byte) ([]byte, error) { return b, nil }

// What Hermod sends for its identity is what Google's own library sends, and jose finds
// the assertion to be one of the issuer's.
func TestGooglesLibraryAsksForTokensAsWeDo(t *testing.T) {
	t.Parallel()
	keys := &auth.Keys{Store: &signers{}, Sealer: open{}, Now: time.Now}
	tokens := &signicat.Tokens{Issuer: &auth.Issuer{Keys: keys}}
	server := httptest.NewServer(api.NewServer(api.Options{Dialect: signicat.Dialect{}, Routes: tokens.Routes(), Now: time.Now, Trace: rand.Text, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(server.Close)
	issuer := signicat.IssuerOf(api.BaseURL(server.URL))
	assertor := &auth.Assertor{Keys: keys, Issuer: issuer, Now: time.Now, TokenID: rand.Text}
	for _, identity := range []map[string]any{
		{"provider": googleProvider},
		{"provider": googleProvider, "serviceAccountEmail": googleAccount},
	} {
		google, pushers := startGoogle(t, "{}", issuer, assertor)
		s := topicOf(t, map[string]any{"workloadIdentity": identity, "projectId": "acme-prod", "topicId": "events"})
		_, p := delivered(t, s)
		r := pushers.Push(t.Context(), s, p)
		var got googleRequest
		google.read(t, &got)
		if !r.Succeeded() || got.Status != http.StatusOK || got.Assertion.Payload["sub"] != "hermod:a-1" || got.Assertion.Payload["subscription"] != "s-1" {
			t.Errorf("%+v, Google: %+v", r, got)
		}
	}
}
