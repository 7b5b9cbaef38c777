package signicat

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// redriveSome starts a redrive of what a filter selects, or only counts it. A redrive is
// a replay: it stands among those, where its progress is read and it is cancelled.
func (d *DeadLetters) redriveSome(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	filter, in, err := d.readFilter(r, p, "rate", "preview")
	if err != nil {
		return err
	}
	redrive := &hermod.Replay{
		Owner: filter.Owner, Owners: []string{filter.Owner}, SubscriptionID: filter.SubscriptionID, Patterns: filter.Patterns,
		Dead: &hermod.DeadFilter{Reasons: filter.Reasons}, Rate: hermod.DefaultReplayRate,
	}
	redrive.Before = cmp.Or(filter.before, d.Now()).UTC()
	redrive.Below = hermod.FirstIDAt(redrive.Before)
	if !filter.after.IsZero() {
		redrive.Above = hermod.LastIDAt(filter.after)
	}
	preview := in.pace(redrive)
	if err := in.err(); err != nil {
		return err
	}
	if preview {
		if err := d.Planner.Count(r.Context(), redrive); err != nil {
			return err
		}
		return api.WriteJSON(w, http.StatusOK, redrive.Expected)
	}
	if err := d.Planner.Create(r.Context(), redrive); err != nil {
		return err
	}
	item := replayItemOf(redrive, d.BaseURL.Of(r))
	w.Header().Set("Location", item.URL)
	return api.WriteJSON(w, http.StatusAccepted, item)
}

// purgeSome purges what a filter selects.
func (d *DeadLetters) purgeSome(w http.ResponseWriter, r *http.Request, p *hermod.Principal) error {
	filter, in, err := d.readFilter(r, p)
	if err != nil {
		return err
	}
	if err := in.err(); err != nil {
		return err
	}
	filter.Above, filter.Below = letterBounds(filter.after, !filter.after.IsZero(), filter.before, !filter.before.IsZero())
	count, err := d.Letters.Purge(r.Context(), filter.LetterQuery)
	if err != nil {
		return fmt.Errorf("purging dead letters: %w", err)
	}
	return api.WriteJSON(w, http.StatusOK, count)
}

// A letterFilter is what a body says of which dead letters it is about; zero bounds are
// none.
type letterFilter struct {
	hermod.LetterQuery
	after, before time.Time
}

// readFilter reads the filter of a body, which may have more members besides. What is
// wrong with it is left in the fields.
func (d *DeadLetters) readFilter(r *http.Request, p *hermod.Principal, more ...string) (*letterFilter, *fields, error) {
	owners, err := ownersOf(r, p)
	if err != nil {
		return nil, nil, err
	}
	body, err := readOwnMembers(r, maxSmallBody, append(more, "subscriptionId", "reasons", "events", "after", "before")...)
	if err != nil {
		return nil, nil, err
	}
	in := fieldsOf(body)
	filter := &letterFilter{after: in.moment("after"), before: in.moment("before")}
	filter.Owner = owners[0]
	filter.Patterns = in.types("events")
	filter.Reasons = in.reasons("reasons")
	if !filter.after.IsZero() && !filter.before.IsZero() && !filter.after.Before(filter.before) {
		in.Fail("after", "must be earlier than before")
	}
	if in.Read("subscriptionId", &filter.SubscriptionID, "a string") && filter.SubscriptionID != "" && in.err() == nil {
		sub, err := d.subscription(r.Context(), owners, filter.SubscriptionID)
		if err != nil {
			return nil, nil, err
		}
		filter.Owner = sub.Owner
	}
	return filter, in, nil
}

func (f *fields) reasons(name string) (reasons []hermod.Reason) {
	if !f.Read(name, &reasons, "an array of strings") {
		return nil
	}
	known := hermod.DeadReasons()
	if len(reasons) > len(known) {
		f.Fail(name, fmt.Sprintf("must hold at most %d entries", len(known)))
		return nil
	}
	for i, reason := range reasons {
		if !slices.Contains(known, reason) {
			f.Fail(fmt.Sprintf("%s[%d]", name, i), "must be "+deadReasons())
		}
	}
	return reasons
}

// letterItem is a dead letter on the wire.
type letterItem struct {
	// ID is that of the last attempt.
	ID               string        `json:"id"`
	URL              string        `json:"url"`
	RedriveURL       string        `json:"redriveUrl"`
	DeadAt           wireTime      `json:"deadAt"`
	Reason           hermod.Reason `json:"reason"`
	Event            *wireEvent    `json:"event"`
	SubscriptionID   string        `json:"subscriptionId"`
	SubscriptionType string        `json:"subscriptionType"`
	SubscriptionName string        `json:"subscriptionName"`
	LastAttempt      lastAttempt   `json:"lastAttempt"`
}

// lastAttempt is what a dead letter says of the attempt that the delivery log has.
type lastAttempt struct {
	ID           string         `json:"id"`
	URL          string         `json:"url"`
	Attempt      int            `json:"attempt"`
	Run          int            `json:"run"`
	Trigger      hermod.Trigger `json:"trigger"`
	StatusCode   *int           `json:"statusCode"`
	ErrorClass   nullable       `json:"errorClass"`
	ErrorMessage nullable       `json:"errorMessage"`
}

// letterItemOf shows a letter. The event is nil where the log has forgotten it.
func letterItemOf(a *hermod.Attempt, e *hermod.Event, base string) letterItem {
	id := a.String()
	url := base + Base + "/dead-letters/" + id
	item := letterItem{
		ID: id, URL: url, RedriveURL: url + "/redrive", DeadAt: wireTime(a.At), Reason: a.Reason,
		SubscriptionID: a.SubscriptionID, SubscriptionType: a.SubscriptionType, SubscriptionName: a.SubscriptionName,
		LastAttempt: lastAttempt{
			ID: id, URL: attemptURL(base, id), Attempt: a.Number, Run: a.Run, Trigger: a.Trigger,
			ErrorClass: nullable(a.ErrorClass), ErrorMessage: nullable(a.ErrorMessage),
		},
	}
	if a.StatusCode != 0 {
		item.LastAttempt.StatusCode = &a.StatusCode
	}
	if e != nil {
		item.Event = wireEventOf(e)
	}
	return item
}

func attemptURL(base, id string) string { return base + Base + "/delivery-logs/" + id }

// startedRun is the answer to a run that begins.
type startedRun struct {
	// DeliveryAttemptID is not found until the attempt has been made.
	DeliveryAttemptID string `json:"deliveryAttemptId"`
	URL               string `json:"url"`
}

func (d *DeadLetters) writeStarted(w http.ResponseWriter, r *http.Request, first hermod.AttemptKey) error {
	id := first.String()
	return api.WriteJSON(w, http.StatusAccepted, startedRun{DeliveryAttemptID: id, URL: attemptURL(d.BaseURL.Of(r), id)})
}
