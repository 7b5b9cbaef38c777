package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"hermod/pkg/hermod"
)

// Targets judges the configuration of destinations.
type Targets interface {
	// Check fails with CodeInvalid, naming the members at fault below
	// typeConfiguration.
	Check(kind string, configuration json.RawMessage) error
	// Agree has the endpoint of a webhook agree to deliveries, where the configuration
	// or the operator asks for that; before is the configuration that stands, nil for
	// none, whose endpoint is not asked again. It takes some seconds, and fails with
	// CodeInvalid, naming typeConfiguration.url, where the endpoint does not agree.
	Agree(ctx context.Context, kind string, configuration, before json.RawMessage) error
}

// Refusals are the reasons for which Targets refused a webhook, under the names that a
// dialect gives its URL and its headers; a header's own name follows a dot. None where
// the error is nil.
func Refusals(err error, url, headers string) []hermod.FieldError {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*hermod.Error](err)
	if !ok || len(e.Fields) == 0 {
		return []hermod.FieldError{{Name: url, Reason: err.Error()}}
	}
	all := make([]hermod.FieldError, len(e.Fields))
	for i, f := range e.Fields {
		all[i] = hermod.FieldError{Name: url, Reason: f.Reason}
		if header, ok := strings.CutPrefix(f.Name, "typeConfiguration.headers"); ok {
			all[i].Name = headers + header
		}
	}
	return all
}
