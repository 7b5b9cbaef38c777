package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"hermod/pkg/hermod"
)

// Notices tell owners of their subscriptions, by events of their own.
type Notices struct {
	Acceptor *Acceptor
	Now      func() time.Time
}

// notice is the data of such an event.
type notice struct {
	SubscriptionID   string    `json:"subscriptionId"`
	SubscriptionName string    `json:"subscriptionName"`
	OwnerID          string    `json:"ownerId"`
	OpenedAt         time.Time `json:"failingSince,omitzero"`
	Failures         int       `json:"failures,omitempty"`
	ErrorClass       string    `json:"errorClass,omitempty"`
}

// Notify accepts the event of a notice, once for each time that the circuit was opened.
// An owner that does not exist is refused, as every producer's is.
func (n *Notices) Notify(ctx context.Context, about *hermod.Notice) error {
	data, err := json.Marshal(notice{
		SubscriptionID: about.SubscriptionID, SubscriptionName: about.SubscriptionName, OwnerID: about.Owner,
		OpenedAt: about.Since, Failures: about.Failures, ErrorClass: about.Class,
	})
	if err != nil {
		return fmt.Errorf("encoding a notice: %w", err)
	}
	key := about.Name + " " + about.SubscriptionID + " " + strconv.FormatInt(about.OpenedAt.UnixNano(), 10)
	_, err = n.Acceptor.Accept(ctx, []Submission{{
		Event: hermod.Event{
			Timestamp: n.Now().UTC(), Sender: hermod.NoticeSender, Name: about.Name, Data: data, AccountID: about.Owner,
		},
		// The data may have changed between two tries.
		Key: key, Hash: sha256.Sum256([]byte(key)),
	}})
	return err
}
