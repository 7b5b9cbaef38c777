package ingest_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// nested is an array in an array, n deep.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// native is an event with these members besides sender and eventName.
func native(members string) string { return `{"sender":"s","eventName":"n",` + members + `}` }

func TestNativeReadsAllMembers(t *testing.T) {
	t.Parallel()
	body := `{ "sender":"signature-api", "eventName" :"order.completed","eventData": { "b":1.50, "a":[ "\u0000\ud800" ] } ,
		"tags":["x","y"],"timestamp":"2026-03-01T13:00:00.1234567+01:00","expiresAt":"2026-03-02T00:00:00Z",
		"accountId":"a-1","organizationId":"o-1","context":{"userId":"u","apiKeyId":"k","traceId":"t"},
		"unknown":{"sender":"z"},"EventData":"not this one","unknown":1}`
	got, err := ingest.Native([]byte(body), start)
	if err != nil {
		t.Fatal(err)
	}
	e := got[0].Event
	if e.Type() != "signature-api:order.completed" || string(e.Data) != `{ "b":1.50, "a":[ "\u0000\ud800" ] }` ||
		!slices.Equal(e.Tags, []string{"x", "y"}) || !e.Timestamp.Equal(start.Add(123456700)) || e.Timestamp.Location() != time.UTC ||
		!e.ExpiresAt.Equal(start.Add(12*time.Hour)) || e.AccountID != "a-1" || e.OrganizationID != "o-1" ||
		e.Context != (hermod.Context{UserID: "u", APIKeyID: "k", TraceID: "t"}) || got[0].Key != "" {
		t.Errorf("read %+v, data %s", e, e.Data)
	}
}

func TestNativeTakesWhatIsOptionalAsAbsent(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		native(`"eventData":null`),
		native(`"eventData":null,"tags":null,"timestamp":null,"expiresAt":null,"accountId":null,"organizationId":null,"context":null`),
	} {
		got, err := ingest.Native([]byte(body), start)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		e := got[0].Event
		if string(e.Data) != "null" || !e.Timestamp.Equal(start) || !e.ExpiresAt.IsZero() || e.AccountID != "" || e.OrganizationID != "" || e.Tags != nil {
			t.Errorf("%s: %+v", body, e)
		}
	}
}

func TestNativeNamesEveryMemberThatIsWrong(t *testing.T) {
	t.Parallel()
	tags := func(n int) string { return `["` + strings.Join(slices.Repeat([]string{"t"}, n), `","`) + `"]` }
	for name, tt := range map[string]struct {
		body  string
		wrong []string
	}{
		"nothing":                {`{}`, []string{"sender", "eventName", "eventData"}},
		"all of a wrong kind":    {`{"sender":1,"eventName":[],"eventData":1,"tags":"x","timestamp":1,"expiresAt":{},"accountId":true,"organizationId":0,"context":"c"}`, []string{"sender", "eventName", "tags", "timestamp", "expiresAt", "accountId", "organizationId", "context"}},
		"all empty":              {`{"sender":"","eventName":"","eventData":"","timestamp":"","expiresAt":"","accountId":"","organizationId":""}`, []string{"sender", "eventName", "timestamp", "expiresAt", "accountId", "organizationId"}},
		"names in another case":  {`{"Sender":"s","EVENTNAME":"n","EventData":1}`, []string{"sender", "eventName", "eventData"}},
		"a name with folding":    {`{"\u017fender":"s","eventName":"n","eventData":1}`, []string{"sender"}},
		"a member twice":         {native(`"eventData":1,"eventData":1`), []string{"eventData"}},
		"twice by an escape":     {native(`"eventData":1,"event\u0044ata":2`), []string{"eventData"}},
		"a type with a colon":    {`{"sender":"a:b","eventName":"n","eventData":1}`, []string{"sender"}},
		"a name with a star":     {`{"sender":"a","eventName":"*","eventData":1}`, []string{"eventName"}},
		"a sender too long":      {`{"sender":"` + strings.Repeat("x", 129) + `","eventName":"n","eventData":1}`, []string{"sender"}},
		"data too deep":          {native(`"eventData":` + nested(33)), []string{"eventData"}},
		"51 tags":                {native(`"eventData":1,"tags":` + tags(51)), []string{"tags"}},
		"100000 empty tags":      {native(`"eventData":1,"tags":` + strings.ReplaceAll(tags(40_000), "t", "")), []string{"tags"}},
		"tags of a wrong length": {native(`"eventData":1,"tags":["","ok","` + strings.Repeat("é", 129) + `"]`), []string{"tags[0]", "tags[2]"}},
		"a tag that is null":     {native(`"eventData":1,"tags":[null]`), []string{"tags[0]"}},
		"no date":                {native(`"eventData":1,"timestamp":"yesterday","expiresAt":"2026-03-01"`), []string{"timestamp", "expiresAt"}},
		"a date without a zone":  {native(`"eventData":1,"timestamp":"2026-03-01T12:00:00"`), []string{"timestamp"}},
		"too far ahead":          {native(`"eventData":1,"timestamp":"2026-03-01T12:05:00.001Z"`), []string{"timestamp"}},
		"years nobody can hold":  {native(`"eventData":1,"timestamp":"1899-12-31T23:59:59Z","expiresAt":"2201-01-01T00:00:00Z"`), []string{"timestamp", "expiresAt"}},
		"an owner that is none":  {native(`"eventData":1,"accountId":"a b","organizationId":"` + strings.Repeat("o", 129) + `"`), []string{"accountId", "organizationId"}},
		"a context too long":     {native(`"eventData":1,"context":{"userId":"` + strings.Repeat("u", 129) + `"}`), []string{"context"}},
		"an empty batch":         {`{"events":[]}`, []string{"events"}},
		"a batch of null":        {`{"events":null}`, []string{"events"}},
		"a batch of one text":    {`{"events":"x"}`, []string{"events"}},
		"a batch of 101":         {`{"events":[` + strings.Repeat("1,", 100) + `1]}`, []string{"events"}},
		"a batch and an event":   {`{"events":[],"sender":"s"}`, []string{"events"}},
		"two batches":            {`{"events":[],"events":[]}`, []string{"events"}},
		"elements of a batch":    {`{"events":[null,[],1,` + native(`"eventData":1`) + `,{"sender":"s","eventName":"n n"},` + native(`"eventData":1,"eventData":2`) + `]}`, []string{"events[0]", "events[1]", "events[2]", "events[4].eventName", "events[4].eventData", "events[5].eventData"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ingest.Native([]byte(tt.body), start)
			wantFields(t, err, tt.wrong...)
		})
	}
}

