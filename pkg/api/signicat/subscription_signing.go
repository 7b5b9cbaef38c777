package signicat

import (
	"encoding/json"
	"fmt"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/sign"
)

// wireAuthentication is how deliveries are signed.
type wireAuthentication struct {
	AuthenticationType string        `json:"authenticationType"`
	HMACSHA256         *wireSecret   `json:"hmacSha256,omitempty"`
	StandardWebhooks   *wireStandard `json:"standardWebhooks,omitempty"`
	// PreviousValidUntil is there while a secret that was replaced signs beside the
	// new one. It is shown and not read.
	PreviousValidUntil *wireTime `json:"previousValidUntil,omitempty"`
}

type wireSecret struct {
	Secret string `json:"secret"`
}

// wireStandard is the key of Standard Webhooks: a secret, or by ed25519 a key pair of
// which the public key alone is shown.
type wireStandard struct {
	Algorithm string `json:"algorithm,omitempty"`
	Secret    string `json:"secret,omitempty"`
	PublicKey string `json:"publicKey,omitempty"`
}

// The algorithms of Standard Webhooks. The first is shown as none: it is the usual one.
const (
	algorithmHMAC    = "hmac-sha256"
	algorithmEd25519 = "ed25519"
)

// authenticationOf shows how deliveries are signed; nil for not at all. The HMAC secret
// is echoed, as the contract has it; one of Standard Webhooks is shown where reveal says
// that it was made just now, a private key never.
func authenticationOf(s *hermod.Subscription, now time.Time, reveal bool) *wireAuthentication {
	w := &wireAuthentication{AuthenticationType: string(s.Signing)}
	switch s.Signing {
	case hermod.HMACSHA256:
		w.HMACSHA256 = &wireSecret{s.Secrets.SigningSecret}
	case hermod.StandardWebhooks:
		w.StandardWebhooks = &wireStandard{Secret: masked}
		if reveal {
			w.StandardWebhooks.Secret = s.Secrets.SigningSecret
		}
	case hermod.Ed25519:
		w.AuthenticationType = string(hermod.StandardWebhooks)
		w.StandardWebhooks = &wireStandard{Algorithm: algorithmEd25519, PublicKey: sign.PublicKey(s.Secrets.SigningSecret)}
	case hermod.Unsigned:
		return nil
	}
	if until := s.Secrets.FormerUntil(now); !until.IsZero() {
		shown := wireTime(until)
		w.PreviousValidUntil = &shown
	}
	return w
}

// authentication reads how deliveries are signed and reports whether a secret was
// made for it. What is written replaces what there was at once; what stays as it was
// keeps its former secrets too.
func (f *fields) authentication(s *hermod.Subscription, random func([]byte)) (made bool) {
	var in struct {
		AuthenticationType string        `json:"authenticationType"`
		HMACSHA256         *wireSecret   `json:"hmacSha256"`
		StandardWebhooks   *wireStandard `json:"standardWebhooks"`
		PreviousValidUntil *string       `json:"previousValidUntil"` // as it was shown
	}
	before, was := s.Signing, s.Secrets
	s.Signing, s.Secrets.SigningSecret, s.Secrets.Former = hermod.Unsigned, "", nil
	if !f.Read("messageAuthentication", &in, "an object with authenticationType") {
		return false
	}
	f.onlySigning()
	f.bounded(in.HMACSHA256, in.StandardWebhooks)
	switch in.AuthenticationType {
	case "None":
		return false
	case string(hermod.HMACSHA256):
		if in.HMACSHA256 == nil {
			in.HMACSHA256 = &wireSecret{}
		}
		s.Signing, s.Secrets.SigningSecret = hermod.HMACSHA256, in.HMACSHA256.Secret
		if in.HMACSHA256.Secret == "" {
			f.Fail("messageAuthentication.hmacSha256.secret", secretBounds())
		}
	case string(hermod.StandardWebhooks):
		if in.StandardWebhooks == nil {
			in.StandardWebhooks = &wireStandard{}
		}
		s.Signing, s.Secrets.SigningSecret = f.standardWebhooks(*in.StandardWebhooks, before, was.SigningSecret)
		if made = s.Secrets.SigningSecret == ""; made {
			s.Secrets.SigningSecret = newSigningSecret(s.Signing, random)
		}
	default:
		f.Fail("messageAuthentication.authenticationType", "must be None, HmacSha256 or StandardWebhooks")
	}
	if s.Signing == before && s.Secrets.SigningSecret == was.SigningSecret {
		s.Secrets.Former = was.Former
	}
	return made
}

