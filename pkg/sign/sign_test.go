package sign_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/sign"
)

func TestHMACHexMatchesKnownVectors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ key, body, want string }{
		"the predecessor's published example": {
			key:  "your-secret-token",
			body: `{"message":"Hello, world"}`,
			want: "def564b8df06ae55c788493cb414068b2cf017385d96ecb39aa3e844fdbbcdea",
		},
		"a native event": {
			key:  "E*wl1K87LYnUoZSm",
			body: `{"id":"82fa52a9bc7549438b8c6aee71569fa7","timestamp":"2023-11-13T11:38:10.7302363Z","sender":"signature-api","eventName":"order.completed","eventData":{},"accountId":"a-spge-IL9J9flqic18sh4TsUAo","organizationId":null,"expiresAt":"2023-11-13T11:38:40.7302345Z","tags":["mock"]}`,
			want: "071ad019912a0bdcc1c5c4ed96090bdf2b5fb23a16f20f28d6f10c0efaa1afd0",
		},
		"RFC 4231, case 2": {
			key:  "Jefe",
			body: "what do ya want for nothing?",
			want: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		},
		"RFC 4231, case 6: a key longer than a block": {
			key:  strings.Repeat("\xaa", 131),
			body: "Test Using Larger Than Block-Size Key - Hash Key First",
			want: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := sign.HMACHex(tt.key, []byte(tt.body)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// The definition of HMAC (RFC 2104), written out, is the oracle for keys and
// bodies around the block size, where implementations go wrong.
func TestHMACHexFollowsTheDefinitionAroundTheBlockSize(t *testing.T) {
	t.Parallel()
	naive := func(key, body []byte) string {
		if len(key) > sha256.BlockSize {
			sum := sha256.Sum256(key)
			key = sum[:]
		}
		inner, outer := make([]byte, sha256.BlockSize), make([]byte, sha256.BlockSize)
		copy(inner, key)
		copy(outer, key)
		for i := range inner {
			inner[i] ^= 0x36
			outer[i] ^= 0x5c
		}
		sum := sha256.Sum256(append(inner, body...))
		sum = sha256.Sum256(append(outer, sum[:]...))
		return hex.EncodeToString(sum[:])
	}
	for _, keySize := range []int{0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000} {
		for _, bodySize := range []int{0, 1, 55, 56, 63, 64, 65, 119, 128, 4096} {
			key, body := bytes.Repeat([]byte{0xc3, 0x07}, keySize)[:keySize], bytes.Repeat([]byte("ab\x00"), bodySize)[:bodySize]
			if got, want := sign.HMACHex(string(key), body), naive(key, body); got != want {
				t.Errorf("key of %d, body of %d: got %s, want %s", keySize, bodySize, got, want)
			}
		}
	}
}

const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

// The vector of the specification's own libraries (libraries/go/webhook_test.go).
func TestStandardWebhooksMatchesThePublishedVector(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	err := sign.StandardWebhooks(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 999_999_999),
		[]byte(`{"test": 2432232314}`), vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"webhook-id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
		"webhook-timestamp": "1614265330",
		"webhook-signature": vectorSignature,
	}
	for name, value := range want {
		if got := h.Get(name); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
}

func TestStandardWebhooksSignsOnceForEachSecret(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	err := sign.StandardWebhooks(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0),
		[]byte(`{"test": 2432232314}`), "another", vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	signatures := strings.Split(h.Get("webhook-signature"), " ")
	if len(signatures) != 2 || signatures[1] != vectorSignature || !strings.HasPrefix(signatures[0], "v1,") {
		t.Errorf("got %q", signatures)
	}
}

func TestStandardWebhooksReadsTheKeyOutOfTheSecret(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdefghijklmnopqrstuv")
	tests := map[string]struct {
		secret string
		key    []byte
	}{
		"base64 after the prefix":      {"whsec_" + base64.StdEncoding.EncodeToString(key), key},
		"any other text":               {"E*wl1K87LYnUoZSm", []byte("E*wl1K87LYnUoZSm")},
		"text beyond ASCII":            {"hemmelig nøkkel", []byte("hemmelig nøkkel")},
		"the prefix before no base64":  {"whsec_not base64", []byte("whsec_not base64")},
		"the prefix before nothing":    {"whsec_", []byte("whsec_")},
		"base64 without the prefix":    {base64.StdEncoding.EncodeToString(key), []byte(base64.StdEncoding.EncodeToString(key))},
		"the prefix in upper case":     {"WHSEC_AAAA", []byte("WHSEC_AAAA")},
		"base64 with stray final bits": {"whsec_AB==", []byte("whsec_AB==")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if err := sign.StandardWebhooks(h, "id", time.Unix(1, 0), []byte("{}"), tt.secret); err != nil {
				t.Fatal(err)
			}
			mac := hmac.New(sha256.New, tt.key)
			mac.Write([]byte("id.1.{}"))
			if key := strings.TrimPrefix(tt.secret, "whsec_"); sign.Readable(tt.secret) != (key == tt.secret || string(tt.key) != tt.secret) {
				t.Errorf("readable: %v", sign.Readable(tt.secret))
			}
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); h.Get("webhook-signature") != want {
				t.Errorf("got %s, want %s", h.Get("webhook-signature"), want)
			}
		})
	}
}

func TestStandardWebhooksRefusesWhatWouldBeAmbiguous(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		id      string
		secrets []string
	}{
		"no id":           {"", []string{"s"}},
		"a dot":           {"a.b", []string{"s"}},
		"a line break":    {"a\nb", []string{"s"}},
		"a space":         {"a b", []string{"s"}},
		"beyond ASCII":    {"é", []string{"s"}},
		"no secret":       {"a", nil},
		"a delete char":   {"a\x7f", []string{"s"}},
		"not valid UTF-8": {"a\xff", []string{"s"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if err := sign.StandardWebhooks(h, tt.id, time.Unix(1, 0), nil, tt.secrets...); err == nil {
				t.Error("no error")
			}
			if len(h) != 0 {
				t.Errorf("headers set: %v", h)
			}
		})
	}
}

func TestNewSecretIsThirtyTwoRandomBytes(t *testing.T) {
	t.Parallel()
	got := sign.NewSecret(func(b []byte) {
		for i := range b {
			b[i] = byte(i)
		}
	})
	if want := "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