func TestWhatIsNoObjectInUTF8IsRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body      string
		malformed bool
	}{
		"nothing":                {"", true},
		"space":                  {" \n", true},
		"an end too early":       {`{"sender":`, true},
		"something behind":       {`{} x`, true},
		"two values":             {`{}{}`, true},
		"a trailing comma":       {`{"sender":"s",}`, true},
		"a byte order mark":      {"\ufeff{}", true},
		"a NUL":                  {"{}\x00", true},
		"a NUL in a text":        {"{\"sender\":\"\x00\"}", true},
		"invalid UTF-8":          {"{\"sender\":\"\xff\"}", true},
		"an encoded surrogate":   {"{\"sender\":\"\xed\xa0\x80\"}", true},
		"nested beyond reason":   {`{"eventData":` + nested(10_001) + `}`, true},
		"null":                   {`null`, false},
		"an array":               {`[]`, false},
		"a text":                 {`"x"`, false},
		"a number of a kilobyte": {strings.Repeat("9", 1024), false},
	} {
		for form, read := range map[string]func([]byte, time.Time) ([]ingest.Submission, error){
			"native": ingest.Native, "cloudevent": ingest.CloudEvent, "eventbridge": ingest.EventBridge,
		} {
			_, err := read([]byte(tt.body), start)
			if _, malformed := errors.AsType[ingest.ErrMalformed](err); hermod.CodeOf(err) != hermod.CodeInvalid || malformed != tt.malformed {
				t.Errorf("%s, %s: %v, malformed %v", form, name, err, malformed)
			}
		}
	}
}

