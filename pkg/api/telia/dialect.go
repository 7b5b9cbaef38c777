// Package telia is the Telia Sign dialect: its hooks and their subscriptions, the
// login, and the body of its deliveries.
package telia

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// KeyHeader carries the subscription key, which every call needs.
const KeyHeader = "Ocp-Apim-Subscription-Key"

// Dialect is how Telia Sign authenticates and says what went wrong.
type Dialect struct {
	// Keys resolves subscription keys, Sessions the tokens of logins.
	Keys     *auth.Secrets
	Sessions *auth.Sessions
	// Guard makes it slow to guess a password; nil does not.
	Guard *api.Guard
}

// New makes the dialect over a store of credentials. The guard may be nil.
func New(keys *auth.Keys, credentials auth.CredentialStore, guard *api.Guard, now func() time.Time) Dialect {
	return Dialect{
		Guard:    guard,
		Keys:     &auth.Secrets{Credentials: credentials, Now: now},
		Sessions: &auth.Sessions{Keys: keys, Credentials: credentials, Now: now},
	}
}

// Routes are all rows of the dialect.
func Routes(d Dialect, h *Hooks) []api.Route {
	return append(h.Routes(), (&Login{Dialect: d}).Routes()...)
}

// The refusals of a credential. Those of the key are Azure API Management's own texts,
// that of the token is of the same product family (wire facts, 3.5).
func errMissingKey() error {
	return hermod.Errorf(hermod.CodeUnauthorized,
		"Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API.")
}

func errInvalidKey(cause error) error {
	return &hermod.Error{
		Code: hermod.CodeUnauthorized, Err: cause,
		Message: "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.",
	}
}

func errNoToken(cause error) error {
	return &hermod.Error{
		Code: hermod.CodeUnauthorized, Message: "Unauthorized. Requested resource require authentication.", Err: cause,
	}
}

// Authenticate resolves the subscription key, then the token of a login, which must be
// of the same account.
func (d Dialect) Authenticate(r *http.Request) (*hermod.Principal, error) {
	key, err := d.key(r)
	if err != nil {
		return nil, err
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, errNoToken(nil)
	}
	login, err := d.Sessions.Resolve(r.Context(), token)
	if hermod.CodeOf(err) == hermod.CodeUnauthorized {
		return nil, errNoToken(err)
	}
	if err != nil {
		return nil, err
	}
	if err := d.ofOne(key, login); err != nil {
		return nil, err
	}
	return login, nil
}

// key is whom the request's subscription key stands for.
func (d Dialect) key(r *http.Request) (*hermod.Principal, error) {
	secret := r.Header.Get(KeyHeader)
	if secret == "" {
		return nil, errMissingKey()
	}
	key, err := d.Keys.Resolve(r.Context(), secret, auth.TeliaKey)
	if hermod.CodeOf(err) == hermod.CodeUnauthorized {
		return nil, errInvalidKey(err)
	}
	return key, err
}

// ofOne fails where a key is not of the login's account and tenant.
func (Dialect) ofOne(key, login *hermod.Principal) error {
	if key.Account != login.Account || key.Tenant != login.Tenant {
		return errInvalidKey(errors.New("the key is another account's"))
	}
	return nil
}

// login exchanges a login for a token, beside a key of the same account.
func (d Dialect) login(r *http.Request, key *hermod.Principal, tenant, login, password string) (token string, err error) {
	var p *hermod.Principal
	err = d.Guard.Try(r.Context(), auth.LoginID(tenant, login), api.SourceOf(r), func(ctx context.Context) (err error) {
		token, p, err = d.Sessions.Open(ctx, tenant, login, password)
		return err
	})
	if hermod.CodeOf(err) == hermod.CodeUnauthorized {
		return "", errNoToken(err)
	}
	if err != nil {
		return "", err
	}
	return token, d.ofOne(key, p)
}

// WithoutSlash takes the slash off the end of paths: the portal of that API calls
// /hooks/ (wire facts, 3.2).
func WithoutSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ended := strings.CutSuffix(r.URL.EscapedPath(), "/")
		if ended && path != "" {
			changed, u := *r, *r.URL
			u.Path = strings.TrimSuffix(u.Path, "/")
			if u.RawPath != "" {
				u.RawPath = path
			}
			changed.URL, r = &u, &changed
		}
		next.ServeHTTP(w, r)
	})
}

var _ api.Dialect = Dialect{}
