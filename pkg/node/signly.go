package node

import (
	"hermod/pkg/api"
	"hermod/pkg/api/auth"
	"hermod/pkg/api/signly"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// signly is the dialect of Signly.
func (n *Node) signly() dialect {
	var pusher deliver.Pusher = n.pushers
	if n.o.Pusher != nil {
		pusher = n.o.Pusher
	}
	cursors := api.Cursors{Keys: n.keys.CursorKeys}
	webhooks := &signly.Webhooks{
		Store: n.store, Targets: n.pushers, Pusher: pusher, Cursors: cursors, Now: n.o.Now, NewID: n.ids.Next,
	}
	history := &signly.History{Store: n.db, Cursors: cursors, Now: n.o.Now}
	return dialect{
		name:    hermod.Signly,
		mount:   api.Mount{Host: "signly", Prefix: signly.Base},
		speaks:  signly.Dialect{Secrets: &auth.Secrets{Credentials: n.db, Now: n.o.Now}, Now: n.o.Now},
		routes:  append(webhooks.Routes(), history.Routes()...),
		encoder: signly.Encoder{},
	}
}
