// Package routes is the whole route table, for the tests that are generated from
// it.
package routes

import (
	"slices"

	"hermod/pkg/api"
	"hermod/pkg/api/docs"
	"hermod/pkg/api/signicat"
	"hermod/pkg/api/signly"
	"hermod/pkg/api/telia"
	"hermod/pkg/api/universign"
)

// Table is every row that is served. That a node serves these and no others is
// tested beside the description of the API.
func Table() []api.Route {
	return slices.Concat(
		(&signicat.Tokens{}).Routes(),
		(&signicat.Events{}).Routes(),
		(&signicat.Subscriptions{}).Routes(),
		(&signicat.DeliveryLogs{}).Routes(),
		(&signicat.Replays{}).Routes(),
		(&signicat.DeadLetters{}).Routes(),
		(&signicat.Metadata{}).Routes(),
		(&signicat.Credentials{}).Routes(),
		(&signicat.AuditLog{}).Routes(),
		docs.Pages{}.Routes(),
		(&signly.Webhooks{}).Routes(),
		(&signly.History{}).Routes(),
		telia.Routes(telia.Dialect{}, &telia.Hooks{}),
		(&universign.Endpoints{}).Routes(),
		(&universign.Webhooks{}).Routes(),
		(&universign.JWKS{}).Routes(),
		(&universign.APIKeys{}).Routes(),
		(&universign.Events{}).Routes(),
	)
}
