// Package docs holds the description of the API, so that it can be served and
// tested.
package docs

import _ "embed" // of the description

//go:embed openapi.yaml
var openAPI string

// OpenAPI is the description of the whole API: OpenAPI 3.1 in YAML.
func OpenAPI() string { return openAPI }

// Base is where the description says that Hermod is reached. Who serves it puts the
// real one in its place.
const Base = "http://127.0.0.1:3000"
