package telia_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/api/telia"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// encode gives the body of a delivery of a telia-sign event to local's tenant.
func encode(t *testing.T, name, data string) string {
	t.Helper()
	d := deliver.Delivery{
		Event: &hermod.Event{
			Sender: "telia-sign", Name: name, Data: json.RawMessage(data),
			Timestamp: time.Date(2024, 5, 2, 11, 15, 30, 123456789, time.FixedZone("", 2*60*60)),
		},
		Subscription: &hermod.Subscription{Dialect: hermod.TeliaSign, Tenant: localTenant},
	}
	first, err := telia.Encoder{}.Encode(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	d.Key.Number, d.At = 2, start
	second, err := telia.Encoder{}.Encode(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if string(first.Body) != string(second.Body) || first.ContentType != "application/json" || len(first.Header) != 0 {
		t.Errorf("attempts %+v and %+v", first, second)
	}
	return string(first.Body)
}

const allIDs = `{"SignatoryId":"6f0c0000-0000-4000-8000-000000000001","SignatureRequestId":"9b1d0000-0000-4000-8000-000000000002",` +
	`"TenantId":"5d2a0000-0000-4000-8000-000000000003","DepartmentId":"77e00000-0000-4000-8000-000000000004",` +
	`"CreatorId":"01aa0000-0000-4000-8000-000000000005"}`

func TestADeliveryIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ event, data string }{
		"payload_request":   {"signaturerequestcompleted", allIDs},
		"payload_signatory": {"signatorysigned", allIDs},
		"payload_least":     {"signaturerequestexpired", `{}`},
		"payload_document":  {"signaturerequeststatusupdated", `{"SignatureRequestId":"9b1d0000-0000-4000-8000-000000000002","DocumentId":"D0C00000-0000-4000-8000-000000000006"}`},
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Errorf("%v; it is\n%s", err, encode(t, tt.event, tt.data))
			continue
		}
		if got, want := encode(t, tt.event, tt.data), strings.TrimSpace(string(raw)); got != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestWhatIsPublishedInAnyFormIsDeliveredInOne(t *testing.T) {
	t.Parallel()
	const zero = "00000000-0000-0000-0000-000000000000"
	const id = "9b1d0000-0000-4000-8000-0000000000af"
	for what, tt := range map[string]struct{ data, request string }{
		"members in another case":  {`{"signaturerequestid":"` + id + `"}`, id},
		"the last of two":          {`{"SignatureRequestId":"x","signatureRequestID":"` + id + `"}`, id},
		"upper case":               {`{"SignatureRequestId":"` + strings.ToUpper(id) + `"}`, id},
		"braces":                   {`{"SignatureRequestId":"{` + id + `}"}`, id},
		"no dashes":                {`{"SignatureRequestId":"` + strings.ReplaceAll(id, "-", "") + `"}`, id},
		"no GUID":                  {`{"SignatureRequestId":"somebody@example.com"}`, zero},
		"no text":                  {`{"SignatureRequestId":17}`, zero},
		"null":                     {`{"SignatureRequestId":null}`, zero},
		"an array":                 {`["` + id + `"]`, zero},
		"a text":                   {`"` + id + `"`, zero},
		"nothing":                  {`null`, zero},
		"another's tenant":         {`{"SignatureRequestId":"` + id + `","TenantId":"` + otherTenant + `"}`, id},
		"members that are no ids":  {`{"SignatureRequestId":"` + id + `","SignerName":"Ann","Email":"a@b"}`, id},
		"a document that is no id": {`{"SignatureRequestId":"` + id + `","DocumentId":"contract.pdf"}`, id},
		"a signatory of a request": {`{"SignatureRequestId":"` + id + `","SignatoryId":"` + id + `"}`, id},
	} {
		want := `{"EventType":"SignatureRequestCompleted","Timestamp":"2024-05-02T09:15:30.1234567+00:00","EventData":{"SignatureRequestId":"` +
			tt.request + `","TenantId":"` + localTenant + `","DepartmentId":"` + zero + `","CreatorId":"` + zero + `"}}`
		if got := encode(t, "signaturerequestcompleted", tt.data); got != want {
			t.Errorf("%s: %s\nwant %s", what, got, want)
		}
	}
}

// An event of another type is delivered where a replay names the subscription.
func TestAnEventOfAnotherTypeKeepsItsName(t *testing.T) {
	t.Parallel()
	if got := encode(t, "order.completed", `{"secret":1}`); !strings.HasPrefix(got, `{"EventType":"order.completed",`) || strings.Contains(got, "secret") {
		t.Error(got)
	}
}

func TestTheScheduleIsFiveAttempts(t *testing.T) {
	t.Parallel()
	want := hermod.Schedule{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
	if got := (telia.Encoder{}).Schedule(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := (telia.Encoder{Waits: want[:1]}).Schedule(); !slices.Equal(got, want[:1]) {
		t.Errorf("replaced: %v", got)
	}
}
