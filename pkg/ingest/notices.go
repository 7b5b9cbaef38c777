package ingest

import (
	"context"
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
	SubscriptionID   string        `json:"subscriptionId"`
	SubscriptionName string        `json:"subscriptionName"`
	OwnerID          string        `json:"ownerId"`
	DisabledReason   hermod.Reason `json:"disabledReason,omitempty"`
	Since            time.Time     `json:"failingSince,omitzero"`
	Failures         int           `json:"failures,omitempty"`
	ErrorClass       string        `json:"errorClass,omitempty"`
}

// Notify emits the event of a notice, once for its name and moment. An owner that does not
// exist is refused, as every producer's is.
func (n *Notices) Notify(ctx context.Context, about *hermod.Notice) error {
	data, err := json.Marshal(notice{
		SubscriptionID: about.SubscriptionID, SubscriptionName: about.SubscriptionName, OwnerID: about.Owner,
		DisabledReason: about.Reason, Since: about.Since, Failures: about.Failures, ErrorClass: about.Class,
	})
	if err != nil {
		return fmt.Errorf("encoding a notice: %w", err)
	}
	e := hermod.Event{
		Timestamp: n.Now().UTC(), Sender: hermod.NoticeSender, Name: about.Name, Data: data, AccountID: about.Owner,
	}
	return n.Acceptor.Emit(ctx, e, about.Name+" "+about.SubscriptionID+" "+strconv.FormatInt(about.At.UnixNano(), 10))
}
