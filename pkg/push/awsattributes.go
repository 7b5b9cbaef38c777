package push

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// The attributes of a message of SQS and SNS that are Hermod's. Consumers see them by
// these names, in this case.
const (
	attributeSender      = "sender"
	attributeEventName   = "eventName"
	attributeEventID     = "eventId"
	attributeTags        = "tags"
	attributeContentType = "content-type"
)

// maxAWSAttributes is how many attributes a message of SQS may have. A topic passes no
// message with more on to a queue.
const maxAWSAttributes = 10

// maxKept bounds what is kept of a refusal that stands in a success.
const maxKept = hermod.MaxResponseKept

// awsAttributes are the attributes of a message: of the event first, then the headers,
// as many as there is room for. What no attribute can hold is left out, since the body
// has it.
func awsAttributes(p *deliver.Payload) []deliver.Named {
	if p.CloudEvent != nil {
		return cloudAttributes(p)
	}
	e := &p.Event
	all := []deliver.Named{
		{Name: attributeSender, Value: e.Sender}, {Name: attributeEventName, Value: e.Name}, {Name: attributeEventID, Value: e.ID},
		{Name: attributeTags, Value: strings.Join(e.Tags, ",")}, {Name: attributeContentType, Value: p.ContentType},
	}
	for _, name := range slices.Sorted(maps.Keys(p.Header)) {
		if value := strings.Join(p.Header[name], ", "); value != e.ID { // which is there already
			all = append(all, deliver.Named{Name: strings.ToLower(name), Value: value})
		}
	}
	all = slices.DeleteFunc(all, func(a deliver.Named) bool { return a.Value == "" || !printable(a.Value) })
	return all[:min(len(all), maxAWSAttributes)]
}

// cloudAttributes are those of a message that is a CloudEvent in binary mode, which has
// nine at most: with the content type they fill a message.
func cloudAttributes(p *deliver.Payload) []deliver.Named {
	all := []deliver.Named{{Name: attributeContentType, Value: p.ContentType}}
	for _, a := range p.CloudEvent {
		if printable(a.Value) {
			all = append(all, deliver.Named{Name: cloudAttribute + a.Name, Value: a.Value})
		}
	}
	return all[:min(len(all), maxAWSAttributes)]
}

// printable reports whether a text has no control character, nor a character that XML
// has not.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff })
}

// awsOrder gives the group and the deduplication id of a message for a queue or a topic
// that keeps an order. The default group is the event's account: events of one are in
// order of their delivery, and a slow consumer of one holds up no other. The id is the
// same at every attempt of a run, so that an attempt whose answer was lost is not there
// twice, and another in each run: who has an event replayed wants it again.
func awsOrder(group string, p *deliver.Payload) (groupID, once string) {
	once = p.Event.ID
	if p.Event.Run > 0 {
		once += ":" + strconv.Itoa(p.Event.Run)
	}
	for _, candidate := range []string{group, p.Event.Account, p.Event.Organization} {
		if candidate != "" && awsGroup(candidate) {
			return candidate, once
		}
	}
	return "hermod", once
}
