// Package secrets builds what seals secrets.
package secrets

import (
	"fmt"

	"hermod/functions/internal/wire"
	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/pkg/kms"
	"hermod/pkg/seal"
)

// Box seals secrets under the deployment's KMS key.
func Box(e *wire.Env) (*seal.Box, error) {
	cfg, err := awscfg.Load(e.Get, awscfg.KMS)
	if err != nil {
		return nil, fmt.Errorf("configuring KMS: %w", err)
	}
	return seal.NewBox(kms.New(cfg, e.Get("HERMOD_KMS_KEY")), wire.RandomBytes, e.Now), nil
}

// Sealed is a store with the secrets sealed before it: of two methods of one name
// Go takes the one that is less deep.
type Sealed struct {
	*seal.Store
	Plain
}

// Plain is a store one level deeper.
type Plain struct{ *dynamo.Store }

// Before puts the box before the store.
func Before(e *wire.Env, store *dynamo.Store, box *seal.Box) Sealed {
	return Sealed{seal.NewStore(store, box, e.Now, e.Log), Plain{store}}
}
