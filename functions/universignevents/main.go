// The universignevents function serves the events of the dialect of Universign, and
// the report and the exports of them.
package main

import (
	"fmt"
	"time"

	"hermod/functions/internal/wire"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/awscfg"
	"hermod/pkg/s3"
)

func main() { wire.Start(build) }

// uploadTimeout is how long one attempt to put an export may take.
const uploadTimeout = 6 * time.Second

func build(e *wire.Env) (any, error) {
	store, err := e.Store()
	if err != nil {
		return nil, err
	}
	cfg, err := awscfg.Load(e.Get, awscfg.S3)
	if err != nil {
		return nil, fmt.Errorf("configuring S3: %w", err)
	}
	cfg.HTTPClient = awscfg.HTTPClient(uploadTimeout)
	events := &universign.Events{
		Store: store, Exports: s3.New(cfg, e.Get("HERMOD_EXPORTS_BUCKET"), e.Now), Random: wire.RandomBytes, Now: e.Now,
	}
	d := universign.Dialect{Secrets: &auth.Secrets{Credentials: store, Now: e.Now}}
	return e.Dialect(store, d, universign.Prefix, events.Routes()), nil
}
