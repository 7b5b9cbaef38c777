package universign

import (
	"context"
	"fmt"
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
)

// A KeySet are the keys that sign deliveries.
type KeySet interface {
	// Published are the keys that verifiers need; it makes the first one.
	Published(ctx context.Context) ([]auth.PublicKey, error)
}

// JWKS publishes what verifies deliveries.
type JWKS struct {
	Keys KeySet
}

// Routes are the rows of the key set.
func (j *JWKS) Routes() []api.Route {
	return []api.Route{
		{Method: http.MethodGet, Path: webhooksPath + "/jwks.json", Resource: resource, Access: api.Public(j.read)},
	}
}

func (j *JWKS) read(w http.ResponseWriter, r *http.Request) error {
	published, err := j.Keys.Published(r.Context())
	if err != nil {
		return err
	}
	set := auth.JWKSOf(published)
	for i := range set.Keys {
		set.Keys[i].Algorithm = "PS256"
	}
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(auth.JWKSMaxAge.Seconds())))
	return api.WriteJSON(w, http.StatusOK, set)
}
