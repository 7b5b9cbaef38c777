package sign_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"hermod/pkg/sign"
)

func TestADetachedJWSIsVerifiedFromTheBodyAndNothingElse(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"name":"<Åse & Co>"}`)
	jws, err := sign.DetachedJWS("scd_test", key, body)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(jws, ".")
	// Wire facts, 9.2: the header of {"alg":"PS256","kid":"scd_test"}.
	if len(parts) != 3 || parts[0] != "eyJhbGciOiJQUzI1NiIsImtpZCI6InNjZF90ZXN0In0" || parts[1] != "" {
		t.Fatalf("%s", jws)
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	verify := func(header string, body []byte) error {
		digest := sha256.Sum256([]byte(header + "." + base64.RawURLEncoding.EncodeToString(body)))
		return rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: 32})
	}
	if err := verify(parts[0], body); err != nil {
		t.Error(err)
	}
	if verify(parts[0], append(body, ' ')) == nil || verify(parts[0]+"A", body) == nil {
		t.Error("what was tampered with is verified")
	}
	again, err := sign.DetachedJWS("scd_test", key, body)
	if err != nil || again == jws {
		t.Errorf("the salt is the same: %v", err)
	}
}

func TestAKeyThatIsTooSmallSignsNothing(t *testing.T) {
	t.Parallel()
	if _, err := sign.DetachedJWS("x", &rsa.PrivateKey{}, nil); err == nil {
		t.Error("signed by no key")
	}
}

func BenchmarkDetachedJWS(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 1500)
	for b.Loop() {
		if _, err := sign.DetachedJWS("scd_test", key, body); err != nil {
			b.Fatal(err)
		}
	}
}
