package signicat

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
)

// Tokens is the token endpoint: the client credentials grant of OAuth 2.0
// (RFC 6749, section 4.4), with the credentials in the body or in a Basic header.
type Tokens struct {
	Issuer  *auth.Issuer
	BaseURL api.BaseURL
	// Guard makes it slow to guess a secret; nil does not.
	Guard *api.Guard
}

// issuerPath is where the issuer of tokens is: its metadata and its keys stand under
// it, as OpenID Connect Discovery has it.
const issuerPath = "/auth/open"

// IssuerOf is the issuer of tokens of a deployment that clients reach at the base.
func IssuerOf(base api.BaseURL) string { return strings.TrimSuffix(string(base), "/") + issuerPath }

const (
	tokenEndpoint  = issuerPath + "/connect/token"
	metadataPath   = issuerPath + "/.well-known/openid-configuration"
	publicKeysPath = metadataPath + "/jwks"
)

// Routes are the rows of the token endpoint, and of what verifiers of its tokens
// read.
func (t *Tokens) Routes() []api.Route {
	const resource = "token"
	return []api.Route{
		{Method: http.MethodPost, Path: tokenEndpoint, Resource: resource, Access: api.Public(t.issue)},
		{Method: http.MethodGet, Path: metadataPath, Resource: resource, Access: api.Public(t.metadata)},
		{Method: http.MethodGet, Path: publicKeysPath, Resource: resource, Access: api.Public(t.keys)},
	}
}

// issuerMetadata describes the issuer (RFC 8414, section 2). There is no authorization
// endpoint. The last three members are for clouds that trust the issuer's assertions:
// they ask for what OpenID Connect Discovery 1.0 requires.
type issuerMetadata struct {
	Issuer        string   `json:"issuer"`
	TokenEndpoint string   `json:"token_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	GrantTypes    []string `json:"grant_types_supported"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	Scopes        []string `json:"scopes_supported"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
}

func (t *Tokens) metadata(w http.ResponseWriter, r *http.Request) error {
	base := t.BaseURL.Of(r)
	publicFor(w, auth.JWKSMaxAge)
	return api.WriteJSON(w, http.StatusOK, issuerMetadata{
		Issuer: base + issuerPath, TokenEndpoint: base + tokenEndpoint, JWKS: base + publicKeysPath,
		GrantTypes:  []string{"client_credentials"},
		AuthMethods: []string{"client_secret_basic", "client_secret_post"},
		Scopes:      auth.Scopes(),
		// What is asserted has one subject for all audiences.
		ResponseTypes: []string{"id_token"}, SubjectTypes: []string{"public"}, Algorithms: []string{"RS256"},
	})
}

// keys publishes what verifies the tokens.
func (t *Tokens) keys(w http.ResponseWriter, r *http.Request) error {
	published, err := t.Issuer.Keys.Published(r.Context())
	if err != nil {
		return err
	}
	publicFor(w, auth.JWKSMaxAge)
	return api.WriteJSON(w, http.StatusOK, auth.JWKSOf(published))
}

// publicFor lets everyone keep the answer for a while.
func publicFor(w http.ResponseWriter, age time.Duration) {
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(age.Seconds())))
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"`
	TokenType   string `json:"token_type"`
	Scope       string `json:"scope"`
}

// tokenError is an error of the token endpoint (RFC 6749, section 5.2), which has
// a form of its own.
type tokenError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (t *Tokens) issue(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache") // RFC 6749, section 5.1
	if api.MediaType(r) != "application/x-www-form-urlencoded" {
		return refuseToken(w, http.StatusBadRequest, "invalid_request", "the body must be application/x-www-form-urlencoded")
	}
	body, err := api.ReadBody(r)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return refuseToken(w, http.StatusBadRequest, "invalid_request", "the body is no form")
	}
	if name := repeated(form); name != "" {
		return refuseToken(w, http.StatusBadRequest, "invalid_request", name+" is given more than once")
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return refuseToken(w, http.StatusBadRequest, "invalid_request", "grant_type is required")
	default:
		return refuseToken(w, http.StatusBadRequest, "unsupported_grant_type", "only client_credentials is supported")
	}
	id, secret, once := clientOf(r, form)
	if !once {
		return refuseToken(w, http.StatusBadRequest, "invalid_request", "the client is named both in the header and in the body")
	}
	if id == "" {
		return t.refuseClient(w)
	}
	issuer := t.BaseURL.Of(r) + issuerPath
	var token string
	var scopes []string
	err = t.Guard.Try(r.Context(), auth.OAuthClient(id), api.SourceOf(r), func(ctx context.Context) (err error) {
		token, scopes, err = t.Issuer.Issue(ctx, issuer, id, secret, strings.Fields(form.Get("scope")))
		return err
	})
	switch hermod.CodeOf(err) {
	case "":
		return api.WriteJSON(w, http.StatusOK, tokenAnswer{
			AccessToken: token, ExpiresIn: int(auth.TokenLife.Seconds()), TokenType: "Bearer", Scope: strings.Join(scopes, " "),
		})
	case hermod.CodeUnauthorized:
		return t.refuseClient(w)
	case hermod.CodeForbidden:
		return refuseToken(w, http.StatusBadRequest, "invalid_scope", "the client holds none of the scopes asked for")
	default:
		return err
	}
}

// repeated names a parameter of ours that stands more than once, which none may
// (RFC 6749, section 3.2).
func repeated(form url.Values) string {
	for _, name := range []string{"grant_type", "client_id", "client_secret", "scope"} {
		if len(form[name]) > 1 {
			return name
		}
	}
	return ""
}

// clientOf takes the credentials from the Basic header, whose parts are
// form-encoded (RFC 6749, section 2.3.1), or from the body. They may stand in one
// of the two (section 2.3); the same client_id beside the header does no harm.
func clientOf(r *http.Request, form url.Values) (id, secret string, once bool) {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return form.Get("client_id"), form.Get("client_secret"), true
	}
	user, password, ok := r.BasicAuth()
	id, badID := url.QueryUnescape(user)
	secret, badSecret := url.QueryUnescape(password)
	if !ok || badID != nil || badSecret != nil {
		return "", "", true
	}
	sameClient := !form.Has("client_id") || form.Get("client_id") == id
	return id, secret, sameClient && !form.Has("client_secret")
}

func (t *Tokens) refuseClient(w http.ResponseWriter) error {
	w.Header().Set("WWW-Authenticate", `Basic realm="hermod"`)
	return refuseToken(w, http.StatusUnauthorized, "invalid_client", "unknown client, or wrong secret")
}

func refuseToken(w http.ResponseWriter, status int, code, description string) error {
	return api.WriteJSON(w, status, tokenError{Error: code, Description: description})
}
