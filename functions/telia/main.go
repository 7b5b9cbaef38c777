// The telia function serves the Telia Sign dialect.
package main

import (
	"hermod/functions/internal/webhooks"
	"hermod/functions/internal/wire"
	"hermod/pkg/api/telia"
	"hermod/pkg/lambdahttp"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	parts, err := webhooks.Open(e)
	if err != nil {
		return nil, err
	}
	d := telia.New(parts.Keys(e), parts.Plain, e.Guard(parts.Plain), e.Now)
	hooks := &telia.Hooks{Store: parts.Store, Targets: parts.Pushers, Now: e.Now, NewID: parts.NewID}
	return lambdahttp.Handler(telia.WithoutSlash(e.Server(parts.Plain, d, telia.Routes(d, hooks)))), nil
}
