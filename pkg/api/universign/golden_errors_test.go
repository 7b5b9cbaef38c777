package universign_test

import (
	"context"
	"crypto/rsa"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/api"
	"hermod/pkg/api/apitest"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// TestErrorsAreThoseOfTheContract holds an error of every code that a client can cause or
// meet against its file. That of 404 and of wrong members are with the answers.
func TestErrorsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	w, limited, deafened := newWorld(t), newWorld(t), newWorld(t)
	limited.server = api.NewServer(api.Options{
		Dialect: universign.Dialect{Secrets: &auth.Secrets{Credentials: limited.DB, Now: limited.Now}},
		Routes:  (&universign.Webhooks{Store: limited.DB, Now: limited.Now}).Routes(),
		Log:     limited.Log, Now: limited.Now, Trace: apitest.Trace, Limiter: api.NewLimiter(1, limited.Now),
	})
	limited.do(t, owner, http.MethodGet, webhooksPath, "")
	deafened.serve(deafened.Store, refuser{hermod.Errorf(hermod.CodeUnavailable, "no queue")})
	for name, tt := range map[string]struct {
		answer response
		status int
	}{
		"error_unauthorized": {w.do(t, "", http.MethodGet, endpointsPath, ""), http.StatusUnauthorized},
		"error_unknown_key":  {w.do(t, "apikey_x", http.MethodGet, endpointsPath, ""), http.StatusUnauthorized},
		"error_forbidden":    {w.do(t, integrator, http.MethodGet, keysPath, ""), http.StatusForbidden},
		"error_workspace":    {w.do(t, owner, http.MethodPost, keysPath, form("name", "A", "workspace_id", "wsp_other")), http.StatusForbidden},
		"error_method":       {w.do(t, owner, http.MethodPut, endpointsPath, ""), http.StatusMethodNotAllowed},
		"error_conflict":     {w.do(t, stranger, http.MethodDelete, keysPath+"/"+keyID(stranger), ""), http.StatusConflict},
		"error_large":        {w.do(t, owner, http.MethodPost, endpointsPath, "name="+strings.Repeat("x", 64<<10)), http.StatusRequestEntityTooLarge},
		"error_media":        {w.do(t, owner, http.MethodPost, endpointsPath, "<x/>", "Content-Type", "application/xml"), http.StatusUnsupportedMediaType},
		"error_json":         {w.do(t, owner, http.MethodPost, endpointsPath, `{"name"`), http.StatusBadRequest},
		"error_limit":        {limited.do(t, owner, http.MethodGet, webhooksPath, ""), http.StatusTooManyRequests},
		"error_unavailable":  {deafened.do(t, owner, http.MethodPost, keysPath, form("name", "A")), http.StatusServiceUnavailable},
	} {
		if tt.answer.status != tt.status || tt.answer.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v", name, tt.answer.status, tt.answer.header)
		}
		apitest.Golden(t, name+".json", tt.answer.body)
	}
}

// fixedKey is a set of one key, the same in every run.
type fixedKey struct{}

func (fixedKey) Published(context.Context) ([]auth.PublicKey, error) {
	n := new(big.Int).SetBytes(slices.Repeat([]byte{0xC5, 0x3D, 0x9B, 0x71}, 64))
	return []auth.PublicKey{{ID: "scd_0f1e2d3c4b5a69788796a5b4c3d2e1f0", Key: &rsa.PublicKey{N: n, E: 65537}}}, nil
}

func TestTheKeySetIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server = api.NewServer(api.Options{
		Dialect: universign.Dialect{}, Routes: (&universign.JWKS{Keys: fixedKey{}}).Routes(), Log: w.Log, Now: w.Now, Trace: apitest.Trace,
	})
	apitest.Golden(t, "jwks.json", w.do(t, "", http.MethodGet, webhooksPath+"/jwks.json", "").body)
}

// TestDeliveriesOfAPIKeysAreThoseOfTheContract holds what endpoints get of a key's life
// against its files.
func TestDeliveriesOfAPIKeysAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.newKey(t, owner)
	w.do(t, owner, http.MethodPatch, keysPath+"/"+id, form("name", "Renamed")).json(t, http.StatusOK)
	w.do(t, owner, http.MethodDelete, keysPath+"/"+id, "")
	bodies := map[string][]byte{}
	for _, e := range w.told(t) {
		p, err := (universign.Encoder{Keys: w.keys}).Encode(t.Context(), deliver.Delivery{Event: e, Subscription: &hermod.Subscription{}, At: start})
		if err != nil {
			t.Fatal(err)
		}
		stubs := strings.NewReplacer(universign.EventID(e.ID), "evt_{event}", id, "{key}")
		bodies["delivery_"+strings.ReplaceAll(e.Name, ".", "_")+".json"] = []byte(stubs.Replace(string(p.Body)))
	}
	if names := slices.Sorted(maps.Keys(bodies)); len(names) != 3 {
		t.Errorf("told of by %v", names)
	}
	for name, body := range bodies {
		apitest.Golden(t, name, body)
	}
}
