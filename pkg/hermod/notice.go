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
	// NoticeDisabled: Hermod has switched the subscription off.
	NoticeDisabled = "subscription.disabled"
	// NoticeExhausted: deliveries have used up their schedules and are dead letters now.
	NoticeExhausted = "subscription.exhausted"
)

// NoticeEvery is how long one notice speaks for all that were exhausted: an hour of the
// clock.
const NoticeEvery = time.Hour

// A Notice is what the owner of a subscription is told of it.
type Notice struct {
	// Name is that of the event.
	Name           string
	Owner          string
	SubscriptionID string
	// SubscriptionName is the owner's own name for it.
	SubscriptionName string
	// At is the moment that the notice is about. Of one subscription there is one notice of a
	// name and a moment.
	At time.Time
	// Reason is why the subscription was switched off; "" where it was not.
	Reason Reason
	// Failures, Since and Class are those of the health; zero where it is well again.
	Failures int
	Since    time.Time
	Class    string
}
