package hermod

import "time"

// NoticeSender is the sender of the events by which Hermod tells owners of their
// subscriptions.
const NoticeSender = "hermod"

// The names of those events.
const (
	// NoticeFailing: the circuit of the endpoint was opened.
	NoticeFailing = "subscription.failing"
	// NoticeRecovered: it was closed again.
	NoticeRecovered = "subscription.recovered"
	// NoticeDisabled: the subscription was switched off after days of only failures.
	NoticeDisabled = "subscription.disabled"
)

// A Notice is what the owner of a subscription is told of it.
type Notice struct {
	// Name is that of the event.
	Name           string
	Owner          string
	SubscriptionID string
	// SubscriptionName is the owner's own name for it.
	SubscriptionName string
	// OpenedAt is when the circuit was opened that the notice is about.
	OpenedAt time.Time
	// Failures, Since and Class are those of the health; zero where it is well again.
	Failures int
	Since    time.Time
	Class    string
}
