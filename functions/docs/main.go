// The docs function serves the description of the API.
package main

import (
	"hermod/functions/internal/wire"
	"hermod/pkg/api/docs"
)

func main() { wire.Start(build) }

func build(e *wire.Env) (any, error) {
	return e.Public(docs.Pages{BaseURL: e.BaseURL()}.Routes())
}
