package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/provision"
	"hermod/test/faults/ledger"
)

// A subscriber is a subscription and the sender whose events it gets.
type subscriber struct{ id, sender string }

// subscribe opens an endpoint and makes a subscription to it, for a sender of its own.
func (s *stage) subscribe(answer func(key hermod.AttemptKey, n, ofEvent int) int) (subscriber, error) {
	s.mu.Lock()
	s.endpoints++
	path := "endpoint-" + strconv.Itoa(s.endpoints)
	s.mu.Unlock()
	body, err := json.Marshal(map[string]any{
		"name": path, "type": "Webhook", "active": true, "eventNameFilter": []string{path + ":*"},
		"typeConfiguration":     map[string]any{"url": s.receiver.open(path, answer)},
		"messageAuthentication": map[string]any{"authenticationType": "HmacSha256", "hmacSha256": map[string]any{"secret": secret}},
	})
	if err != nil {
		return subscriber{}, err
	}
	got, err := s.api(http.MethodPost, "/subscriptions", body)
	if err != nil {
		return subscriber{}, err
	}
	var answered struct{ ID string }
	err = json.Unmarshal(got, &answered)
	return subscriber{id: answered.ID, sender: path}, err
}

// An event is what a publisher sends.
type event struct {
	Sender  string          `json:"sender"`
	Name    string          `json:"eventName"`
	Data    json.RawMessage `json:"eventData"`
	Expires time.Time       `json:"expiresAt,omitzero"`
	Account string          `json:"accountId,omitempty"`

	payload int
}

// events makes events for a subscriber.
func (s *stage) events(to subscriber, n int) []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]event, n)
	for i := range all {
		s.payload++
		all[i] = event{Sender: to.sender, Name: "happened", Data: ledger.Data(s.payload), payload: s.payload}
	}
	return all
}

// publish publishes events, under an idempotency key where that is not "", and notes that
// they are acknowledged.
func (s *stage) publish(events []event, key string, subscriptions ...string) ([]hermod.ID, error) {
	body, err := json.Marshal(map[string]any{"events": events})
	if err != nil {
		return nil, err
	}
	var header []string
	if key != "" {
		header = []string{"Idempotency-Key", key}
	}
	got, err := s.api(http.MethodPost, "/events", body, header...)
	if err != nil {
		return nil, err
	}
	var answered struct{ Data []struct{ ID hermod.ID } }
	if err := json.Unmarshal(got, &answered); err != nil {
		return nil, err
	}
	if len(answered.Data) != len(events) {
		return nil, fmt.Errorf("%d events were acknowledged as %d", len(events), len(answered.Data))
	}
	ids := make([]hermod.ID, len(events))
	for i, e := range events {
		ids[i] = answered.Data[i].ID
		s.books.Acknowledged(ledger.Publication{ID: ids[i], Payload: e.payload, Subscriptions: subscriptions})
	}
	return ids, nil
}

// send puts events into the queue of events, a message each, and notes that it took them.
func (s *stage) send(events []event, subscriptions ...string) error {
	for _, e := range events {
		e.Account = provision.Local()[0].Account
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if err := s.control("ingest", body, nil); err != nil {
			return err
		}
		s.books.Sent(ledger.Publication{Payload: e.payload, Subscriptions: subscriptions})
	}
	return nil
}
