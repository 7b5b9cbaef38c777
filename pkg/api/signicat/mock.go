package signicat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// mocked is the answer to a mock: both ids can be told before the delivery.
type mocked struct {
	EventID           string `json:"eventId"`
	DeliveryAttemptID string `json:"deliveryAttemptId"`
}

// mock delivers a made-up event to the subscription that the path names. It is an
// event of the caller's account; mocked for an organization, it names that.
func (p *Replays) mock(w http.ResponseWriter, r *http.Request, who *hermod.Principal) error {
	owners, err := ownersOf(r, who)
	if err != nil {
		return err
	}
	sub, err := findSubscription(r.Context(), p.Store, owners, r.PathValue("subscriptionId"))
	if err != nil {
		return err
	}
	body, err := readMembers(r, maxSmallBody, "event", "tags")
	if err != nil {
		return err
	}
	f := fieldsOf(body)
	e := hermod.Event{AccountID: who.Account, Tags: f.tagList("tags", hermod.MaxTags-1)} // one is mock
	if sub.Owner != who.Account {
		e.OrganizationID = sub.Owner
	}
	var name string
	f.Required("event")
	if f.Read("event", &name, "a string") {
		var ok bool
		if e.Sender, e.Name, ok = hermod.ParseType(name); !ok {
			f.Fail("event", fmt.Sprintf("must be sender:name, each 1 to %d characters of A-Z a-z 0-9 _ . -", hermod.MaxTypePart))
		}
	}
	if err := f.err(); err != nil {
		return err
	}
	if e.Data, err = p.dataOf(r.Context(), e.AccountID, name); err != nil {
		return err
	}
	made, err := p.Mocker.Mock(r.Context(), e, sub.Ref())
	if err != nil {
		return fmt.Errorf("mocking an event: %w", err)
	}
	first := hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: sub.ID, EventID: made.ID}, Number: 1}
	return api.WriteJSON(w, http.StatusOK, mocked{EventID: made.ID.String(), DeliveryAttemptID: first.String()})
}

// dataOf is data of the type: the account's own example, else the catalog's.
func (p *Replays) dataOf(ctx context.Context, account, event string) (json.RawMessage, error) {
	own, err := p.Store.Definition(ctx, account, event)
	switch {
	case err == nil && own.Example != nil:
		return own.Example, nil
	case err != nil && hermod.CodeOf(err) != hermod.CodeNotFound:
		return nil, fmt.Errorf("reading a definition: %w", err)
	}
	if sample, ok := p.Sample(event); ok {
		return sample, nil
	}
	return json.RawMessage(`{"mock":true}`), nil
}
