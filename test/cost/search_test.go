//go:build cloud

package cost_test

import (
	"cmp"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"hermod/pkg/awscfg"
	"hermod/pkg/awscfg/awscount"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
)

// pageOfEvents is the largest page that the API has.
const pageOfEvents = 100

// A page of an exact type is a query of the index of types, one of the same index of
// organizations (an owner is either an account or an organization), and a batch that
// reads the events.
func TestAPageOfATypeTakesThreeRequests(t *testing.T) {
	t.Parallel()
	cfg, err := awscfg.Load(os.Getenv, awscfg.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	counter := awscount.New()
	store := dynamo.New(counter.Attach(cfg), tables(t), time.Now, random)
	account, sender := "a-ppge-"+rand.Text()[:20], "cost-"+strings.ToLower(rand.Text())
	organization := "o-p-" + rand.Text()[:20]
	ids := hermod.NewIDs(time.Now, random)
	const rare = 5       // events of a type that is one in a hundred
	var newest hermod.ID // of the type
	for range rare {
		var events []*hermod.Event
		for i := range pageOfEvents {
			name := []string{"wanted", "other"}[i%2]
			if i == pageOfEvents/2+1 {
				name = "rare"
			}
			e := &hermod.Event{
				ID: ids.Next(), Timestamp: time.Now(), Sender: sender, Name: name, Data: []byte("1"),
				AccountID: account, OrganizationID: organization, RetainUntil: time.Now().Add(time.Hour),
			}
			if events = append(events, e); i%2 == 0 {
				newest = e.ID
			}
		}
		if err := store.WithPutTimeout(time.Minute).PutEvents(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	for name, q := range map[string]hermod.EventQuery{
		"first page":           {},
		"page behind a cursor": {Below: newest},
		"small page":           {Limit: 2},
		"bounded page":         {Above: hermod.FirstIDAt(time.Now().Add(-time.Hour)), Below: hermod.FirstIDAt(time.Now().Add(time.Hour))},
		"a type of none":       {Pattern: hermod.Pattern(sender + ":none")},

		"first page of an organization":           {Owner: organization},
		"page behind a cursor of an organization": {Owner: organization, Below: newest},
		"ascending page of an organization":       {Owner: organization, Ascending: true},
		"rare type of an organization":            {Owner: organization, Pattern: hermod.Pattern(sender + ":rare"), Limit: rare},
		"a type of none of an organization":       {Owner: organization, Pattern: hermod.Pattern(sender + ":none")},
	} {
		q.Owner = cmp.Or(q.Owner, account)
		if q.Pattern == "" {
			q.Pattern = hermod.Pattern(sender + ":wanted")
		}
		if q.Limit == 0 {
			q.Limit = pageOfEvents
		}
		before := counter.Total()
		page, err := store.Events(t.Context(), q)
		events := page.Events
		requests := counter.Total() - before
		if err != nil {
			t.Fatal(err)
		}
		want := q.Limit
		if strings.HasSuffix(string(q.Pattern), ":none") {
			want = 0
		}
		t.Logf("%s: %d events in %d requests", name, len(events), requests)
		if requests > 3 || len(events) != want {
			t.Errorf("%s: %d events in %d requests, want %d in 3 at most", name, len(events), requests, want)
		}
	}
}
