package signly

import (
	"net/http"
	"strings"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// The headers that say who is calling.
const (
	tenantHeader     = "X-Tenant-Signly"
	credentialHeader = "X-Auth-Signly" //nolint:gosec // the name of a header
)

// hmacWord stands before the secret of a credential of method HMAC, or does not.
const hmacWord = "HMAC "

// Dialect is how this API authenticates and says what went wrong.
type Dialect struct {
	Secrets *auth.Secrets
	Now     func() time.Time
}

// Authenticate resolves the credential: the secret itself, which the word HMAC may
// precede where its method is HMAC. It fails with CodeForbidden where the credential
// is not of the tenant that the request names. A header that stands twice says
// nothing certain, and counts as absent.
func (d Dialect) Authenticate(r *http.Request) (*hermod.Principal, error) {
	tenant, credential := only(r, tenantHeader), only(r, credentialHeader)
	if tenant == "" || credential == "" {
		return nil, hermod.Errorf(hermod.CodeUnauthorized, "the headers %s and %s are required", tenantHeader, credentialHeader)
	}
	kinds := []auth.Kind{auth.SignlyKey, auth.SignlyHMAC}
	if secret, ok := strings.CutPrefix(credential, hmacWord); ok {
		credential, kinds = secret, []auth.Kind{auth.SignlyHMAC}
	}
	p, err := d.Secrets.Resolve(r.Context(), credential, kinds...)
	if err != nil {
		return nil, err
	}
	if p.Tenant != tenant {
		return nil, hermod.Errorf(hermod.CodeForbidden, "the credential is not of the tenant in %s", tenantHeader)
	}
	return p, nil
}

// only is the value of a header that stands once; "" otherwise.
func only(r *http.Request, name string) string {
	values := r.Header.Values(name)
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// WriteError answers with an envelope.
func (d Dialect) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	writeError(w, r, d.Now(), err)
}
