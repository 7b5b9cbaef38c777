package signicat

import (
	"net/http"
	"time"

	"hermod/pkg/api/input"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// The overlap of a rotation: how long what a new secret replaces goes on signing.
const (
	defaultOverlap = 24 * time.Hour
	maxOverlap     = 7 * 24 * time.Hour
)

// rotate replaces the secret that signs the deliveries of the subscription that the
// path names. Deliveries are signed by the old one too until the overlap has passed.
// Of two at once both take place: the secret of the first then is an old one.
func (s *Subscriptions) rotate(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	in, err := readRotation(r)
	if err != nil {
		return err
	}
	sub, err := s.change(r, p, func(sub *hermod.Subscription) error { return in.apply(sub, s.Now(), s.writer(p)) })
	if err != nil {
		return err
	}
	if err := s.readHealth(r.Context(), sub); err != nil {
		return err
	}
	return s.write(w, sub, true)
}

// A rotation is the body of a request for one, which may be empty.
type rotation struct {
	secret  string
	overlap time.Duration
	members input.Members
}

func readRotation(r *http.Request) (*rotation, error) {
	if err := wantJSON(r); err != nil {
		return nil, err
	}
	body, err := input.Body(r, maxSmallBody)
	if err != nil {
		return nil, err
	}
	in := &rotation{overlap: defaultOverlap}
	if len(body) > 0 {
		if in.members, err = ingest.OnlyMembers(body, "secret", "overlap"); err != nil {
			return nil, err
		}
	}
	f := fieldsOf(in.members)
	if f.Read("secret", &in.secret, "a string") {
		f.signingSecret("secret", in.secret)
		if in.secret == masked {
			f.Fail("secret", "must not be the mask of a secret")
		}
	}
	if seconds, ok := f.Whole("overlap", 0, int(maxOverlap.Seconds()), ", in seconds"); ok {
		in.overlap = time.Duration(seconds) * time.Second
	}
	return in, f.err()
}

// apply rotates the secret of s. To sign anew what a privileged subscription receives
// takes what changing it takes.
func (in *rotation) apply(s *hermod.Subscription, now time.Time, w writer) error {
	if s.Signing == hermod.Unsigned {
		return hermod.Errorf(hermod.CodeConflict, "the subscription is not signed; an update with messageAuthentication has it signed")
	}
	f := fieldsOf(in.members)
	switch {
	case in.secret == "":
	case s.Signing == hermod.Ed25519:
		f.Fail("secret", ed25519Secret)
	case s.Signing == hermod.StandardWebhooks:
		f.standardSecret("secret", in.secret)
	}
	secret := in.secret
	if secret == "" {
		secret = newSigningSecret(s.Signing, w.random)
	}
	before := *s
	s.Secrets.Rotate(secret, now.UTC(), now.UTC().Add(in.overlap))
	f.guard(&before, s, w.principal)
	s.SecretsChanged = []string{"signingSecret"} // also where it is the one in use: the audit log tells of a rotation
	return f.err()
}
