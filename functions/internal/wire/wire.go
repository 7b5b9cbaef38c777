// Package wire builds what the functions have in common from the environment that
// template.yaml gives them.
package wire

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signicat"
	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/kms"
	"hermod/pkg/lambdahttp"
	"hermod/pkg/push"
	"hermod/pkg/seal"
	"hermod/pkg/sqs"
)

// Env is the environment of a function.
type Env struct {
	Get func(string) string
	Log *slog.Logger
	Now func() time.Time
}

// Start builds a function's handler and hands it to Lambda. A function that cannot
// be built ends at once: Lambda reports it, and the alarm on errors rises.
func Start(build func(*Env) (any, error)) {
	e := &Env{Get: os.Getenv, Log: lambdacontext.NewLogger(), Now: time.Now}
	slog.SetDefault(e.Log) // net/http writes what a peer sent unasked through the standard log
	handler, err := build(e)
	if err != nil {
		e.Log.Error("function not started", slog.Any("error", err))
		os.Exit(1)
	}
	lambda.Start(handler)
}

// Store is the three tables.
func (e *Env) Store() (*dynamo.Store, error) {
	cfg, err := awscfg.Load(e.Get, awscfg.DynamoDB)
	if err != nil {
		return nil, fmt.Errorf("configuring DynamoDB: %w", err)
	}
	tables := dynamo.Tables{
		Config:     e.Get("HERMOD_CONFIG_TABLE"),
		Events:     e.Get("HERMOD_EVENTS_TABLE"),
		Deliveries: e.Get("HERMOD_DELIVERIES_TABLE"),
	}
	return dynamo.New(cfg, tables, e.Now, RandomBytes), nil
}

// Queue is the queue whose URL is in the variable.
func (e *Env) Queue(variable string) (*sqs.Queue, error) {
	cfg, err := awscfg.Load(e.Get, awscfg.SQS)
	if err != nil {
		return nil, fmt.Errorf("configuring SQS: %w", err)
	}
	return sqs.New(cfg, sqs.Options{URL: e.Get(variable), Now: e.Now, Log: e.Log, GiveUpPause: e.testDuration("HERMOD_TEST_REDRIVE_HIDE")}), nil
}

// Box seals secrets under the deployment's KMS key.
func (e *Env) Box() (*seal.Box, error) {
	cfg, err := awscfg.Load(e.Get, awscfg.KMS)
	if err != nil {
		return nil, fmt.Errorf("configuring KMS: %w", err)
	}
	return seal.NewBox(kms.New(cfg, e.Get("HERMOD_KMS_KEY")), RandomBytes, e.Now), nil
}

// Sealed is a store with the secrets sealed before it: of two methods of one name
// Go takes the one that is less deep.
type Sealed struct {
	*seal.Store
	Plain
}

// Plain is a store one level deeper.
type Plain struct{ *dynamo.Store }

// Sealed puts the box before the store.
func (e *Env) Sealed(store *dynamo.Store, box *seal.Box) Sealed {
	return Sealed{seal.NewStore(store, box, e.Now, e.Log), Plain{store}}
}

// Acceptor accepts events into the tables and the delivery queue.
func (e *Env) Acceptor(store *dynamo.Store) (*ingest.Acceptor, error) {
	queue, err := e.Queue("HERMOD_DELIVERY_QUEUE_URL")
	if err != nil {
		return nil, err
	}
	return ingest.New(ingest.Options{
		Config: store, Journal: ingest.Direct{Store: store, Queue: queue},
		IDs: hermod.NewIDs(e.Now, RandomBytes), Now: e.Now, Log: e.Log,
	}), nil
}

// HTTP serves the rows of a route table behind API Gateway.
func (e *Env) HTTP(store *dynamo.Store, keys *auth.Keys, routes []api.Route) any {
	bearer := &auth.Bearer{Keys: keys, Credentials: store, Now: e.Now}
	return lambdahttp.Handler(api.NewServer(api.Options{
		Dialect: signicat.Dialect{Bearer: bearer}, Routes: routes, Log: e.Log, Now: e.Now, Trace: RandomID,
	}))
}

// Keys are the signing keys; the sealer is nil where tokens are only verified.
func (e *Env) Keys(store *dynamo.Store, sealer auth.Sealer) *auth.Keys {
	return &auth.Keys{Store: store, Sealer: sealer, Now: e.Now}
}

// BaseURL is where clients reach the deployment.
func (e *Env) BaseURL() api.BaseURL { return api.BaseURL(e.Get("HERMOD_PUBLIC_URL")) }

// MaxReceives is how often the function's queue hands out a message.
func (e *Env) MaxReceives() (int, error) {
	n, err := strconv.Atoi(e.Get("HERMOD_MAX_RECEIVES"))
	if err != nil {
		return 0, fmt.Errorf("reading HERMOD_MAX_RECEIVES: %w", err)
	}
	return n, nil
}

// emulator reports whether the deployment is a test's own. Nothing that relaxes a
// rule is read anywhere else.
func (e *Env) emulator() bool { return e.Get("HERMOD_STAGE") == "emulator" }

// Policy says where deliveries may go.
func (e *Env) Policy() (*push.Policy, error) {
	if !e.emulator() {
		return push.Strict(), nil
	}
	networks, err := push.ParseNetworks(e.Get("HERMOD_TEST_TARGET_CIDRS"))
	if err != nil {
		return nil, fmt.Errorf("reading HERMOD_TEST_TARGET_CIDRS: %w", err)
	}
	return push.Emulator(networks...), nil
}

// Waits are the waits between attempts that a test asks for, and the longest of
// them that stays in the queue, as in 1s,1s,2s/1500ms; none otherwise.
func (e *Env) Waits() (waits hermod.Schedule, queueWait time.Duration, err error) {
	if !e.emulator() || e.Get("HERMOD_TEST_RETRY_SCHEDULE") == "" {
		return nil, 0, nil
	}
	list, longest, _ := strings.Cut(e.Get("HERMOD_TEST_RETRY_SCHEDULE"), "/")
	for text := range strings.SplitSeq(list, ",") {
		wait, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil {
			return nil, 0, fmt.Errorf("reading HERMOD_TEST_RETRY_SCHEDULE: %w", err)
		}
		waits = append(waits, wait)
	}
	if longest == "" {
		return waits, 0, nil
	}
	if queueWait, err = time.ParseDuration(longest); err != nil {
		return nil, 0, fmt.Errorf("reading HERMOD_TEST_RETRY_SCHEDULE: %w", err)
	}
	return waits, queueWait, nil
}

func (e *Env) testDuration(variable string) time.Duration {
	if !e.emulator() {
		return 0
	}
	d, _ := time.ParseDuration(e.Get(variable)) // 0 keeps the default
	return d
}

// RandomBytes fills p. It never fails: see crypto/rand.Read.
func RandomBytes(p []byte) { _, _ = rand.Read(p) }

// RandomID is 32 hex digits.
func RandomID() string {
	var id hermod.ID
	RandomBytes(id[:])
	return id.String()
}
