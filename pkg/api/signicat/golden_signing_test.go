package signicat_test

import (
	"net/http"
	"strings"
	"testing"
)

// signedGoldens are answers about how deliveries are signed.
func signedGoldens(t *testing.T, w *world) map[string]golden {
	t.Helper()
	create := func(members string) (a answer, id string) {
		a = w.do(t, "privileged", http.MethodPost, subscriptionsPath, webhook(members))
		return a, a.json(t, http.StatusOK)["id"].(string)
	}
	_, rotatedID := create(hmacSigned)
	rotated := w.do(t, "privileged", http.MethodPost, subscriptionsPath+"/"+rotatedID+"/secret/rotate", `{"secret":"second","overlap":3600}`)
	pair, pairID := create(ed25519Signed)
	stubs := strings.NewReplacer(rotatedID, "{subscription}", pairID, "{subscription}", publicKey(t, pair), "{publicKey}")
	all := map[string]golden{
		"sub_rotated": {rotated, 200, map[string]string{
			"": "subscription", "messageAuthentication": "rotated authentication", "messageAuthentication.hmacSha256": "hmac",
		}},
		"sub_key_pair": {pair, 200, map[string]string{"": "subscription", "messageAuthentication": "key pair", "messageAuthentication.standardWebhooks": "standard"}},
	}
	for name, g := range all {
		g.answer.body = []byte(stubs.Replace(string(g.answer.body)))
		all[name] = g
	}
	return all
}
