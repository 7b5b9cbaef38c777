package sign

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"
)

// The prefixes of a key pair that is written in base64, and of an asymmetric signature.
const (
	privatePrefix   = "whsk_"
	publicPrefix    = "whpk_"
	versionOneAsymm = "v1a,"
)

// NewPrivateKey makes the private key of a Standard Webhooks key pair: whsk_ and the
// base64 of an ed25519 key of 64 bytes, which are the seed and the public key.
func NewPrivateKey(random func([]byte)) string {
	seed := make([]byte, ed25519.SeedSize)
	random(seed)
	return privatePrefix + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed))
}

// PublicKey is the public key of a private one, as receivers get it: whpk_ and the
// base64 of its 32 bytes. It is "" for what NewPrivateKey did not make.
func PublicKey(private string) string {
	key, ok := parsePrivateKey(private)
	if !ok {
		return ""
	}
	return publicPrefix + base64.StdEncoding.EncodeToString(key[ed25519.SeedSize:])
}

func parsePrivateKey(private string) (key ed25519.PrivateKey, ok bool) {
	encoded, ok := strings.CutPrefix(private, privatePrefix)
	if !ok {
		return nil, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	return raw, err == nil && len(raw) == ed25519.PrivateKeySize
}

// StandardWebhooksEd25519 sets the headers that StandardWebhooks sets, with a v1a
// signature by each private key (specification 1.0.0, asymmetric signatures: ed25519
// of RFC 8032 over the content itself). It fails as StandardWebhooks does, and where a
// key is none.
func StandardWebhooksEd25519(h http.Header, id string, at time.Time, body []byte, privateKeys ...string) error {
	content, err := newContent(id, at, body)
	if err != nil {
		return err
	}
	signatures := make([]string, len(privateKeys))
	for i, private := range privateKeys {
		key, ok := parsePrivateKey(private)
		if !ok {
			return errors.New("signing: no ed25519 key")
		}
		signatures[i] = versionOneAsymm + base64.StdEncoding.EncodeToString(ed25519.Sign(key, content.bytes()))
	}
	return content.write(h, signatures)
}
