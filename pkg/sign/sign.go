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
	content, err := newContent(id, at, body)
	if err != nil {
		return err
	}
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		mac := hmac.New(sha256.New, standardKey(secret))
		mac.Write([]byte(content.head))
		mac.Write(content.body)
		signatures[i] = versionOne + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return content.write(h, signatures)
}

// content is what a Standard Webhooks signature is over: id.timestamp.body.
type content struct {
	id, timestamp string
	// head is all that stands before the body.
	head string
	body []byte
}

func newContent(id string, at time.Time, body []byte) (content, error) {
	// The signed content is joined by dots, so a dot in the id would let one
	// signature stand for two readings.
	if id == "" || strings.ContainsFunc(id, func(r rune) bool { return r == '.' || r <= ' ' || r > '~' }) {
		return content{}, fmt.Errorf("signing: %q cannot be a webhook-id", id)
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return content{id, timestamp, id + "." + timestamp + ".", body}, nil
}

func (c content) bytes() []byte { return append([]byte(c.head), c.body...) }

// write sets the headers. Signatures stand in one header, with spaces between them.
func (c content) write(h http.Header, signatures []string) error {
	if len(signatures) == 0 {
		return errors.New("signing: no secret")
	}
	h[HeaderID] = []string{c.id}
	h[HeaderTimestamp] = []string{c.timestamp}
	h[HeaderSignature] = []string{strings.Join(signatures, " ")}
	return nil
}

// standardKey reads the key out of a secret: what stands in base64 after whsec_,
// otherwise the secret's UTF-8 bytes. A subscriber may choose any secret for
// the native signature, so one that only looks like whsec_ must not stop the
// delivery; it is taken as it is.
func standardKey(secret string) []byte {
	if key := encodedKey(secret); key != nil {
		return key
	}
	return []byte(secret)
}

// encodedKey is what stands in base64 after whsec_; nil where that is nothing.
func encodedKey(secret string) []byte {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(key) == 0 {
		return nil
	}
	return key
}

// Readable reports whether every library of Standard Webhooks reads the same key out of a
// secret: not where it begins with whsec_ and goes on with what is no base64.
func Readable(secret string) bool {
	return !strings.HasPrefix(secret, secretPrefix) || encodedKey(secret) != nil
}

// secretBytes is the size of a generated key, within the specification's 24 to 64.
const secretBytes = 32

// NewSecret makes a Standard Webhooks secret of 32 random bytes.
func NewSecret(random func([]byte)) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(randomKey(random))
}

// NewText makes a secret that is used as the text it is: 32 random bytes in base64url
// (RFC 4648, section 5), which are 43 characters.
func NewText(random func([]byte)) string {
	return base64.RawURLEncoding.EncodeToString(randomKey(random))
}

func randomKey(random func([]byte)) []byte {
	key := make([]byte, secretBytes)
	random(key)
	return key
}
