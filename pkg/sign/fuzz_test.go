package sign_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/sign"
)

// FuzzSecret: with whatever secrets and id, a delivery is signed so that a receiver that
// reads the specification verifies it, or not at all.
func FuzzSecret(f *testing.F) {
	for _, secret := range []string{"", "whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_====", "WHSEC_AAAA", "E*wl1K87LYnUoZSm", "æ\x00\xff"} {
		f.Add("msg_1", secret, "other", []byte(`{"a":1}`))
	}
	f.Add("a.b", "x", "", []byte(nil))
	f.Add("", "x", "y", []byte("\r\n"))
	f.Add("a b\r\n", "x", "y", []byte(nil))
	at := time.Unix(1700000000, 0)
	f.Fuzz(func(t *testing.T, id, first, second string, body []byte) {
		h := http.Header{}
		if err := sign.StandardWebhooks(h, id, at, body, first, second); err != nil {
			if len(h) != 0 || (id != "" && !strings.ContainsFunc(id, func(r rune) bool { return r == '.' || r <= ' ' || r > '~' })) {
				t.Fatalf("%q: %v, %v", id, err, h)
			}
			return
		}
		signatures := strings.Split(h.Get(sign.HeaderSignature), " ")
		if h.Get(sign.HeaderID) != id || h.Get(sign.HeaderTimestamp) != "1700000000" || len(signatures) != 2 {
			t.Fatalf("%q: %v", id, h)
		}
		for i, secret := range []string{first, second} {
			key := []byte(secret)
			if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
				if decoded, err := base64.StdEncoding.Strict().DecodeString(encoded); err == nil && len(decoded) > 0 {
					key = decoded
				}
			}
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(id + ".1700000000."))
			mac.Write(body)
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); signatures[i] != want {
				t.Fatalf("%q: %q, want %q", secret, signatures[i], want)
			}
		}
	})
}
