//go:build cloud

package cost_test

import (
	"crypto/rand"
	"os"
	"testing"
	"time"

	"hermod/pkg/awscfg"
	"hermod/pkg/awscfg/awscount"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/replay"
)

// A page of dead letters is the owner's subscriptions, a query of the index for each, and
// a read of the last row of each entry: with a filter that selects nothing too, no more
// than the entries that a page may look at.
func TestAPageOfDeadLettersIsBounded(t *testing.T) {
	t.Parallel()
	cfg, err := awscfg.Load(os.Getenv, awscfg.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	counter := awscount.New()
	store := dynamo.New(counter.Attach(cfg), tables(t), time.Now, random)
	owner := "a-ppge-" + rand.Text()[:20]
	if err := store.CreateOwner(t.Context(), hermod.Owner{ID: owner, CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	sub := &hermod.Subscription{ID: "s-" + owner + "-abcde", Owner: owner, Active: true}
	if err := store.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	ids := hermod.NewIDs(time.Now, random)
	const letters, examined = 620, 500
	for range letters {
		err := store.PutAttempt(t.Context(), &hermod.Attempt{
			AttemptKey: hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: sub.ID, EventID: ids.Next()}, Number: 10},
			Owner:      owner, Account: owner, At: time.Now(), State: hermod.Dead, Reason: hermod.ReasonExhausted,
			RetainUntil: time.Now().Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	reader := &replay.Letters{Store: store, Now: time.Now}
	for name, tt := range map[string]struct {
		query       hermod.LetterQuery
		shown, most int
	}{
		"a page":              {hermod.LetterQuery{}, 100, 100 + 2},
		"of one subscription": {hermod.LetterQuery{DeadQuery: hermod.DeadQuery{SubscriptionID: sub.ID}}, 100, 100 + 2},
		"a filter of nothing": {hermod.LetterQuery{Reasons: []hermod.Reason{hermod.ReasonGone}}, 0, examined + 2*examined/100},
	} {
		tt.query.Owner, tt.query.Limit = owner, 100
		before := counter.Total()
		page, err := reader.Page(t.Context(), tt.query)
		if err != nil {
			t.Fatal(err)
		}
		requests := counter.Total() - before
		t.Logf("%s: %d dead letters in %d requests", name, len(page.Letters), requests)
		if len(page.Letters) != tt.shown || requests > tt.most || page.Next == nil {
			t.Errorf("%s: %d dead letters in %d requests, want %d in %d at most, and a next page", name, len(page.Letters), requests, tt.shown, tt.most)
		}
	}
}
