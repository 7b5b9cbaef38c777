// Package targets builds what judges and reaches destinations.
package targets

import (
	"fmt"

	"hermod/functions/internal/wire"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signicat"
	"hermod/pkg/awscfg"
	"hermod/pkg/push"
)

// Pushers are the destinations under the policy of the stage. The keys sign what says to
// clouds for whom Hermod comes.
func Pushers(e *wire.Env, keys *auth.Keys) (*push.Pushers, error) {
	policy, err := policyOf(e)
	if err != nil {
		return nil, err
	}
	endpoints, err := endpointsOf(e)
	if err != nil {
		return nil, err
	}
	mint, err := push.ParseMint(e.Get("HERMOD_MINT_URL"), policy)
	if err != nil {
		return nil, fmt.Errorf("reading HERMOD_MINT_URL: %w", err)
	}
	as, err := onAWS(e)
	if err != nil {
		return nil, err
	}
	handshake, err := handshakeOf(e)
	if err != nil {
		return nil, err
	}
	return push.New(push.Options{
		Policy: policy, Endpoints: endpoints, Mint: mint, AWS: as, Assertions: assertions(e, keys), Handshake: handshake, Now: e.Now,
	}), nil
}

// assertions are those of the deployment's issuer; nil where its URL is not known.
func assertions(e *wire.Env, keys *auth.Keys) push.Assertions {
	base := e.BaseURL()
	if base == "" {
		return nil
	}
	return &auth.Assertor{Keys: keys, Issuer: signicat.IssuerOf(base), Now: e.Now, TokenID: wire.RandomID, Log: e.Log}
}

// onAWS is the function's own role, by which it takes on those of subscribers. Without
// a prefix of their names there are none.
func onAWS(e *wire.Env) (*push.AWS, error) {
	prefix := e.Get("HERMOD_AWS_ROLE_PREFIX")
	if prefix == "" {
		return nil, nil
	}
	cfg, err := awscfg.Load(e.Get, awscfg.STS)
	if err != nil {
		return nil, fmt.Errorf("configuring STS: %w", err)
	}
	as, err := push.NewAWS(cfg.Region, cfg.Credentials, prefix)
	if err != nil {
		return nil, fmt.Errorf("reading HERMOD_AWS_ROLE_PREFIX: %w", err)
	}
	return as, nil
}

// Webhooks are those that are webhooks, for dialects that know no others.
func Webhooks(e *wire.Env) (*push.Pushers, error) {
	policy, err := policyOf(e)
	if err != nil {
		return nil, err
	}
	handshake, err := handshakeOf(e)
	if err != nil {
		return nil, err
	}
	return push.Webhooks(push.Options{Policy: policy, Handshake: handshake, Now: e.Now}), nil
}

// handshakeOf says whose endpoints are asked whether they want deliveries.
func handshakeOf(e *wire.Env) (push.Handshake, error) {
	handshake, err := push.ParseHandshake(e.Get("HERMOD_CHALLENGE"), e.Get("HERMOD_PUBLIC_URL"))
	if err != nil {
		return push.Handshake{}, fmt.Errorf("reading HERMOD_CHALLENGE: %w", err)
	}
	return handshake, nil
}

// policyOf says where deliveries may go.
func policyOf(e *wire.Env) (*push.Policy, error) {
	if !e.Emulator() {
		return push.Strict(), nil
	}
	networks, err := push.ParseNetworks(e.Get("HERMOD_TEST_TARGET_CIDRS"))
	if err != nil {
		return nil, fmt.Errorf("reading HERMOD_TEST_TARGET_CIDRS: %w", err)
	}
	return push.Emulator(networks...), nil
}

// endpointsOf are the servers that stand in for hosts of the clouds.
func endpointsOf(e *wire.Env) (push.Endpoints, error) {
	if !e.Emulator() {
		return nil, nil
	}
	endpoints, err := push.ParseEndpoints(e.Get("HERMOD_TEST_ENDPOINTS"))
	if err != nil {
		return nil, fmt.Errorf("reading HERMOD_TEST_ENDPOINTS: %w", err)
	}
	return endpoints, nil
}
