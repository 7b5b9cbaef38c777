package signicat_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"hermod/pkg/api/signicat"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/sign"
)

func TestTheFormatIsNativeKeptAndShownWhereItIsAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	format := func(name string) string { return `,"outputFormat":"` + name + `"` }
	id := w.subscribe(t, "local", "")
	for _, step := range []struct {
		method, members string
		want            any
	}{
		{http.MethodPut, ``, nil},
		{http.MethodPut, format("CloudEventsBinary"), "CloudEventsBinary"},
		{http.MethodPut, ``, "CloudEventsBinary"},
		{http.MethodPatch, `,"outputFormat":null`, "CloudEventsBinary"},
		{http.MethodPut, format("CloudEventsStructured"), "CloudEventsStructured"},
		{http.MethodPut, format("Native"), nil},
	} {
		put := w.do(t, "local", step.method, subscriptionsPath+"/"+id, webhook(step.members)).json(t, http.StatusOK)
		read := w.do(t, "local", http.MethodGet, subscriptionsPath+"/"+id, "").json(t, http.StatusOK)
		if put["outputFormat"] != step.want || read["outputFormat"] != step.want {
			t.Errorf("%s%s: %v, then %v", step.method, step.members, put, read)
		}
	}
	created := w.do(t, "local", http.MethodPost, subscriptionsPath, webhook(format("CloudEventsStructured"))).json(t, http.StatusOK)
	stored, err := w.DB.Subscription(t.Context(), hermod.Ref{Owner: local, ID: created["id"].(string)})
	if err != nil || stored.Format != hermod.CloudEventsStructured || created["outputFormat"] != "CloudEventsStructured" {
		t.Errorf("created: %v, %v", created, err)
	}
	for _, bad := range []string{`"cloudEventsBinary"`, `""`, `7`, `["Native"]`, `"Native "`} {
		refused := w.do(t, "local", http.MethodPost, subscriptionsPath, webhook(`,"outputFormat":`+bad))
		if wrong := refused.wrong(t); !slices.Equal(wrong, []string{"outputFormat"}) {
			t.Errorf("%s: %s", bad, refused.body)
		}
	}
}

func TestTheFormatOfAPrivilegedSubscriptionIsChangedByHoldersOfItsScopeAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "privileged", `,"includeInternalEvents":true`)
	body := webhook(`,"outputFormat":"CloudEventsBinary"`)
	wantStatus(t, "ordinary", w.do(t, "ordinary", http.MethodPut, subscriptionsPath+"/"+id, body), http.StatusForbidden)
	wantStatus(t, "privileged", w.do(t, "privileged", http.MethodPut, subscriptionsPath+"/"+id, body), http.StatusOK)
}

func TestBinaryModeIsRefusedWhereThereIsNoPlaceForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const signed = `,"messageAuthentication":{"authenticationType":"StandardWebhooks"}`
	for kind, configuration := range map[string]string{
		"AwsKinesis":     `{"streamArn":"arn:aws:kinesis:eu-west-1:123456789012:stream/orders",` + role + `}`,
		"AwsEventBridge": `{"eventBusArn":"arn:aws:events:eu-west-1:123456789012:event-bus/orders",` + role + `}`,
		"AwsSqs":         `{"queueArn":"arn:aws:sqs:eu-west-1:123456789012:orders",` + role + `}`,
		"AwsSns":         `{"topicArn":"arn:aws:sns:eu-west-1:123456789012:orders",` + role + `}`,
	} {
		message := kind == "AwsSqs" || kind == "AwsSns"
		for more, takes := range map[string]bool{
			``: true, `,"outputFormat":"CloudEventsStructured"`: true, `,"outputFormat":"CloudEventsStructured"` + signed: true,
			`,"outputFormat":"CloudEventsBinary"`: message, `,"outputFormat":"CloudEventsBinary"` + signed: false,
		} {
			a := w.do(t, "local", http.MethodPost, subscriptionsPath, `{"name":"abc","type":"`+kind+`","typeConfiguration":`+configuration+more+`}`)
			if takes {
				wantStatus(t, kind+more, a, http.StatusOK)
			} else if wrong := a.wrong(t); !slices.Equal(wrong, []string{"outputFormat"}) {
				t.Errorf("%s%s: %s", kind, more, a.body)
			}
		}
	}
	// Signing what is in binary mode already is refused by the same rule.
	created := w.do(t, "local", http.MethodPost, subscriptionsPath,
		`{"name":"abc","type":"AwsSqs","outputFormat":"CloudEventsBinary","typeConfiguration":{"queueArn":"arn:aws:sqs:eu-west-1:123456789012:orders",`+role+`}}`).json(t, http.StatusOK)
	a := w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+created["id"].(string),
		`{"type":"AwsSqs","typeConfiguration":{"queueArn":"arn:aws:sqs:eu-west-1:123456789012:orders",`+role+`}`+signed+`}`)
	if wrong := a.wrong(t); !slices.Equal(wrong, []string{"outputFormat"}) {
		t.Errorf("signed later: %s", a.body)
	}
}

// sampleEvent has all that an event can have.
func sampleEvent(t *testing.T) *hermod.Event {
	t.Helper()
	e, _, _ := vector(t)
	e.OrganizationID, e.Tags = "o-p-1", []string{"mock", "nøkkel 🦉", "bell\a"}
	e.Data = json.RawMessage(`{"amount":1.0e400,"text":"<&>\u2028"}`)
	return e
}

