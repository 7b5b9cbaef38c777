package main_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/sqlite"
)

// bury puts bodies among the dead letters of a queue of the stopped node.
func (s *stopped) bury(queue string, bodies ...string) {
	s.t.Helper()
	ctx := s.t.Context()
	db, err := sqlite.Open(ctx, filepath.Join(s.data, "hermod.db"), sqlite.Options{
		IDs: hermod.NewIDs(time.Now, func([]byte) {}), Now: time.Now,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	q := db.Queue(queue, sqlite.QueueOptions{MaxReceives: 1, GiveUpPause: time.Nanosecond})
	for _, body := range bodies {
		if err := q.SendBodies(ctx, [][]byte{[]byte(body)}); err != nil {
			s.t.Fatal(err)
		}
		batch, err := q.Receive(ctx, 1)
		if err == nil {
			err = q.Settle(ctx, batch, []hermod.Outcome{{Action: hermod.GiveUp}})
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if again, err := q.Receive(ctx, 1); err != nil || len(again) > 0 {
			s.t.Fatalf("received %v, %v", again, err)
		}
	}
}

func TestDeadLettersAreLookedAtAndMovedBackByCommand(t *testing.T) {
	t.Parallel()
	s := stop(t)
	message := hermod.Message{
		EventID: hermod.FirstIDAt(time.Now()), Account: "a-1", Owner: "a-1", SubscriptionID: "s-buried", Run: 3, Trigger: hermod.TriggerMatch,
	}
	s.bury("delivery", string(message.Encode()))
	s.bury("ingest", `{"sender":"s","eventName":"n","eventData":{"secret":"hunter2"}}`, `not JSON, hunter2`)

	said, ok := s.do("redrive", "-data", s.data, "-list")
	if !ok || !strings.Contains(said, "s-buried") || !strings.Contains(said, message.EventID.String()) {
		t.Errorf("deliveries: %s", said)
	}
	said, ok = s.do("redrive", "-data", s.data, "-queue", "ingest", "-list")
	if !ok || strings.Contains(said, "hunter2") || !strings.Contains(said, "accountId is required") || strings.Count(said, "\n") != 3 {
		t.Errorf("events: %s", said)
	}
	if said, ok = s.do("redrive", "-data", s.data, "-queue", "ingest", "-list", "-show", "-max", "1"); !ok || !strings.Contains(said, "hunter2") {
		t.Errorf("with bodies: %s", said)
	}
	for queue, moved := range map[string]string{"delivery": "moved 1 ", "ingest": "moved 2 "} {
		if said, ok := s.do("redrive", "-data", s.data, "-queue", queue); !ok || !strings.HasPrefix(said, moved) {
			t.Errorf("%s: %s", queue, said)
		}
		if said, _ := s.do("redrive", "-data", s.data, "-queue", queue); !strings.HasPrefix(said, "moved 0 ") {
			t.Errorf("%s, again: %s", queue, said)
		}
	}
}

func TestABadRedriveIsToldInOneLine(t *testing.T) {
	t.Parallel()
	binary := build(t)
	s := &stopped{t: t, binary: binary, data: t.TempDir()}
	const either = "give either -data (or HERMOD_DATA) or -dead-queue"
	for args, want := range map[string]string{
		"":                             either,
		"-data x -dead-queue y":        either,
		"-data x -queue odd":           "want delivery or ingest",
		"-data x -rate 5":              "-rate is for -dead-queue",
		"-dead-queue x -rate 501":      "want 1 to 500",
		"-data x -list -max 0":         "want 1 or more",
		"-data /none/there":            "there is no node",
		"-data x more":                 `unexpected "more"`,
		"-dead-queue arn:aws:sns:x":    "AWS_REGION is not set",
		"-dead-queue http://x -list x": `unexpected "x"`,
	} {
		said, ok := s.do(append([]string{"redrive"}, strings.Fields(args)...)...)
		if ok || !strings.Contains(said, want) || strings.Count(said, "\n") != 1 {
			t.Errorf("hermod redrive %s: %s", args, said)
		}
	}
}
