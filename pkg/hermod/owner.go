package hermod

import (
	"slices"
	"time"
)

// An Owner is an account or an organization.
type Owner struct {
	ID string
	// Organization is what an account belongs to; "" for none.
	Organization string
	// Retention is how long events and attempts are kept; 0 is DefaultRetention.
	Retention time.Duration
	// Version rises with every change of a subscription of the owner.
	Version   int64
	CreatedAt time.Time
}

// EveryOwner stands for the owners of all global subscriptions: its row's version
// rises with every change of one, and its subscriptions are all of them.
const EveryOwner = "*"

// DefaultRetention is how long events and attempts are kept.
const DefaultRetention = 30 * 24 * time.Hour

// A Credential is what a caller presents to become a principal. Only a hash of
// its secret is kept.
type Credential struct {
	// ID finds the credential: its kind, a colon, its public part.
	ID string
	// Name is for people; "" for none.
	Name string
	// Tenant is what the credential's dialect calls the account; "" for the native one.
	Tenant string
	// SecretHash is SHA-256 of the secret.
	SecretHash   []byte
	Account      string
	Organization string
	Scopes       []string
	CreatedAt    time.Time
	RevokedAt    time.Time
}

// RevokedRetention is how long a revoked credential is kept: by then whoever asks
// what it was has asked.
const RevokedRetention = 90 * 24 * time.Hour

// RetainUntil is when a revoked credential is forgotten; the zero time for one that
// is in force.
func (c *Credential) RetainUntil() time.Time {
	if c.RevokedAt.IsZero() {
		return time.Time{}
	}
	return c.RevokedAt.Add(RevokedRetention)
}

// Forgotten reports whether the credential is no longer kept at t, though its row
// may still be there.
func (c *Credential) Forgotten(t time.Time) bool {
	return !c.RevokedAt.IsZero() && !t.Before(c.RetainUntil())
}

// The scopes a credential can hold.
const (
	ScopeManage     = "signicat-api"
	ScopePublish    = "events.publish"
	ScopePublishAny = "events.publish.any"
	ScopeInternal   = "events.internal"
	ScopeGlobal     = "events.global"
)

// The scopes of the credentials of the other dialects. None of them is good for a
// route of another dialect.
const (
	ScopeSignly    = "signly"
	ScopeTeliaSign = "telia-sign"
	// ScopeUniversign is held by every API key of a workspace, ScopeUniversignEvents
	// by those whose role lets them see its events, ScopeUniversignKeys by those
	// that may manage its API keys, and ScopeUniversignOwner by its owners' alone.
	ScopeUniversign       = "universign"
	ScopeUniversignEvents = "universign.events"
	ScopeUniversignKeys   = "universign.keys"
	ScopeUniversignOwner  = "universign.owner"
)

// A Principal is who is calling. It is made from a credential and from nothing
// that the request says.
type Principal struct {
	CredentialID string
	Account      string
	Organization string
	// Tenant is what the credential's dialect calls the account; "" for the native one.
	Tenant string
	Scopes []string
}

// Has reports whether the principal holds the scope.
func (p *Principal) Has(scope string) bool { return slices.Contains(p.Scopes, scope) }

// Owns reports whether the principal may act for the owner.
func (p *Principal) Owns(owner string) bool {
	return owner != "" && (owner == p.Account || owner == p.Organization)
}

// A Claim is the idempotency row of one producer's key: put if absent, kept
// ClaimRetention.
type Claim struct {
	// Owner is the account the key belongs to; Key is unique within it.
	Owner string
	Key   string
	// Hash is SHA-256 of what was sent under the key.
	Hash []byte
	// EventID is the event that was, or will be, put for the key.
	EventID ID
	// ExpiresAt is when the key is forgotten.
	ExpiresAt time.Time
}

// ClaimRetention is how long an idempotency key is remembered.
const ClaimRetention = 24 * time.Hour

// A SigningKey signs access tokens, or what its Use says. The private part is sealed.
type SigningKey struct {
	ID string
	// Use tells apart the keys that sign different things; "" for access tokens.
	Use string
	// Public is PKIX DER, Sealed the encrypted PKCS #8 DER.
	Public    []byte
	Sealed    []byte
	CreatedAt time.Time
}