func TestAStructuredCloudEventIsTheWholeEvent(t *testing.T) {
	t.Parallel()
	e := sampleEvent(t)
	p, err := signicat.Encoder{}.Encode(t.Context(), attempt(e, &hermod.Subscription{Format: hermod.CloudEventsStructured}, start))
	const want = `{"specversion":"1.0","id":"82fa52a9bc7549438b8c6aee71569fa7","source":"/signature-api","type":"signature-api:order.completed",` +
		`"time":"2023-11-13T11:38:10.7302363Z","accountid":"a-spge-IL9J9flqic18sh4TsUAo","organizationid":"o-p-1",` +
		`"expiresat":"2023-11-13T11:38:40.7302345Z","tags":"mock,nøkkel 🦉","datacontenttype":"application/json",` +
		`"data":{"amount":1.0e400,"text":"<&>\u2028"}}`
	if err != nil || string(p.Body) != want || p.ContentType != "application/cloudevents+json" || p.CloudEvent != nil {
		t.Errorf("got %s as %s, %v", p.Body, p.ContentType, err)
	}
}

func TestABinaryCloudEventIsItsDataWithAttributesBesideIt(t *testing.T) {
	t.Parallel()
	e := sampleEvent(t)
	p, err := signicat.Encoder{}.Encode(t.Context(), attempt(e, &hermod.Subscription{Format: hermod.CloudEventsBinary}, start))
	want := []deliver.Named{
		{Name: "specversion", Value: "1.0"}, {Name: "id", Value: "82fa52a9bc7549438b8c6aee71569fa7"}, {Name: "source", Value: "/signature-api"},
		{Name: "type", Value: "signature-api:order.completed"}, {Name: "time", Value: "2023-11-13T11:38:10.7302363Z"},
		{Name: "accountid", Value: "a-spge-IL9J9flqic18sh4TsUAo"}, {Name: "organizationid", Value: "o-p-1"},
		{Name: "expiresat", Value: "2023-11-13T11:38:40.7302345Z"}, {Name: "tags", Value: "mock,nøkkel 🦉"},
	}
	if err != nil || string(p.Body) != `{"amount":1.0e400,"text":"<&>\u2028"}` || p.ContentType != "application/json" || !slices.Equal(p.CloudEvent, want) {
		t.Errorf("got %s with %v as %s, %v", p.Body, p.CloudEvent, p.ContentType, err)
	}
	bare := &hermod.Event{ID: e.ID, Timestamp: e.Timestamp, Sender: "a", Name: "b", Data: json.RawMessage(`null`)}
	p, err = signicat.Encoder{}.Encode(t.Context(), attempt(bare, &hermod.Subscription{Format: hermod.CloudEventsBinary}, start))
	if err != nil || len(p.CloudEvent) != 5 || string(p.Body) != "null" {
		t.Errorf("a bare event: %+v, %v", p, err)
	}
}

func TestASignatureIsOverTheBodyInEachFormat(t *testing.T) {
	t.Parallel()
	e := sampleEvent(t)
	for _, format := range []hermod.OutputFormat{hermod.NativeFormat, hermod.CloudEventsStructured, hermod.CloudEventsBinary} {
		s := &hermod.Subscription{Format: format, Signing: hermod.HMACSHA256, Secrets: hermod.Secrets{SigningSecret: "secret"}}
		d := attempt(e, s, start)
		d.Key.Run = 3
		p, err := signicat.Encoder{}.Encode(t.Context(), d)
		standard := http.Header{}
		if err == nil {
			err = sign.StandardWebhooks(standard, e.ID.String(), start, p.Body, "secret")
		}
		if err != nil || p.Header.Get("X-Signicat-Signature") != sign.HMACHex("secret", p.Body) || p.Header.Get("webhook-signature") != standard.Get("webhook-signature") || p.Event.Run != 3 {
			t.Errorf("%q: %v, %v", format, p.Header, err)
		}
	}
	if _, err := (signicat.Encoder{}).Encode(t.Context(), attempt(e, &hermod.Subscription{Format: "other"}, start)); err == nil {
		t.Error("an unknown format was encoded")
	}
}

func TestWhatIsDeliveredAsACloudEventIsPublishedAsTheSameEvent(t *testing.T) {
	t.Parallel()
	e := sampleEvent(t)
	e.Tags = []string{"mock", "nøkkel 🦉"}
	p, err := signicat.Encoder{}.Encode(t.Context(), attempt(e, &hermod.Subscription{Format: hermod.CloudEventsStructured}, start))
	if err != nil {
		t.Fatal(err)
	}
	submissions, err := ingest.CloudEvent(p.Body, e.Timestamp.Add(time.Second))
	if err != nil || len(submissions) != 1 {
		t.Fatal(err)
	}
	got := submissions[0].Event
	want := hermod.Event{
		Timestamp: e.Timestamp, Sender: e.Sender, Name: e.Name, Data: e.Data, AccountID: e.AccountID, OrganizationID: e.OrganizationID,
		ExpiresAt: e.ExpiresAt, Tags: e.Tags,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if key := submissions[0].Key; key != fmt.Sprintf("cloudevent:%d:%s%s", len("/signature-api"), "/signature-api", e.ID) {
		t.Errorf("key %s", key)
	}
}