func TestTheBoundsThemselvesAreAccepted(t *testing.T) {
	t.Parallel()
	frame := len(native(`"eventData":""`))
	whole := native(`"eventData":"` + strings.Repeat("x", hermod.MaxEventBytes-frame) + `"`)
	for name, body := range map[string]string{
		"an event of 256 KB":         whole,
		"one in a batch":             `{"events":[ ` + whole + ` , ` + native(`"eventData":1`) + `]}`,
		"a batch of 100":             `{"events":[` + strings.Repeat(native(`"eventData":1`)+",", 99) + native(`"eventData":1`) + `]}`,
		"data of depth 32":           native(`"eventData":` + nested(32)),
		"brackets in a text":         native(`"eventData":"` + strings.Repeat(`[\"`, 100) + `"`),
		"a number beyond all floats": native(`"eventData":1e999999`),
		"tags of 128 characters":     native(`"eventData":1,"tags":["` + strings.Repeat("é", 128) + `"]`),
		"5 minutes ahead":            native(`"eventData":1,"timestamp":"2026-03-01T12:05:00Z"`),
	} {
		if _, err := ingest.Native([]byte(body), start); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	over := strings.Replace(whole, "x", "xx", 1)
	for name, body := range map[string]string{"one byte more": over, "one byte more in a batch": `{"events":[` + over + `]}`} {
		if _, err := ingest.Native([]byte(body), start); hermod.CodeOf(err) != hermod.CodeTooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// cloud is a CloudEvent with these members besides those that are required.
func cloud(members string) string {
	return `{"specversion":"1.0","id":"1","source":"src","type":"s:n"` + members + `}`
}

func TestCloudEventReadsAllMembers(t *testing.T) {
	t.Parallel()
	got, err := ingest.CloudEvent([]byte(cloud(`,"time":"2026-03-01T12:00:00Z","data":{ "a":1 },"datacontenttype":"application/json",
		"accountid":"a-1","organizationid":"o-1","expiresat":"2026-03-02T00:00:00Z","tags":" x , y,,"`)), start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	e := got[0].Event
	if e.Type() != "s:n" || string(e.Data) != `{ "a":1 }` || !e.Timestamp.Equal(start) || !e.ExpiresAt.Equal(start.Add(12*time.Hour)) ||
		e.AccountID != "a-1" || e.OrganizationID != "o-1" || !slices.Equal(e.Tags, []string{"x", "y"}) {
		t.Errorf("read %+v, data %s", e, e.Data)
	}
}

func TestCloudEventTypeNamesItsSenderOrTheSourceDoes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		source, typ, want string
		wrong             []string
	}{
		{"/any/uri", "a:b", "a:b", nil},
		{"billing", "order.done", "billing:order.done", nil},
		{"/any/uri", "order.done", "", []string{"source"}},
		{"src", "a:b:c", "", []string{"type"}},
		{"src", "a b", "", []string{"type"}},
		{"src", ":", "", []string{"type"}},
		{"", "a:b", "", []string{"source"}},
		{"src", "", "", []string{"type"}},
	} {
		got, err := ingest.CloudEvent(fmt.Appendf(nil, `{"specversion":"1.0","id":"1","source":%q,"type":%q}`, tt.source, tt.typ), start)
		if tt.wrong != nil {
			wantFields(t, err, tt.wrong...)
		} else if err != nil || got[0].Event.Type() != tt.want {
			t.Errorf("source %q, type %q: %v, %v", tt.source, tt.typ, got, err)
		}
	}
}

func TestCloudEventDataIsJSONInEitherForm(t *testing.T) {
	t.Parallel()
	encode := func(s string) string { return `,"data_base64":"` + base64.StdEncoding.EncodeToString([]byte(s)) + `"` }
	for name, tt := range map[string]struct{ members, want string }{
		"none":              {``, `null`},
		"null":              {`,"data":null`, `null`},
		"a text":            {`,"data":"<a>"`, `"<a>"`},
		"in base64":         {encode(`{"a": 1}`), `{"a": 1}`},
		"a base64 of null":  {`,"data_base64":null,"data":1`, `1`},
		"both":              {`,"data":1` + encode(`1`), ""},
		"no JSON in base64": {encode(`hello`), ""},
		"no UTF-8 in it":    {encode("\"\xff\""), ""},
		"an empty base64":   {`,"data_base64":""`, ""},
		"no base64":         {`,"data_base64":"%%"`, ""},
		"a number":          {`,"data_base64":1`, ""},
		"too deep in it":    {encode(nested(33)), ""},
	} {
		got, err := ingest.CloudEvent([]byte(cloud(tt.members)), start)
		if tt.want == "" {
			wantFields(t, err, "data_base64")
		} else if err != nil || string(got[0].Event.Data) != tt.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestCloudEventNamesEveryAttributeThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body  string
		wrong []string
	}{
		"nothing":                    {`{}`, []string{"specversion", "id", "source", "type"}},
		"another version":            {`{"specversion":"0.3","id":"1","source":"s","type":"a:b"}`, []string{"specversion"}},
		"a version as a number":      {`{"specversion":1.0,"id":"1","source":"s","type":"a:b"}`, []string{"specversion"}},
		"names in another case":      {`{"specVersion":"1.0","ID":"1","source":"s","type":"a:b"}`, []string{"specversion", "id"}},
		"an id as a number":          {`{"specversion":"1.0","id":1,"source":"s","type":"a:b"}`, []string{"id"}},
		"an id too long":             {`{"specversion":"1.0","id":"` + strings.Repeat("i", 257) + `","source":"s","type":"a:b"}`, []string{"id"}},
		"tags as an array":           {cloud(`,"tags":["x"]`), []string{"tags"}},
		"an attribute twice":         {cloud(`,"type":"c:d"`), []string{"type"}},
		"extensions of a wrong kind": {cloud(`,"accountid":1,"organizationid":"a b","expiresat":"x","time":true`), []string{"time", "expiresat", "accountid", "organizationid"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ingest.CloudEvent([]byte(tt.body), start)
			wantFields(t, err, tt.wrong...)
		})
	}
}

func TestTheKeyOfACloudEventIsItsIDAndSourceTogether(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for _, pair := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"a", "b\nc"}, {"a\nb", "c"}, {"1:a", "b"}, {"", ""}} {
		body := fmt.Sprintf(`{"specversion":"1.0","source":%q,"id":%q,"type":"s:n"}`, pair[0]+"x", pair[1]+"x")
		got, err := ingest.CloudEvent([]byte(body), start)
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := keys[got[0].Key]; ok {
			t.Errorf("%q and %s have one key", pair, before)
		}
		keys[got[0].Key] = fmt.Sprint(pair)
	}
}

