package telia

import (
	"net/http"
	"strings"

	"hermod/pkg/api"
)

// resource names the function that serves all rows on AWS.
const resource = "telia"

// Login is the exchange of a login for a token.
type Login struct {
	Dialect Dialect
}

// Routes are the rows of the login. It is public as far as the route table goes: a
// login is what its caller does not have a token for yet. It has a subscription key, by
// which its tries are counted.
func (l *Login) Routes() []api.Route {
	return []api.Route{
		{Method: http.MethodPost, Path: "/identity/login", Resource: resource, Access: api.Public(l.login).CountedBy(l.keyID)},
	}
}

func (l *Login) keyID(r *http.Request) (string, error) {
	key, err := l.Dialect.key(r)
	if err != nil {
		return "", err
	}
	return key.CredentialID, nil
}

// The bounds of a login, in characters and, of the body, in bytes.
const (
	maxLogin     = 200
	maxPassword  = 1000
	maxLoginBody = 16 << 10
)

func (l *Login) login(w http.ResponseWriter, r *http.Request) error {
	key, err := l.Dialect.key(r)
	if err != nil {
		return err
	}
	f, err := readForm(r, maxLoginBody, "login", "password", "tenantid")
	if err != nil {
		return err
	}
	login, password := f.required("login", maxLogin), f.required("password", maxPassword)
	tenant := strings.ToLower(f.required("tenantid", maxLogin)) // a GUID is the same in any case
	if err := f.Err(); err != nil {
		return err
	}
	token, err := l.Dialect.login(r, key, tenant, login, password)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, map[string]string{"token": token})
}
