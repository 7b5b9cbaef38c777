package universign_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hermod/pkg/api/apitest"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// jwks reads the served key set.
func (w *world) jwks(t testing.TB) map[string]*rsa.PublicKey {
	t.Helper()
	a := w.do(t, "", http.MethodGet, webhooksPath+"/jwks.json", "")
	if a.header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("Cache-Control %q", a.header.Get("Cache-Control"))
	}
	keys := map[string]*rsa.PublicKey{}
	for _, k := range a.json(t, http.StatusOK)["keys"].([]any) {
		jwk := k.(map[string]any)
		number := func(name string) *big.Int {
			raw, err := base64.RawURLEncoding.DecodeString(jwk[name].(string))
			if err != nil {
				t.Fatal(err)
			}
			return new(big.Int).SetBytes(raw)
		}
		keys[jwk["kid"].(string)] = &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}
	}
	return keys
}

// verify verifies a payload as a strict client does, and gives the id of its key.
func verify(t testing.TB, keys map[string]*rsa.PublicKey, p deliver.Payload) (keyID string) {
	t.Helper()
	parts := strings.Split(p.Header.Get("X-JWS-Signature"), ".")
	if len(parts) != 3 || parts[1] != "" {
		t.Fatalf("no detached JWS: %v", parts)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]string
	if err := json.Unmarshal(raw, &header); err != nil || len(header) != 2 || header["alg"] != "PS256" {
		t.Fatalf("header %s, %v", raw, err)
	}
	key := keys[header["kid"]]
	if key == nil {
		t.Fatalf("%s is not among %d keys", header["kid"], len(keys))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + base64.RawURLEncoding.EncodeToString(p.Body)))
	if err := rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: 32}); err != nil {
		t.Fatal(err)
	}
	return header["kid"]
}

// delivered is the event of the golden file.
func delivered() *hermod.Event {
	return &hermod.Event{
		ID: hermod.FirstIDAt(start), Sender: "universign", Name: "transaction.lifecycle.completed",
		Timestamp: time.Date(2024, 4, 19, 8, 0, 0, 125e6, time.UTC), Context: hermod.Context{UserID: "usr_2", APIKeyID: "apk_5X", TraceID: "b0c7f1d2"},
		Data: json.RawMessage(`{"object":"transaction","id":"tx_AWo949MOq0JE","state":"completed","name":"<A> & B"}`),
	}
}

func TestADeliveryIsTheSignedEventAndTheSameAtEveryAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	encoder := universign.Encoder{Keys: w.keys}
	first, err := encoder.Encode(t.Context(), deliver.Delivery{Event: delivered(), Subscription: &hermod.Subscription{}, At: start})
	if err != nil {
		t.Fatal(err)
	}
	if first.ContentType != "application/json" || len(first.Header) != 1 {
		t.Errorf("%q %v", first.ContentType, first.Header)
	}
	apitest.Golden(t, "delivery.json", first.Body)
	if !strings.Contains(string(first.Body), `"createdAt":1713513600.125,`) || !strings.Contains(string(first.Body), "<A> & B") {
		t.Errorf("%s", first.Body)
	}
	keys := w.jwks(t)
	verify(t, keys, first)
	second, err := encoder.Encode(t.Context(), deliver.Delivery{Event: delivered(), Subscription: &hermod.Subscription{}, At: start.Add(time.Hour)})
	if err != nil || string(second.Body) != string(first.Body) {
		t.Errorf("%s\n%s, %v", first.Body, second.Body, err)
	}
	verify(t, keys, second)
}

func TestTheScheduleIsThatOfTheDialect(t *testing.T) {
	t.Parallel()
	want := hermod.Schedule{
		time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour,
	}
	if got := (universign.Encoder{}).Schedule(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := (universign.Encoder{Waits: hermod.Schedule{1}}).Schedule(); !slices.Equal(got, hermod.Schedule{1}) {
		t.Errorf("%v", got)
	}
}

type keyless struct{}

func (keyless) Signer(context.Context) (string, *rsa.PrivateKey, error) {
	return "", nil, errors.New("no key")
}

func TestADeliveryWithoutAKeyIsNotSent(t *testing.T) {
	t.Parallel()
	if _, err := (universign.Encoder{Keys: keyless{}}).Encode(t.Context(), deliver.Delivery{Event: delivered()}); err == nil {
		t.Error("encoded")
	}
}

// A keyStore keeps keys in memory, and makes new ones of keys that are there.
type keyStore struct{ kept []hermod.SigningKey }

func (k *keyStore) SigningKeys(context.Context) ([]hermod.SigningKey, error) {
	return slices.Clone(k.kept), nil
}
func (k *keyStore) PutSigningKey(_ context.Context, key hermod.SigningKey) error {
	k.kept = slices.Insert(k.kept, 0, key)
	return nil
}
func (k *keyStore) DeleteSigningKey(_ context.Context, id string) error {
	k.kept = slices.DeleteFunc(k.kept, func(key hermod.SigningKey) bool { return key.ID == id })
	return nil
}

// TestARotationIsSeenByAReceiverThatKeepsTheKeys: over two months, a receiver that reads
// the key set when its copy is as old as it may be verifies every delivery at once.
func TestARotationIsSeenByAReceiverThatKeepsTheKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept := &keyStore{}
		made := func() *auth.Keys {
			return &auth.Keys{Store: kept, Sealer: apitest.Unsealed{}, Use: universign.Use, Prefix: universign.KeyPrefix, Now: time.Now}
		}
		signer, publisher := made(), made() // two processes
		encoder := universign.Encoder{Keys: signer}
		var copied map[string]*rsa.PublicKey
		var read time.Time
		used := map[string]bool{}
		receive := func() {
			p, err := encoder.Encode(t.Context(), deliver.Delivery{Event: delivered(), Subscription: &hermod.Subscription{}})
			if err != nil {
				t.Fatal(err)
			}
			if time.Since(read) >= auth.JWKSMaxAge {
				published, err := publisher.Published(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				copied, read = map[string]*rsa.PublicKey{}, time.Now()
				for _, k := range published {
					copied[k.ID] = k.Key
				}
				if len(copied) > 16 {
					t.Fatalf("%d keys", len(copied))
				}
			}
			used[verify(t, copied, p)] = true
		}
		for day := range 62 {
			often := 24 * time.Hour
			if day%30 == 0 { // a new key is made, and signs an hour later
				often = 4 * time.Minute
			}
			for since := time.Duration(0); since < 3*time.Hour; since += often {
				receive()
				time.Sleep(often)
			}
			if often < time.Hour {
				time.Sleep(21 * time.Hour)
			}
		}
		if len(used) != 3 {
			t.Errorf("%d keys have signed in two months", len(used))
		}
	})
}

func TestTheKeySetIsApartFromThatOfTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := &auth.Keys{Store: w.DB, Sealer: apitest.Unsealed{}, Now: w.Now}
	if err := tokens.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, _, err := tokens.Signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := w.jwks(t)
	if keys[id] != nil || len(keys) != 1 {
		t.Errorf("%d keys, with that of tokens: %v", len(keys), keys[id] != nil)
	}
}
