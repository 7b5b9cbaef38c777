package hermod

import (
	"context"
	"encoding/json"
	"time"
)

// A Message asks for a delivery to be carried on. It carries ids, never the event
// or a secret.
type Message struct {
	EventID        ID      `json:"event"`
	Account        string  `json:"account"`
	Owner          string  `json:"owner"`
	SubscriptionID string  `json:"subscription"`
	Run            int     `json:"run,omitempty"`
	Trigger        Trigger `json:"trigger"`
	// Replay is the replay that started the run; zero for none.
	Replay ID        `json:"replay,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	// After is the number of the waiting row that this message carries on; 0 for
	// the message that starts the run.
	After int `json:"after,omitempty"`
	// Unparked says that the delivery was parked. The message that it was parked from is
	// deleted, though another worker may have been handed the same one.
	Unparked bool `json:"unparked,omitempty"`
}

// RunKey names the run the message belongs to.
func (m *Message) RunKey() RunKey {
	return RunKey{SubscriptionID: m.SubscriptionID, EventID: m.EventID, Run: m.Run}
}

// Ref names the subscription the message is for.
func (m *Message) Ref() Ref { return Ref{Owner: m.Owner, ID: m.SubscriptionID} }

// Encode is the body of the message in a queue.
func (m *Message) Encode() []byte {
	body, _ := json.Marshal(m) // no member can fail
	return body
}

// DecodeMessage reads a body that Encode made.
func DecodeMessage(body []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil {
		return Message{}, &Error{Code: CodeInvalid, Message: "not a delivery message", Err: err}
	}
	return m, nil
}

// Received is a message as a queue hands it out.
type Received struct {
	// ID is the queue's id of the message, the same at every receive.
	ID   string
	Body []byte
	// Receives counts the receives of this message, this one included.
	Receives int
	// SentAt is when the queue took the message; for one that was moved back from
	// the dead letters, when it was moved.
	SentAt time.Time
	// Redriven says that the message was moved back from the dead letters.
	Redriven bool
	// Sender is the principal that sent the message, as far as the queue knows.
	Sender string
}

// A DeadMessage is one in a dead-letter queue, as an operator looks at it.
type DeadMessage struct {
	ID     string
	Body   []byte
	SentAt time.Time
	// Reason is what the queue itself knows of why it is there; "" for nothing.
	Reason string
}

// An Action is what shall become of a received message.
type Action int

// The actions. Again and GiveUp count as failed receives: after the last receive
// the queue moves the message to its dead letters.
const (
	// Done deletes the message.
	Done Action = iota
	// Again hides the message until Outcome.At, then it is received again.
	Again
	// GiveUp hides the message briefly, again and again, until it is moved to the
	// dead letters.
	GiveUp
)

// An Outcome is what a handler decided about one message. The handler decides,
// the engine executes.
type Outcome struct {
	Action Action
	At     time.Time
}

// GiveUpPause is how long a message that was given up stays hidden between the
// receives that are left to it.
const GiveUpPause = 30 * time.Second

// The pause after a fault of Hermod's own.
const (
	minFaultPause = 5 * time.Second
	maxFaultPause = 15 * time.Minute
)

// FaultPause is how long a message waits that could not be handled for a fault of
// Hermod's own, such as a table that throttles: 5 s after the first receive, then
// twice as long each time, up to 15 minutes. Ten receives outlast an outage of
// three quarters of an hour.
func FaultPause(receives int) time.Duration {
	pause := minFaultPause
	for range receives - 1 {
		if pause *= 2; pause >= maxFaultPause {
			return maxFaultPause
		}
	}
	return pause
}

// A Handler decides about a batch of messages. It answers as many outcomes as it
// got messages, in their order.
type Handler func(ctx context.Context, batch []Received) []Outcome
