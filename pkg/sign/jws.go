package sign

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// HeaderJWS carries a detached JWS.
const HeaderJWS = "X-Jws-Signature"

// A protectedHeader has these two members and no others: verifiers that are strict
// refuse a header with more.
type protectedHeader struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
}

// DetachedJWS signs exactly the body's bytes by PS256 (RFC 7518, section 3.5: PSS
// with SHA-256 and a salt of 32 bytes) and gives the JWS in its compact form without
// the payload (RFC 7515, appendix F): header..signature. The payload is signed in
// base64url, not unencoded as RFC 7797 has it. Each call makes another signature.
func DetachedJWS(keyID string, key *rsa.PrivateKey, body []byte) (string, error) {
	header, err := json.Marshal(protectedHeader{Algorithm: "PS256", KeyID: keyID})
	if err != nil {
		return "", fmt.Errorf("encoding the header of a JWS: %w", err)
	}
	b64 := base64.RawURLEncoding
	encoded := b64.EncodeToString(header)
	hash := sha256.New()
	hash.Write([]byte(encoded + "."))
	hash.Write(b64.AppendEncode(nil, body))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, hash.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return "", fmt.Errorf("signing by %s: %w", keyID, err)
	}
	return encoded + ".." + b64.EncodeToString(signature), nil
}
