package auth

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/hermod"
)

// AssertionLife is how long an assertion is good. A key is published for as long as
// what it signed, access tokens included: it is at most TokenLife.
const AssertionLife = 5 * time.Minute

// assertionType is the type in the header of an assertion, which the token services of
// clouds expect. It is not the one of an access token, and no audience of an assertion
// is a service of Hermod's: neither passes for the other.
const assertionType = "JWT"

// AssertionSubject is the subject of what is asserted for an owner. Nothing else is in
// it: the trust in Hermod can be set up before there is a subscription, and no two
// owners have one that is the same.
func AssertionSubject(owner string) string { return "hermod:" + owner }

// An Assertor says to the token services of clouds for whom Hermod comes (workload
// identity federation). It signs by the keys of access tokens, which the issuer's
// metadata publishes already.
type Assertor struct {
	// Keys have a Sealer.
	Keys *Keys
	// Issuer is the URL of Hermod's issuer, under which its metadata stands.
	Issuer string
	Now    func() time.Time
	// TokenID makes the id of an assertion.
	TokenID func() string
	// Log takes what nobody else is told; nil is slog.Default.
	Log *slog.Logger
}

// Assertion is a token for the audience that names the owner of the subscription as its
// subject, and the subscription in a claim of its own. The ref must be that of a stored
// subscription: it is what the token vouches for.
func (a *Assertor) Assertion(ctx context.Context, ref hermod.Ref, audience string) (string, error) {
	token, err := a.sign(ctx, ref, audience)
	if err != nil {
		err = fmt.Errorf("asserting for %s: %w", ref.ID, err)
		cmp.Or(a.Log, slog.Default()).LogAttrs(ctx, slog.LevelError, "assertion not made", hermod.LogError(err))
	}
	return token, err
}

func (a *Assertor) sign(ctx context.Context, ref hermod.Ref, audience string) (string, error) {
	if !isOwnerID(ref.Owner) || ref.ID == "" {
		return "", hermod.Errorf(hermod.CodeInternal, "the subscription has no owner")
	}
	id, key, err := a.Keys.Signer(ctx)
	if err != nil {
		return "", err
	}
	now := a.Now()
	// The audience is one text: not every token service takes a list.
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": a.Issuer, "sub": AssertionSubject(ref.Owner), "aud": audience, "jti": a.TokenID(), "subscription": ref.ID,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(AssertionLife).Unix(),
	})
	t.Header["typ"] = assertionType
	t.Header["kid"] = id
	return t.SignedString(key)
}
