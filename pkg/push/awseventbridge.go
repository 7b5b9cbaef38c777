package push

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"hermod/pkg/deliver"
)

// eventBridgeConfiguration is typeConfiguration of an AwsEventBridge.
type eventBridgeConfiguration struct {
	awsRole
	EventBusARN string `json:"eventBusArn"`
	// Source and DetailType replace the sender and the name of the event.
	Source     string `json:"source"`
	DetailType string `json:"detailType"`
}

// The bounds of EventBridge.
const (
	maxBusName    = 256
	maxSource     = 256
	maxDetailType = 128
)

func readEventBridge(configuration json.RawMessage, f *faults) (awsTarget, awsRole, error) {
	var c eventBridgeConfiguration
	if err := decode(configuration, &c, "must be an object with a text eventBusArn and a text roleArn"); err != nil {
		return awsTarget{}, awsRole{}, err
	}
	bus, ok := parseAWSARN(c.EventBusARN, "events")
	name, isBus := strings.CutPrefix(bus.resource, "event-bus/")
	switch {
	case c.EventBusARN == "":
		f.add("eventBusArn", "is required")
	case !ok || !isBus || !awsName(name, maxBusName, "/._-"):
		f.add("eventBusArn", "must be the ARN of an event bus, as in arn:aws:events:eu-west-1:123456789012:event-bus/orders")
	}
	if c.Source != "" && (!awsName(c.Source, maxSource, "/._-:@") || strings.HasPrefix(strings.ToLower(c.Source), "aws.")) {
		f.add("source", "must be 1 to 256 letters, digits, '.', '-', '_', '/', ':' and '@', and not begin with aws.")
	}
	if utf8.RuneCountInString(c.DetailType) > maxDetailType || !printable(c.DetailType) {
		f.add("detailType", "must be 1 to 128 characters and no control characters")
	}
	return awsTarget{
		arn: bus, url: cut(bus.String(), maxTarget), action: "events:PutEvents", operation: "AWSEvents.PutEvents", version: "1.1",
		message: func(p *deliver.Payload) []byte { return eventBridgeEntry(bus.String(), &c, p) },
		refused: eventBridgeRefused,
	}, c.awsRole, nil
}

// eventBridgeEntry makes the body of PutEvents. By default an entry is what a Hermod
// that listens to the bus takes for the same event.
func eventBridgeEntry(bus string, c *eventBridgeConfiguration, p *deliver.Payload) []byte {
	type entry struct {
		EventBusName, Source, DetailType, Detail string
		Time                                     float64 `json:",omitempty"` // in seconds since 1970
	}
	e := entry{EventBusName: bus, Source: p.Event.Sender, DetailType: p.Event.Name, Detail: string(p.Body)}
	if c.Source != "" {
		e.Source = c.Source
	}
	if c.DetailType != "" {
		e.DetailType = c.DetailType
	}
	if !p.Event.Time.IsZero() {
		e.Time = float64(p.Event.Time.UnixMilli()) / 1000
	}
	body, _ := json.Marshal(struct{ Entries []entry }{[]entry{e}}) // of texts: it cannot fail
	return body
}

// eventBridgeRefused reads the one entry of an answer to PutEvents, which is a 200 also
// where the entry was refused.
func eventBridgeRefused(body []byte) (code, message string) {
	var said struct {
		FailedEntryCount int
		Entries          []struct{ ErrorCode, ErrorMessage string }
	}
	if err := json.Unmarshal(body, &said); err != nil || len(said.Entries) == 0 {
		return "AnswerNotUnderstood", ""
	}
	if entry := said.Entries[0]; said.FailedEntryCount != 0 || entry.ErrorCode != "" {
		if !awsName(entry.ErrorCode, 100, ".") {
			entry.ErrorCode = "Refused"
		}
		return entry.ErrorCode, text([]byte(entry.ErrorMessage), maxKept)
	}
	return "", text(body, maxKept)
}
