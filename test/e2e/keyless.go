package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hermod/pkg/api/auth"
)

// A tokenService stands in for those of Google and Azure: it trusts the issuer of the
// target, as it finds it, and gives out tokens to the owners it knows.
type tokenService struct {
	base  string // the target's
	owner string

	mu         sync.Mutex
	tokens     []string
	assertions []string // that were presented
}

// verify judges an assertion as a cloud does that trusts the issuer.
func (s *tokenService) verify(assertion, audience string) error {
	var issuer struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := get(s.base+"/auth/open/.well-known/openid-configuration", &issuer); err != nil {
		return err
	}
	u, err := url.Parse(issuer.JWKS)
	if err != nil {
		return err
	}
	var keys auth.JWKS
	if err := get(s.base+u.Path, &keys); err != nil {
		return err
	}
	_, err = jwt.Parse(assertion, func(token *jwt.Token) (any, error) {
		i := slices.IndexFunc(keys.Keys, func(k auth.JWK) bool { return k.ID == token.Header["kid"] })
		if i < 0 || token.Header["typ"] != "JWT" {
			return nil, fmt.Errorf("header %v", token.Header)
		}
		return publicKey(keys.Keys[i])
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(issuer.Issuer), jwt.WithAudience(audience),
		jwt.WithSubject("hermod:"+s.owner), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(time.Second))
	return err
}

func get(link string, into any) error {
	answer, err := http.Get(link)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	return json.NewDecoder(answer.Body).Decode(into)
}

func publicKey(k auth.JWK) (*rsa.PublicKey, error) {
	n, badN := base64.RawURLEncoding.DecodeString(k.Modulus)
	e, badE := base64.RawURLEncoding.DecodeString(k.Exponent)
	if err := errors.Join(badN, badE); err != nil {
		return nil, err
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}

// exchange answers requests of tokens. The form's member holds the assertion.
func (s *tokenService) exchange(member, audience string) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, body []byte) {
		form, err := url.ParseQuery(string(body))
		s.mu.Lock()
		s.assertions = append(s.assertions, form.Get(member))
		s.mu.Unlock()
		if err == nil {
			err = s.verify(form.Get(member), audience)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": err.Error()})
			return
		}
		token := rand.Text()
		s.mu.Lock()
		s.tokens = append(s.tokens, token)
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "expires_in": 3599, "token_type": "Bearer"})
	}
}

func (s *tokenService) may(authorization string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token, ok := strings.CutPrefix(authorization, "Bearer "); ok && slices.Contains(s.tokens, token) {
		return ""
	}
	return "no token of this service"
}

func testKeyless(t *testing.T, target Target) {
	c, s := target.as(t, "local"), sender()
	service := &tokenService{base: target.BaseURL, owner: localAccount}
	const provider = "projects/123456789/locations/global/workloadIdentityPools/partners/providers/hermod"
	const tenant, client = "7c9e6679-7425-40de-944b-e07fc1f90ae7", "0f8fad5b-d9cb-469f-a165-70867728950e"
	target.Clouds.answer("sts.googleapis.com", service.exchange("subject_token", "https://iam.googleapis.com/"+provider))
	target.Clouds.answer("login.microsoftonline.com", service.exchange("client_assertion", "api://AzureADTokenExchange"))

	p := newPubsub(t, target, service.may)
	topic := map[string]any{"workloadIdentity": map[string]any{"provider": provider}, "projectId": p.project, "topicId": "events"}
	b := newServicebus(t, target)
	b.may = service.may
	queue := map[string]any{
		"workloadIdentity": map[string]any{"tenantId": tenant, "clientId": client},
		"namespace":        strings.TrimSuffix(b.host, ".servicebus.windows.net"), "queueName": "orders",
	}
	subscriptions := []string{c.subscribeTo("GooglePubSub", s+":*", topic), c.subscribeTo("AzureServiceBus", s+":*", queue)}
	id := c.publish(event(s, "a", 1))
	p.wait(target, id)
	b.wait(target, id)
	for _, subscription := range subscriptions {
		check := c.api(http.MethodPost, "/subscriptions/"+subscription+"/check", nil).want(http.StatusOK)
		if check.value("reachable") != true {
			t.Errorf("check %s", check.body)
		}
	}
	// Another owner's subscription to the same topic comes with another subject, and is
	// not let in.
	stranger := target.as(t, "other")
	subscription := stranger.subscribeTo("GooglePubSub", s+":*", topic)
	stranger.publish(event(s, "a", 2))
	row := stranger.waitForRows(subscription, 1)[0]
	if row.text("properties.state") != "dead" || row.text("properties.reason") != "bad_credential" {
		t.Errorf("a stranger: %s", row.body)
	}
	// What clouds are told opens nothing here.
	service.mu.Lock()
	defer service.mu.Unlock()
	if len(service.assertions) < 3 {
		t.Errorf("%d assertions", len(service.assertions))
	}
	for _, token := range service.assertions {
		own := &caller{t: t, target: target, token: token}
		own.api(http.MethodGet, "/subscriptions", nil).want(http.StatusUnauthorized)
	}
}