func TestCloudEventBatchIsAnArrayOfEvents(t *testing.T) {
	t.Parallel()
	got, err := ingest.CloudEventBatch([]byte(`[`+cloud(`,"data":1`)+`, `+cloud(`,"data":2`)+`]`), start)
	if err != nil || len(got) != 2 || string(got[1].Event.Data) != "2" {
		t.Fatalf("%v, %v", got, err)
	}
	for body, wrong := range map[string][]string{
		`[]`: {"events"}, `null`: {"events"}, `[` + strings.Repeat("1,", 100) + `1]`: {"events"},
		`[1,` + cloud(`,"time":"x"`) + `]`: {"events[0]", "events[1].time"},
	} {
		_, err := ingest.CloudEventBatch([]byte(body), start)
		wantFields(t, err, wrong...)
	}
	for _, body := range []string{`{}`, `"x"`, `1`} {
		if _, err := ingest.CloudEventBatch([]byte(body), start); hermod.CodeOf(err) != hermod.CodeInvalid {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, body := range []string{``, `[`, "[\"\xff\"]"} {
		_, err := ingest.CloudEventBatch([]byte(body), start)
		if _, malformed := errors.AsType[ingest.ErrMalformed](err); !malformed {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestEventBridgeEnvelopeIsReadWithItsDetail(t *testing.T) {
	t.Parallel()
	got, err := ingest.EventBridge([]byte(`{"version":"0","id":"b-1","detail-type":"order.done","source":"shop","account":"123456789012",
		"time":"2026-03-01T12:00:00Z","region":"eu-west-1","resources":[],
		"detail":{"accountId":"a-1","organizationId":"o-1","tags":["x"],"expiresAt":"2026-03-02T00:00:00Z","eventData":[ 1 ],"sender":"not this"}}`), start)
	if err != nil {
		t.Fatal(err)
	}
	e := got[0].Event
	if e.Type() != "shop:order.done" || string(e.Data) != `[ 1 ]` || !e.Timestamp.Equal(start) || e.AccountID != "a-1" ||
		e.OrganizationID != "o-1" || !slices.Equal(e.Tags, []string{"x"}) || !e.ExpiresAt.Equal(start.Add(12*time.Hour)) || got[0].Key != "eventbridge:b-1" {
		t.Errorf("read %+v", got[0])
	}
}

func TestEventBridgeNamesEveryMemberThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body  string
		wrong []string
	}{
		"nothing":           {`{}`, []string{"source", "detail-type", "id", "detail"}},
		"a detail of null":  {`{"source":"a","detail-type":"b","id":"1","detail":null}`, []string{"detail"}},
		"a detail as text":  {`{"source":"a","detail-type":"b","id":"1","detail":"{}"}`, []string{"detail"}},
		"an empty detail":   {`{"source":"a","detail-type":"b","id":"1","detail":{}}`, []string{"detail.eventData"}},
		"members of detail": {`{"source":"a","detail-type":"b c","id":"1","detail":{"eventData":1,"tags":1,"accountId":2}}`, []string{"detail-type", "detail.tags", "detail.accountId"}},
		"data twice":        {`{"source":"a","detail-type":"b","id":"1","detail":{"eventData":1,"eventData":2}}`, []string{"detail.eventData"}},
		"an id too long":    {`{"source":"a","detail-type":"b","id":"` + strings.Repeat("i", 257) + `","detail":{"eventData":1}}`, []string{"id"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ingest.EventBridge([]byte(tt.body), start)
			wantFields(t, err, tt.wrong...)
		})
	}
}
