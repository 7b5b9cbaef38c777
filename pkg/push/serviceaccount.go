package push

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"hermod/pkg/deliver"
)

// A serviceAccount is an account of Google's for programs, with a key of its own.
type serviceAccount struct {
	email, keyID string
	// project is where the account is; "" where the key file does not say.
	project string
	key     *rsa.PrivateKey
}

const credentialField = "credential"

// The bounds of a credential.
const (
	maxServiceAccount = 16 << 10 // bytes of the key file
	maxAccountName    = 320      // bytes of the address and of the key's id
	minRSAKey         = 2048     // bits
	maxRSAKey         = 4096     // bits: a larger one takes long to sign with
	maxRSADER         = 3 << 10  // bytes: one of 4,096 bits has 2.4 KB
)

// parseServiceAccount reads the contents of a service account's key file. Of all that
// it holds nothing is quoted, and its URLs are not heeded: they are a stranger's way
// to say where to connect.
func parseServiceAccount(raw json.RawMessage, f *faults) serviceAccount {
	account, reason := readServiceAccount(raw)
	if reason != "" {
		f.add(credentialField, reason)
	}
	return account
}

func readServiceAccount(raw json.RawMessage) (serviceAccount, string) {
	const form = "must be the contents of a service account's key file: a JSON object, or a text that holds it"
	if raw = bytes.TrimSpace(raw); absent(raw) {
		return serviceAccount{}, "is required"
	}
	if len(raw) > 2*maxServiceAccount { // escapes included
		return serviceAccount{}, fmt.Sprintf("must be at most %d bytes", maxServiceAccount)
	}
	if raw[0] == '"' {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return serviceAccount{}, form
		}
		raw = json.RawMessage(text)
	}
	var file struct {
		Type         string `json:"type"`
		ProjectID    string `json:"project_id"`
		PrivateKeyID string `json:"private_key_id"`
		PrivateKey   string `json:"private_key"`
		ClientEmail  string `json:"client_email"`
	}
	if len(raw) > maxServiceAccount {
		return serviceAccount{}, fmt.Sprintf("must be at most %d bytes", maxServiceAccount)
	}
	if json.Unmarshal(raw, &file) != nil {
		return serviceAccount{}, form
	}
	account := serviceAccount{email: file.ClientEmail, keyID: file.PrivateKeyID, project: file.ProjectID}
	switch {
	case file.Type != "service_account":
		return account, "must be the key of a service account: its type must be service_account"
	case !validAccountName(file.ClientEmail) || !strings.Contains(file.ClientEmail, "@"):
		return account, "must have the address of its account in client_email"
	case file.PrivateKeyID != "" && !validAccountName(file.PrivateKeyID):
		return account, "must have the id of its key in private_key_id"
	case file.ProjectID != "" && !validPubsubProject(file.ProjectID):
		return account, "must have the id of its project in project_id"
	}
	var reason string
	account.key, reason = parsePrivateKey(file.PrivateKey)
	return account, reason
}

// absent reports whether a member is not there, null or an empty text.
func absent(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null" || string(raw) == `""`
}

// validAccountName lets through printable ASCII without spaces.
func validAccountName(name string) bool {
	return name != "" && len(name) <= maxAccountName && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// parsePrivateKey reads an RSA key in PEM. Google gives out keys of 2,048 bits in
// PKCS #8.
func parsePrivateKey(text string) (*rsa.PrivateKey, string) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "must have its private key in private_key, in PEM"
	}
	size := fmt.Sprintf("must have an RSA key of %d to %d bits in private_key", minRSAKey, maxRSAKey)
	if len(block.Bytes) > maxRSADER {
		return nil, size
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, "must have an RSA key in private_key"
	}
	if bits := key.N.BitLen(); bits < minRSAKey || bits > maxRSAKey {
		return nil, size
	}
	return key, ""
}

// How long a self-signed token is good for, and when the next one is made.
const (
	selfSignedLifetime = time.Hour
	selfSignedRenew    = 45 * time.Minute
)

// token makes a token that the account signs itself. Google takes it in the place of
// one that a token endpoint gives out (AIP-4111), for the one API that is its audience.
func (s *serviceAccount) token(now time.Time) (token[string], deliver.Result) {
	signed, err := signRS256(s.key, jwtHeader{Algorithm: "RS256", Type: "JWT", KeyID: s.keyID}, jwtClaims{
		Issuer: s.email, Subject: s.email, Audience: "https://" + pubsubHost + "/",
		IssuedAt: now.Unix(), ExpiresAt: now.Add(selfSignedLifetime).Unix(),
	})
	if err != nil {
		return token[string]{}, failure(deliver.ClassConfiguration, "the credential's key cannot sign")
	}
	return token[string]{value: "Bearer " + signed, renew: now.Add(selfSignedRenew)}, deliver.Result{}
}

// jwtHeader and jwtClaims are the parts of a token (RFC 7519).
type (
	jwtHeader struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid,omitempty"`
	}
	jwtClaims struct {
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		Audience  string `json:"aud"`
		IssuedAt  int64  `json:"iat"`
		ExpiresAt int64  `json:"exp"`
	}
)

// signRS256 makes a token in the compact form (RFC 7515, section 3.1; RFC 7518,
// section 3.3).
func signRS256(key *rsa.PrivateKey, header jwtHeader, claims jwtClaims) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("encoding the header: %w", err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding the claims: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
