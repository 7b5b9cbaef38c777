// Package webhooks builds what the functions of dialects have in common that know no
// destinations but webhooks.
package webhooks

import (
	"hermod/functions/internal/secrets"
	"hermod/functions/internal/targets"
	"hermod/functions/internal/wire"
	"hermod/pkg/api/auth"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
	"hermod/pkg/seal"
)

// Parts are what the handlers are made of.
type Parts struct {
	Plain *dynamo.Store
	// Store has the secrets sealed before it.
	Store   secrets.Sealed
	Box     *seal.Box
	Pushers *push.Pushers
	NewID   func() hermod.ID
}

// Open makes the parts.
func Open(e *wire.Env) (*Parts, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	box, err := secrets.Box(e)
	if err != nil {
		return nil, err
	}
	pushers, err := targets.Webhooks(e)
	if err != nil {
		return nil, err
	}
	return &Parts{
		Plain: store, Store: secrets.Before(e, store, box), Box: box, Pushers: pushers,
		NewID: hermod.NewIDs(e.Now, wire.RandomBytes).Next,
	}, nil
}

// Keys are the signing keys of tokens and cursors. They make the first one, since a
// dialect's first request may come before the first access token.
func (p *Parts) Keys(e *wire.Env) *auth.Keys {
	keys := e.Keys(p.Plain, p.Box)
	keys.First = keys.Ensure
	return keys
}
