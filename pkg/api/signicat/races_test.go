package signicat_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"hermod/pkg/api/apitest"
	"hermod/pkg/hermod"
)

func TestWritersAtOnceAllEndAndTheLastOneStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", "")
	w.token(t, "local")
	var wg sync.WaitGroup
	const writers = 8
	statuses := make([]int, writers)
	for i := range writers {
		wg.Go(func() {
			body := strings.Replace(webhook(fmt.Sprintf(`,"tagFilter":["t%d"]`, i)), "My", fmt.Sprint("No. ", i), 1)
			statuses[i] = w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, body).status
		})
	}
	wg.Wait()
	done := 0
	for _, status := range statuses {
		if status == http.StatusOK {
			done++
		} else if status != http.StatusConflict {
			t.Errorf("a writer got %d", status)
		}
	}
	sub, err := w.DB.Subscription(t.Context(), hermod.Ref{Owner: local, ID: id})
	if err != nil || done == 0 || sub.Version != int64(1+done) {
		t.Fatalf("%d writers done, version %d: %v", done, sub.Version, err)
	}
	// One writer's name and tags belong together.
	if want := strings.TrimPrefix(strings.TrimSuffix(sub.Name, " Subscription"), "No. "); !slices.Equal(sub.Tags, []string{"t" + want}) {
		t.Errorf("mixed: %q with %v", sub.Name, sub.Tags)
	}
}

// A contested store has another writer come between each read and its write.
type contested struct {
	apitest.Store
	times int
}

func (c *contested) UpdateSubscription(ctx context.Context, s *hermod.Subscription) error {
	if c.times--; c.times >= 0 {
		theirs, err := c.Subscription(ctx, s.Ref())
		if err != nil {
			return err
		}
		theirs.DisabledReason = fmt.Sprint("their change ", c.times)
		if err := c.Store.UpdateSubscription(ctx, theirs); err != nil {
			return err
		}
	}
	return c.Store.UpdateSubscription(ctx, s)
}

func TestAnUpdateThatLostARaceIsTriedAgainOnWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", "")
	for times, want := range map[int]int{4: http.StatusOK, 5: http.StatusConflict} {
		w.serve(discard(), parts{events: w.Store, subscriptions: &contested{w.Store, times}, logs: w.Store, credentials: w.DB})
		a := w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, webhook(""))
		wantStatus(t, fmt.Sprint(times, " others"), a, want)
		if want == http.StatusOK && a.json(t, want)["disabledReason"] != "their change 0" {
			t.Errorf("their change is lost: %s", a.body)
		}
	}
}

// A full store knows every id already.
type full struct {
	apitest.Store
	tries int
}

func (f *full) CreateSubscription(context.Context, *hermod.Subscription) error {
	f.tries++
	return hermod.Errorf(hermod.CodeConflict, "the id is taken")
}

func TestACreateTriesSomeIDsAndNotForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &full{Store: w.Store}
	w.serve(discard(), parts{events: w.Store, subscriptions: f, logs: w.Store, credentials: w.DB})
	wantStatus(t, "create", w.do(t, "local", http.MethodPost, subscriptionsPath, webhook("")), http.StatusServiceUnavailable)
	if f.tries < 2 || f.tries > 10 {
		t.Errorf("%d tries", f.tries)
	}
}
