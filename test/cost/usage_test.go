//go:build cloud

package cost_test

import (
	"crypto/rand"
	"os"
	"slices"
	"testing"
	"time"

	"hermod/pkg/awscfg"
	"hermod/pkg/awscfg/awscount"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
)

// What a report costs, and what an event pays for being counted.
const (
	smallLog = 1_000
	largeLog = 8_000
	// largeSpan is how long the large log took.
	largeSpan = 40 * time.Hour
)

// A usageRig is a store of which every request is counted, and a log that lies in the
// past, as its reports find it.
type usageRig struct {
	store   *dynamo.Store
	counter *awscount.Counter
	account string
}

func newUsageRig(t *testing.T) *usageRig {
	t.Helper()
	cfg, err := awscfg.Load(os.Getenv, awscfg.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	cfg.HTTPClient = awscfg.HTTPClient(time.Minute)
	r := &usageRig{counter: awscount.New(), account: "a-ppge-" + rand.Text()[:20]}
	r.store = dynamo.New(r.counter.Attach(cfg), tables(t), time.Now, random).WithPutTimeout(time.Minute)
	return r
}

func (r *usageRig) event(at time.Time) *hermod.Event {
	return &hermod.Event{
		ID: hermod.NewIDs(func() time.Time { return at }, random).Next(), Timestamp: at, AccountID: r.account,
		Sender: "universign", Name: "action.closed", Data: []byte(`{"type":"signature","required_level":1}`),
		RetainUntil: time.Now().Add(hermod.DefaultRetention),
		Units:       []hermod.Unit{{Kind: hermod.UnitSignature, Level: 1, N: 1}},
	}
}

func (r *usageRig) put(t *testing.T, n int, span time.Duration) {
	t.Helper()
	first := time.Now().Add(-span)
	events := make([]*hermod.Event, 0, n)
	for i := range n {
		events = append(events, r.event(first.Add(span/time.Duration(n)*time.Duration(i))))
	}
	for chunk := range slices.Chunk(events, 1000) {
		if err := r.store.PutEvents(t.Context(), chunk); err != nil {
			t.Fatal(err)
		}
	}
}

// report asks for a report and counts its requests.
func (r *usageRig) report(t *testing.T, want int) (requests int) {
	t.Helper()
	before := r.counter.Total()
	units, err := r.store.Usage(t.Context(), hermod.UsageQuery{Account: r.account})
	if err != nil {
		t.Fatal(err)
	}
	if len(units) != 1 || units[0].N != want {
		t.Fatalf("got %v, want %d signatures", units, want)
	}
	return r.counter.Total() - before
}

func TestAReportOfASmallLogTakesOneRequest(t *testing.T) {
	t.Parallel()
	r := newUsageRig(t)
	r.put(t, smallLog, largeSpan)
	for range 2 {
		if n := r.report(t, smallLog); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	}
}

func TestAReportOfALargeLogReadsSumsTheSecondTime(t *testing.T) {
	t.Parallel()
	r := newUsageRig(t)
	r.put(t, largeLog, largeSpan)
	first, second := r.report(t, largeLog), r.report(t, largeLog)
	t.Logf("%d events: %d requests, then %d", largeLog, first, second)
	// The page that shows that there are more, the sums, and what is at the end.
	if second > 3 || first > 10 {
		t.Errorf("%d requests, then %d; want at most 10, then 3", first, second)
	}
}

func TestAnEventThatIsCountedCostsOneMoreWriteUnit(t *testing.T) {
	t.Parallel()
	r := newUsageRig(t)
	units := func(e *hermod.Event) float64 {
		t.Helper()
		before := r.counter.WriteUnits()
		if err := r.store.PutEvents(t.Context(), []*hermod.Event{e}); err != nil {
			t.Fatal(err)
		}
		return r.counter.WriteUnits() - before
	}
	plain := r.event(time.Now())
	plain.Units = nil
	ofSubject := r.event(time.Now())
	ofSubject.Units, ofSubject.Subject = nil, "process"
	without, with, subject := units(plain), units(r.event(time.Now())), units(ofSubject)
	t.Logf("%.0f write units without, %.0f with units, %.0f with a subject", without, with, subject)
	if without != 2 || with != 3 || subject != 3 {
		t.Errorf("%.0f, %.0f and %.0f write units; want 2, 3 and 3", without, with, subject)
	}
}
