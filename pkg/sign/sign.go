// Package sign makes the signatures that deliveries carry.
package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// HMACHex is HMAC-SHA-256 of exactly the body's bytes under the UTF-8 bytes of
// the secret, in lower-case hex: the native dialect's signature.
func HMACHex(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// The headers of the Standard Webhooks specification, in canonical form.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// The prefix of a secret that is written in base64, and of a symmetric signature.
const (
	secretPrefix = "whsec_"
	versionOne   = "v1,"
)

// StandardWebhooks sets the three headers of a Standard Webhooks delivery
// (specification 1.0.0, symmetric signatures): the id of the event, the time of
// the attempt in Unix seconds, and a v1 signature by each secret, the first one
// first. Several secrets make a rotation possible without a gap. It fails where
// the id is empty or could be mistaken for more than an id, and where no secret
// is given.
func StandardWebhooks(h http.Header, id string, at time.Time, body []byte, secrets ...string) error {
	// The signed content is joined by dots, so a dot in the id would let one
	// signature stand for two readings.
	if id == "" || strings.ContainsFunc(id, func(r rune) bool { return r == '.' || r <= ' ' || r > '~' }) {
		return fmt.Errorf("signing: %q cannot be a webhook-id", id)
	}
	if len(secrets) == 0 {
		return errors.New("signing: no secret")
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]byte, 0, len(secrets)*(len(versionOne)+base64.StdEncoding.EncodedLen(sha256.Size)+1))
	for i, secret := range secrets {
		if i > 0 {
			signatures = append(signatures, ' ')
		}
		signatures = append(signatures, versionOne...)
		signatures = appendStandard(signatures, secret, id, timestamp, body)
	}
	h[HeaderID] = []string{id}
	h[HeaderTimestamp] = []string{timestamp}
	h[HeaderSignature] = []string{string(signatures)}
	return nil
}

func appendStandard(dst []byte, secret, id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, standardKey(secret))
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return base64.StdEncoding.AppendEncode(dst, mac.Sum(nil))
}

// standardKey reads the key out of a secret: what stands in base64 after whsec_,
// otherwise the secret's UTF-8 bytes. A subscriber may choose any secret for
// the native signature, so one that only looks like whsec_ must not stop the
// delivery; it is taken as it is.
func standardKey(secret string) []byte {
	if encoded, ok := strings.CutPrefix(secret, secretPrefix); ok {
		if key, err := base64.StdEncoding.Strict().DecodeString(encoded); err == nil && len(key) > 0 {
			return key
		}
	}
	return []byte(secret)
}

// secretBytes is the size of a generated key, within the specification's 24 to 64.
const secretBytes = 32

// NewSecret makes a Standard Webhooks secret of 32 random bytes.
func NewSecret(random func([]byte)) string {
	key := make([]byte, secretBytes)
	random(key)
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}
