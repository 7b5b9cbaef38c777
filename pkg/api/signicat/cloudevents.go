package signicat

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"hermod/pkg/api"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// The media types of deliveries.
const (
	jsonMedia       = "application/json"
	cloudEventMedia = "application/cloudevents+json"
)

// bodyOf makes the body of a delivery in the format of its subscription; attributes
// are those of a CloudEvent in binary mode.
func bodyOf(e *hermod.Event, format hermod.OutputFormat) (body []byte, mediaType string, attributes []deliver.Named, err error) {
	switch format {
	case hermod.NativeFormat:
		body, err = api.EncodeJSON(wireEventOf(e))
		return body, jsonMedia, nil, err
	case hermod.CloudEventsStructured:
		body, err = structured(e)
		return body, cloudEventMedia, nil, err
	case hermod.CloudEventsBinary:
		body, err = api.EncodeJSON(e.Data)
		return body, jsonMedia, cloudAttributes(e), err
	default:
		return nil, "", nil, fmt.Errorf("no format %q is known", format)
	}
}

// cloudAttributes are the attributes of an event as a CloudEvent (CloudEvents 1.0.2,
// section 3), in the form in which Hermod itself takes one: who sends them to it gets
// the same event. The source is the sender, as a path: a sender alone would be a path
// too, but one that no two readers resolve alike. What the event has not is left out.
func cloudAttributes(e *hermod.Event) []deliver.Named {
	expires := ""
	if !e.ExpiresAt.IsZero() {
		expires = e.ExpiresAt.UTC().Format(time.RFC3339Nano)
	}
	all := []deliver.Named{
		{Name: "specversion", Value: "1.0"},
		{Name: "id", Value: e.ID.String()},
		{Name: "source", Value: "/" + e.Sender},
		{Name: "type", Value: e.Type()},
		{Name: "time", Value: e.Timestamp.UTC().Format(time.RFC3339Nano)},
		{Name: "accountid", Value: e.AccountID},
		{Name: "organizationid", Value: e.OrganizationID},
		{Name: "expiresat", Value: expires},
		{Name: "tags", Value: cloudTags(e.Tags)},
	}
	return slices.DeleteFunc(all, func(a deliver.Named) bool { return a.Value == "" })
}

// cloudTags lists tags with commas between them. An attribute can hold no control
// character: a tag with one is left out.
func cloudTags(tags []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(tags), func(tag string) bool {
		return strings.ContainsFunc(tag, unicode.IsControl)
	}), ",")
}

// structured makes an event in the JSON format (CloudEvents JSON Event Format 1.0.2).
func structured(e *hermod.Event) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, a := range append(cloudAttributes(e), deliver.Named{Name: "datacontenttype", Value: jsonMedia}) {
		value, err := api.EncodeJSON(a.Value)
		if err != nil {
			return nil, err
		}
		b.WriteString(`"` + a.Name + `":`)
		b.Write(value)
		b.WriteByte(',')
	}
	data, err := api.EncodeJSON(e.Data)
	if err != nil {
		return nil, err
	}
	b.WriteString(`"data":`)
	b.Write(data)
	b.WriteByte('}')
	return b.Bytes(), nil
}

// nativeFormat is what the format of that API is called where one is asked for.
const nativeFormat = "Native"

// formatsOf are the formats that destinations of a type take. The entries of an event
// bus and the records of a stream have no place for attributes beside their body.
func formatsOf(kind string) []string {
	switch kind {
	case hermod.AWSEventBridge, hermod.AWSKinesis:
		return []string{nativeFormat, string(hermod.CloudEventsStructured)}
	default:
		return []string{nativeFormat, string(hermod.CloudEventsStructured), string(hermod.CloudEventsBinary)}
	}
}

// format reads what deliveries look like; what says nothing of it stays. The type and
// the signing must have been read.
func (f *fields) format(s *hermod.Subscription) {
	const name = "outputFormat"
	var text string
	formats := formatsOf(s.Type)
	switch read := f.Read(name, &text, "a string"); {
	case read && !slices.Contains(formats, text):
		f.Fail(name, "must be one of "+strings.Join(formats, ", "))
		return
	case read && text == nativeFormat:
		s.Format = hermod.NativeFormat
	case read:
		s.Format = hermod.OutputFormat(text)
	}
	if s.Format == hermod.CloudEventsBinary && s.Signing != hermod.Unsigned && (s.Type == hermod.AWSSQS || s.Type == hermod.AWSSNS) {
		f.Fail(name, "must not be CloudEventsBinary with messageAuthentication: a message has ten attributes, and the event takes them all")
	}
}
