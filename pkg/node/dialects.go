package node

import (
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A dialect is one of those beside the native one: who speaks it, what it serves and
// how its deliveries are made.
type dialect struct {
	name hermod.Dialect
	// mount says where it is served; serve fills in its Server.
	mount   api.Mount
	speaks  api.Dialect
	routes  []api.Route
	encoder deliver.Encoder
	// around wraps the dialect's server; nil for nothing.
	around func(http.Handler) http.Handler
}

// dialects are all but the native one.
func (n *Node) dialects() []dialect {
	return []dialect{n.signly(), n.telia(), n.universign()}
}

// handler serves all dialects.
func (n *Node) handler(native api.Dialect, limiter *api.Limiter) http.Handler {
	server := func(d api.Dialect, routes []api.Route) http.Handler {
		return api.NewServer(api.Options{
			Dialect: d, Routes: routes, Log: n.o.Log, Now: n.o.Now, Trace: randomID, Limiter: limiter,
		})
	}
	var mounts []api.Mount
	for _, d := range n.dialects() {
		d.mount.Server = server(d.speaks, d.routes)
		if d.around != nil {
			d.mount.Server = d.around(d.mount.Server)
		}
		mounts = append(mounts, d.mount)
	}
	return api.Mounted(server(native, n.native()), mounts...)
}

// Routes is the whole route table.
func (n *Node) Routes() []api.Route {
	routes := n.native()
	for _, d := range n.dialects() {
		routes = append(routes, d.routes...)
	}
	return routes
}

// encoders make the deliveries of each dialect.
func (n *Node) encoders() map[hermod.Dialect]deliver.Encoder {
	encoders := map[hermod.Dialect]deliver.Encoder{hermod.Signicat: signicat.Encoder{Waits: n.o.Timing.Waits}}
	for _, d := range n.dialects() {
		encoders[d.name] = d.encoder
	}
	for name, e := range encoders {
		encoders[name] = through(n.o.Seams.Encoder, e)
	}
	return encoders
}
