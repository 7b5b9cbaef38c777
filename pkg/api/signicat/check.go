package signicat

import (
	"context"
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// A Prober says what a delivery would meet, without delivering an event.
type Prober interface {
	// Probe looks at the destination of the subscription, whose secrets are opened. It
	// returns within some seconds; nothing in its findings is secret.
	Probe(ctx context.Context, s *hermod.Subscription) []deliver.Finding
}

// checked is the answer to a check.
type checked struct {
	// Reachable says that nothing was found that a delivery would fail by.
	Reachable bool          `json:"reachable"`
	Checks    []wireFinding `json:"checks"`
}

// wireFinding is one thing that was looked at. OK is null where it cannot be told
// without a delivery.
type wireFinding struct {
	Name    string `json:"name"`
	OK      *bool  `json:"ok"`
	Message string `json:"message"`
}

// check looks at the destination of the subscription that the path names, whether
// it is active or not. No event is delivered, and nothing is written down.
func (s *Subscriptions) check(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	sub, err := s.find(r, p)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, checkedOf(s.Prober.Probe(r.Context(), sub)))
}

func checkedOf(findings []deliver.Finding) checked {
	c := checked{Reachable: true, Checks: make([]wireFinding, len(findings))}
	for i, f := range findings {
		c.Checks[i] = wireFinding{Name: f.Name, Message: f.Message}
		if f.Verdict != deliver.Unknown {
			ok := f.Verdict == deliver.Passed
			c.Checks[i].OK = &ok
			c.Reachable = c.Reachable && ok
		}
	}
	return c
}
