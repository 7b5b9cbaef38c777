package wire

import (
	"fmt"

	"hermod/pkg/api"
	"hermod/pkg/api/signicat"
	"hermod/pkg/lambdahttp"
)

// Public serves rows that everyone may call behind API Gateway. No credential is
// looked up for them, so there is no table to read. It fails for a row that asks for
// a scope.
func (e *Env) Public(routes []api.Route) (any, error) {
	for _, row := range routes {
		if !row.Access.IsPublic() {
			return nil, fmt.Errorf("%s %s is not public", row.Method, row.Path)
		}
	}
	return lambdahttp.Handler(api.NewServer(api.Options{
		Dialect: signicat.Dialect{}, Routes: routes, Log: e.Log, Now: e.Now, Trace: RandomID,
	})), nil
}
