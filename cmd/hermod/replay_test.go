package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// get reads JSON.
func get(link, token string, into any) error {
	r, err := http.NewRequest(http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", link, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// counts are how many events have arrived, and how many deliveries there were.
func (s *sink) counts() (events, deliveries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.seen {
		deliveries += n
	}
	return len(s.seen), deliveries
}

// until polls until check answers true.
func until(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !check() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("after %s: %s", patience, what)
		}
	}
}

// A process that is killed in the middle of a replay goes on with it: every delivery
// is made, and twice only what was in hand.
func TestAReplayOutlivesAKill(t *testing.T) {
	t.Parallel()
	const events, workers = 3000, 512
	binary, data := build(t), filepath.Join(t.TempDir(), "data")
	s, target := newSink(t)
	close(s.hold)
	first := start(t, binary, data)
	token := first.token()
	batch := `{"events":[` + strings.Repeat(`{"sender":"e2e","eventName":"kill","eventData":{}},`, 99) + `{"sender":"e2e","eventName":"kill","eventData":{}}]}`
	for range events / 100 {
		if err := post(first.base+"/events-management/events", token, batch, new(any)); err != nil {
			t.Fatal(err)
		}
	}
	subscribe(t, first, token, target)
	var replay struct {
		ID, State      string
		Expected, Done struct{ Events, Deliveries int }
	}
	if err := post(first.base+"/events-management/replays", token, `{"after":"2020-01-01T00:00:00Z","rate":1000}`, &replay); err != nil {
		t.Fatal(err)
	}
	if replay.Expected.Deliveries != events {
		t.Fatalf("a replay of %d deliveries, want %d", replay.Expected.Deliveries, events)
	}
	until(t, "the replay has not come far", func() bool {
		arrived, _ := s.counts()
		return arrived > events/3
	})
	if err := first.end(syscall.SIGKILL); err == nil {
		t.Error("a killed process ended without an error")
	}
	before, _ := s.counts()

	second := start(t, binary, data)
	link, token := fmt.Sprintf("%s/events-management/replays/%s", second.base, replay.ID), second.token()
	until(t, "the replay is not done", func() bool {
		if err := get(link, token, &replay); err != nil {
			t.Fatal(err)
		}
		return replay.State == "done"
	})
	until(t, "not every event has arrived", func() bool {
		arrived, _ := s.counts()
		return arrived == events
	})
	if replay.Done.Events != events || replay.Done.Deliveries != events {
		t.Errorf("done: %+v", replay.Done)
	}
	if err := second.end(syscall.SIGTERM); err != nil {
		t.Errorf("after SIGTERM: %v: %s", err, second.log)
	}
	arrived, deliveries := s.counts()
	t.Logf("killed after %d of %d; %d deliveries in all, %d of them twice", before, events, deliveries, deliveries-arrived)
	if before == events {
		t.Error("the kill came too late")
	}
	if twice := deliveries - arrived; twice > workers {
		t.Errorf("%d were delivered twice; %d can have been in hand", twice, workers)
	}
}
