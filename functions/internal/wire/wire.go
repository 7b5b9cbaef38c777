// Package wire builds what all functions have in common from the environment that
// template.yaml gives them. What only some need stands in packages beside it: a
// function links what it imports, and the clients of AWS are large.
package wire

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signicat"
	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/lambdahttp"
)

// Env is the environment of a function.
type Env struct {
	Get func(string) string
	Log *slog.Logger
	Now func() time.Time
	// outside is an issuer whose tokens are believed too; nil for none.
	outside *auth.Outside
}

// Start builds a function's handler and hands it to Lambda. A function that cannot
// be built ends at once: Lambda reports it, and the alarm on errors rises.
func Start(build func(*Env) (any, error)) {
	e := &Env{Get: os.Getenv, Log: lambdacontext.NewLogger(), Now: time.Now}
	slog.SetDefault(e.Log) // net/http writes what a peer sent unasked through the standard log
	var handler any
	err := e.readOutside()
	if err == nil {
		handler, err = build(e)
	}
	if err != nil {
		e.Log.Error("function not started", hermod.LogError(err))
		os.Exit(1)
	}
	lambda.Start(handler)
}

// readOutside reads which outside issuer there is, if any.
func (e *Env) readOutside() (err error) {
	e.outside, err = auth.NewOutside(auth.OutsideOptions{
		Issuer: e.Get("HERMOD_ISSUER_URL"), JWKS: e.Get("HERMOD_JWKS_URL"), Audience: e.Get("HERMOD_AUDIENCE"), Now: e.Now, Log: e.Log,
	})
	return err
}

// Store is the three tables.
func (e *Env) Store() (*dynamo.Store, error) {
	cfg, err := awscfg.Load(e.Get, awscfg.DynamoDB)
	if err != nil {
		return nil, fmt.Errorf("configuring DynamoDB: %w", err)
	}
	shards, err := dynamo.ParseShards(e.Get("HERMOD_SHARDS"))
	if err != nil {
		return nil, fmt.Errorf("HERMOD_SHARDS: %w", err)
	}
	tables := dynamo.Tables{
		Config:     e.Get("HERMOD_CONFIG_TABLE"),
		Events:     e.Get("HERMOD_EVENTS_TABLE"),
		Deliveries: e.Get("HERMOD_DELIVERIES_TABLE"),
		Shards:     shards,
	}
	store := dynamo.New(cfg, tables, e.Now, RandomBytes)
	if most, err := strconv.Atoi(e.Get("HERMOD_MAX_SUBSCRIPTIONS")); err == nil && most > 0 { // the template allows numbers alone
		store = store.WithMaxSubscriptions(most)
	}
	return store, nil
}

// HTTP serves the rows of a route table behind API Gateway.
func (e *Env) HTTP(store *dynamo.Store, keys *auth.Keys, routes []api.Route) any {
	bearer := &auth.Bearer{Keys: keys, Credentials: store, Outside: e.outside, Now: e.Now}
	return lambdahttp.Handler(e.Server(store, signicat.Dialect{Bearer: bearer}, routes))
}

// Server serves the rows of a route table in a dialect.
func (e *Env) Server(store *dynamo.Store, d api.Dialect, routes []api.Route) *api.Server {
	return api.NewServer(api.Options{
		Dialect: d, Routes: routes, Log: e.Log, Now: e.Now, Trace: RandomID, Limiter: e.limiter(store),
	})
}

// limiter bounds the requests of each credential over all functions and their instances;
// nil for no bound.
func (e *Env) limiter(store *dynamo.Store) *api.Limiter {
	perSecond, err := strconv.Atoi(e.Get("HERMOD_RATE_LIMIT"))
	if err != nil || perSecond < 1 { // the template allows numbers alone, and 0 for none
		return nil
	}
	return api.NewSharedLimiter(api.SharedLimit{
		PerSecond: perSecond, Counter: store, Now: e.Now, Random: mathrand.Float64, Log: e.Log,
	})
}

// Dialect serves the rows of a dialect of its own behind API Gateway: under the
// prefix, and under the dialect's own host name without it.
func (e *Env) Dialect(store *dynamo.Store, d api.Dialect, prefix string, routes []api.Route) any {
	return lambdahttp.Handler(api.Mount{Prefix: prefix, Server: e.Server(store, d, routes)}.Own())
}

// Guard makes it slow to guess the secrets of logins.
func (e *Env) Guard(store *dynamo.Store) *api.Guard {
	return &api.Guard{Counter: store, Now: e.Now, Log: e.Log}
}

// Keys are the signing keys; the sealer is nil where tokens are only verified.
func (e *Env) Keys(store *dynamo.Store, sealer auth.Sealer) *auth.Keys {
	return &auth.Keys{Store: store, Sealer: sealer, Now: e.Now, Log: e.Log}
}

// BaseURL is where clients reach the deployment.
func (e *Env) BaseURL() api.BaseURL { return api.BaseURL(e.Get("HERMOD_PUBLIC_URL")) }

// Emulator reports whether the deployment is a test's own. Nothing that relaxes a
// rule is read anywhere else.
func (e *Env) Emulator() bool { return e.Get("HERMOD_STAGE") == "emulator" }

// RandomBytes fills p. It never fails: see crypto/rand.Read.
func RandomBytes(p []byte) { _, _ = rand.Read(p) }

// RandomID is 32 hex digits.
func RandomID() string {
	var id hermod.ID
	RandomBytes(id[:])
	return id.String()
}
