package node

import (
	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/universign"
	"hermod/pkg/hermod"
	"hermod/pkg/replay"
)

// universign is the dialect of Universign.
func (n *Node) universign() dialect {
	endpoints := &universign.Endpoints{
		Store: n.store, Targets: n.pushers, EnsureKey: n.deliveryKeys.Ensure, NewID: n.ids.Next, Now: n.o.Now,
	}
	webhooks := &universign.Webhooks{
		Store: n.db, Now: n.o.Now,
		Retrier: &replay.Starter{Deliveries: n.db, Queue: n.queueOf("replay"), Now: n.o.Now, Trigger: hermod.TriggerRetry},
	}
	apiKeys := &universign.APIKeys{
		Registry: &auth.Registry{Store: n.db, Now: n.o.Now, Random: randomBytes},
		Renamer:  n.db, Emitter: n.acceptor, Now: n.o.Now, Log: n.o.Log,
	}
	events := &universign.Events{Store: n.db, Random: randomBytes, Now: n.o.Now}
	var routes []api.Route
	for _, part := range []interface{ Routes() []api.Route }{
		endpoints, webhooks, &universign.JWKS{Keys: n.deliveryKeys}, apiKeys, events,
	} {
		routes = append(routes, part.Routes()...)
	}
	return dialect{
		name:    hermod.Universign,
		mount:   api.Mount{Host: "universign", Prefix: universign.Prefix},
		speaks:  universign.Dialect{Secrets: &auth.Secrets{Credentials: n.db, Now: n.o.Now}},
		routes:  routes,
		encoder: universign.Encoder{Keys: n.deliveryKeys, Waits: n.o.Timing.Waits},
	}
}
