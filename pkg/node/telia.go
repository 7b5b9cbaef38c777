package node

import (
	"hermod/pkg/api"
	"hermod/pkg/api/telia"
	"hermod/pkg/hermod"
)

// telia is the Telia Sign dialect.
func (n *Node) telia() dialect {
	speaks := telia.New(n.keys, n.db, n.guard, n.o.Now)
	hooks := &telia.Hooks{Store: n.store, Targets: n.pushers, Now: n.o.Now, NewID: n.ids.Next}
	return dialect{
		name:  hermod.TeliaSign,
		mount: api.Mount{Host: "telia", Begins: []string{"/hooks", "/identity"}}, speaks: speaks,
		routes: telia.Routes(speaks, hooks), around: telia.WithoutSlash,
		encoder: telia.Encoder{Waits: n.o.Timing.Waits},
	}
}
