package dynamo_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/awscfg/awscount"
	"hermod/pkg/hermod"
)

// itemSize is the size of an item as DynamoDB counts it.
func itemSize(t *testing.T, item object) int {
	t.Helper()
	size, err := awscount.ItemSize(item)
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// put is the item of the one put that do makes.
func put(t *testing.T, do func(s storeUnderTest) error) object {
	t.Helper()
	var item object
	s, _ := storeOn(t, func(_ int, c call) (int, any) {
		item, _ = c.in["Item"].(object)
		return http.StatusOK, object{}
	})
	if err := do(s); err != nil {
		t.Fatal(err)
	}
	return item
}

// typical is an event as the platform's producers send it, and the attempt of its
// delivery with the longest response that is kept.
func typical() (*hermod.Event, *hermod.Attempt) {
	id := hermod.NewIDs(time.Now, fillOnes).Next()
	account := "a-spge-LocalAccount00000001"
	sub := strings.Repeat("f", 32)
	e := &hermod.Event{
		ID: id, Timestamp: time.Now(), Sender: "signing-documents", Name: "document.signed.by.all",
		Data:      fmt.Appendf(nil, `{"documentId":%q}`, strings.Repeat("d", 512-17)),
		AccountID: account, RetainUntil: time.Now().Add(hermod.DefaultRetention),
		Matches: []hermod.Ref{{Owner: account, ID: sub}},
	}
	a := &hermod.Attempt{
		AttemptKey: hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: sub, EventID: id}, Number: 1},
		Owner:      account, Account: account, Trigger: hermod.TriggerMatch, At: time.Now(), Duration: 123456789,
		State: hermod.Succeeded, StatusCode: http.StatusOK, Response: strings.Repeat("r", hermod.MaxResponseKept),
		Target: "https://webhooks.example.com/hermod/receiver", SubscriptionType: hermod.Webhook,
		SubscriptionName: "production webhook", RetainUntil: e.RetainUntil,
	}
	return e, a
}

func fillOnes(b []byte) {
	for i := range b {
		b[i] = 0xff
	}
}

func TestTypicalRowsFitIntoOneWriteUnit(t *testing.T) {
	t.Parallel()
	e, a := typical()
	e.Data = []byte(platformEvent(t))
	for name, item := range map[string]object{
		"event of 1.5 KB":   put(t, func(s storeUnderTest) error { return s.PutEvents(t.Context(), []*hermod.Event{e}) }),
		"first-try success": put(t, func(s storeUnderTest) error { return s.PutAttempt(t.Context(), a) }),
	} {
		if size := itemSize(t, item); size > awscount.WriteUnitBytes {
			t.Errorf("%s: got %d bytes, want %d at most", name, size, awscount.WriteUnitBytes)
		} else {
			t.Logf("%s: %d bytes", name, size)
		}
	}
}

// Each index entry is a write unit more.
func TestRowsEnterNoIndexTheyNeedNot(t *testing.T) {
	t.Parallel()
	e, a := typical()
	of := func(change func(*hermod.Event)) object {
		c := *e
		change(&c)
		return put(t, func(s storeUnderTest) error { return s.PutEvents(t.Context(), []*hermod.Event{&c}) })
	}
	tried := func(change func(*hermod.Attempt)) object {
		c := *a
		change(&c)
		return put(t, func(s storeUnderTest) error { return s.PutAttempt(t.Context(), &c) })
	}
	for name, c := range map[string]struct {
		item object
		want []string
	}{
		"event":                      {of(func(*hermod.Event) {}), []string{"typePK"}},
		"event of an organization":   {of(func(e *hermod.Event) { e.OrganizationID = "o" }), []string{"typePK", "orgPK", "orgTypePK"}},
		"event of its account alone": {of(func(e *hermod.Event) { e.OrganizationID = e.AccountID }), []string{"typePK"}},
		"event of a subject":         {of(func(e *hermod.Event) { e.Subject = "p" }), []string{"typePK", "subjectPK"}},
		"event with units":           {of(func(e *hermod.Event) { e.Units = []hermod.Unit{{Kind: "seal", N: 1}} }), []string{"typePK", "subjectPK"}},
		"first-try success":          {tried(func(*hermod.Attempt) {}), nil},
		"waiting on a message":       {tried(func(a *hermod.Attempt) { a.State, a.Carrier = hermod.Waiting, "m" }), []string{"failuresPK"}},
		"waiting in the due index":   {tried(func(a *hermod.Attempt) { a.State, a.Carrier = hermod.Waiting, hermod.CarrierDue }), []string{"failuresPK", "duePK"}},
		"dead":                       {tried(func(a *hermod.Attempt) { a.State = hermod.Dead }), []string{"failuresPK", "deadPK"}},
		"dropped, not a dead letter": {tried(func(a *hermod.Attempt) { a.State = hermod.Dropped }), []string{"failuresPK"}},
	} {
		for _, index := range []string{"typePK", "orgPK", "orgTypePK", "subjectPK", "failuresPK", "duePK", "deadPK"} {
			_, in := c.item[index]
			wanted := strings.Contains(" "+strings.Join(c.want, " ")+" ", " "+index+" ")
			if in != wanted {
				t.Errorf("%s: in the index of %s: %t, want %t", name, index, in, wanted)
			}
		}
	}
}