// onlySigning notes members that are not known: an algorithm that somebody has misspelt
// would be replaced by the usual one.
func (f *fields) onlySigning() {
	const name = "messageAuthentication"
	raw := f.Members[name]
	f.only(name, raw, "authenticationType", "hmacSha256", "standardWebhooks", "previousValidUntil")
	var inner struct {
		HMACSHA256       json.RawMessage `json:"hmacSha256"`
		StandardWebhooks json.RawMessage `json:"standardWebhooks"`
	}
	_ = json.Unmarshal(raw, &inner) // an object: it has been read
	f.only(name+".hmacSha256", inner.HMACSHA256, "secret")
	f.only(name+".standardWebhooks", inner.StandardWebhooks, "secret", "algorithm", "publicKey")
}

// bounded judges what is given for a kind of signature, whether or not it is the one that is
// asked for.
func (f *fields) bounded(native *wireSecret, standard *wireStandard) {
	const name = "messageAuthentication."
	if native != nil && len(native.Secret) > maxSecret {
		f.Fail(name+"hmacSha256.secret", secretBounds())
	}
	if standard == nil {
		return
	}
	if len(standard.Secret) > maxSecret {
		f.Fail(name+"standardWebhooks.secret", secretBounds())
	}
	if a := standard.Algorithm; a != "" && a != algorithmHMAC && a != algorithmEd25519 {
		f.Fail(name+"standardWebhooks.algorithm", "must be "+algorithmHMAC+" or "+algorithmEd25519)
	}
}

// standardWebhooks says by what to sign, and the secret: a given one, or the one there
// was under the same algorithm; "" for one to be made. An update that says nothing of
// the algorithm and the secret keeps both.
func (f *fields) standardWebhooks(in wireStandard, before hermod.SigningType, was string) (hermod.SigningType, string) {
	const member = "messageAuthentication.standardWebhooks."
	given := in.Secret != "" && in.Secret != masked
	signing := hermod.StandardWebhooks
	switch {
	case in.Algorithm == algorithmEd25519, in.Algorithm == "" && !given && before == hermod.Ed25519:
		signing = hermod.Ed25519
	}
	switch {
	case given && signing == hermod.Ed25519:
		f.Fail(member+"secret", ed25519Secret)
	case given:
		f.standardSecret(member+"secret", in.Secret)
		return signing, in.Secret
	case signing == before:
		return signing, was
	}
	return signing, ""
}

const ed25519Secret = "must not be given with ed25519: Hermod makes the key pair and keeps the private key"

// signingSecret judges a secret of the subscriber's.
func (f *fields) signingSecret(member, secret string) {
	if secret == "" || len(secret) > maxSecret {
		f.Fail(member, secretBounds())
	}
}

func secretBounds() string { return fmt.Sprintf("must be 1 to %d bytes", maxSecret) }

// standardSecret refuses a secret that says that it is base64 and is not: libraries of
// Standard Webhooks fail to read it, and it would sign as the text that it is.
func (f *fields) standardSecret(member, secret string) {
	if !sign.Readable(secret) {
		f.Fail(member, "must have base64 behind whsec_")
	}
}

// newSigningSecret makes a secret for a kind of signature.
func newSigningSecret(signing hermod.SigningType, random func([]byte)) string {
	switch signing {
	case hermod.Ed25519:
		return sign.NewPrivateKey(random)
	case hermod.StandardWebhooks:
		return sign.NewSecret(random)
	default:
		return sign.NewText(random)
	}
}
