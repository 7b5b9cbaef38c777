package ingest_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// seeds are bodies of all forms, good and bad.
var seeds = []string{
	``, `null`, `[]`, `{}`, `"x"`, `{"events":[]}`, `{"events":null}`, native(`"eventData":{"a":[1e999,"\ud800\u0000"]}`),
	`{"events":[` + native(`"eventData":1,"tags":["x"]`) + `,` + native(`"eventData":null,"accountId":"a"`) + `]}`,
	native(`"eventData":1,"EventData":2,"eventData":3`), `{"\u0065vents":[{}]}`, "{\"a\":\"\xff\"}", "{} \x00", native(`"eventData":` + nested(33)),
	cloud(``), cloud(`,"data":{"a":1},"tags":"x,y"`), cloud(`,"data_base64":"eyJhIjoxfQ=="`), `[` + cloud(``) + `]`,
	`{"id":"1","source":"a","detail-type":"b","time":"2026-03-01T12:00:00Z","detail":{"accountId":"a","eventData":[]}}`,
}

// fuzz feeds a decoder; check judges what it accepted.
func fuzz(f *testing.F, read func([]byte, time.Time) ([]ingest.Submission, error), check func(t *testing.T, body []byte, got []ingest.Submission)) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		original := bytes.Clone(body)
		got, err := read(body, start)
		if !bytes.Equal(body, original) {
			t.Fatal("the body was changed")
		}
		if err != nil {
			if code := hermod.CodeOf(err); got != nil || (code != hermod.CodeInvalid && code != hermod.CodeTooLarge) {
				t.Fatalf("refused with %q: %v", code, err)
			}
			return
		}
		if len(got) < 1 || len(got) > hermod.MaxEventsPerRequest {
			t.Fatalf("accepted %d events", len(got))
		}
		for i := range got {
			checkLimits(t, &got[i])
		}
		check(t, body, got)
	})
}

// checkLimits holds what was accepted to the limits of issue 2, point 1.
func checkLimits(t *testing.T, s *ingest.Submission) {
	t.Helper()
	e := &s.Event
	if _, _, ok := hermod.ParseType(e.Type()); !ok {
		t.Fatalf("accepted type %q", e.Type())
	}
	if !utf8.Valid(e.Data) || !json.Valid(e.Data) || len(e.Data) > hermod.MaxEventBytes || depthOf(t, e.Data) > hermod.MaxDepth {
		t.Fatalf("accepted data %q", e.Data)
	}
	if len(e.Tags) > hermod.MaxTags {
		t.Fatalf("accepted %d tags", len(e.Tags))
	}
	for _, tag := range e.Tags {
		if n := utf8.RuneCountInString(tag); n < 1 || n > hermod.MaxTag {
			t.Fatalf("accepted tag %q", tag)
		}
	}
	if e.Timestamp.After(start.Add(5*time.Minute)) || e.Timestamp.Year() < 1900 || e.ExpiresAt.Year() > 2200 {
		t.Fatalf("accepted times %v and %v", e.Timestamp, e.ExpiresAt)
	}
	if len(e.AccountID) > 128 || len(e.OrganizationID) > 128 || len(s.Key) > 2*ingest.MaxKey+64 || !e.ID.IsZero() {
		t.Fatalf("accepted %+v", s)
	}
}

// depthOf counts nesting by encoding/json's own tokens.
func depthOf(t *testing.T, raw []byte) int {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	level, deepest := 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			level++
			deepest = max(deepest, level)
		case json.Delim(']'), json.Delim('}'):
			level--
		}
	}
}

// memberOf finds a member by encoding/json, the last one of the exact name.
func memberOf(t *testing.T, raw []byte, name string) json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatalf("accepted %q: %v", raw, err)
	}
	return members[name]
}

func wantData(t *testing.T, s *ingest.Submission, want json.RawMessage) {
	t.Helper()
	if !bytes.Equal(s.Event.Data, want) {
		t.Fatalf("data %q became %q", want, s.Event.Data)
	}
}

func FuzzNative(f *testing.F) {
	fuzz(f, ingest.Native, func(t *testing.T, body []byte, got []ingest.Submission) {
		raws := []json.RawMessage{body}
		if list := memberOf(t, body, "events"); list != nil {
			if err := json.Unmarshal(list, &raws); err != nil {
				t.Fatal(err)
			}
		}
		for i := range got {
			wantData(t, &got[i], memberOf(t, raws[i], "eventData"))
			if got[i].Key != "" {
				t.Fatalf("got key %q", got[i].Key)
			}
		}
	})
}

func wantCloudData(t *testing.T, raw []byte, s *ingest.Submission) {
	t.Helper()
	switch data := memberOf(t, raw, "data"); {
	case data != nil:
		wantData(t, s, data)
	case memberOf(t, raw, "data_base64") == nil:
		wantData(t, s, json.RawMessage("null"))
	}
	if !strings.HasPrefix(s.Key, "cloudevent:") {
		t.Fatalf("got key %q", s.Key)
	}
}

func FuzzCloudEvent(f *testing.F) {
	fuzz(f, ingest.CloudEvent, func(t *testing.T, body []byte, got []ingest.Submission) { wantCloudData(t, body, &got[0]) })
}

func FuzzCloudEventBatch(f *testing.F) {
	fuzz(f, ingest.CloudEventBatch, func(t *testing.T, body []byte, got []ingest.Submission) {
		var raws []json.RawMessage
		if err := json.Unmarshal(body, &raws); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			wantCloudData(t, raws[i], &got[i])
		}
	})
}

func FuzzEventBridge(f *testing.F) {
	fuzz(f, ingest.EventBridge, func(t *testing.T, body []byte, got []ingest.Submission) {
		wantData(t, &got[0], memberOf(t, memberOf(t, body, "detail"), "eventData"))
		if !strings.HasPrefix(got[0].Key, "eventbridge:") {
			t.Fatalf("got key %q", got[0].Key)
		}
	})
}

// Whatever a queue's message says, its handler answers, and no message that was
// given up leaves an event.
func FuzzHandle(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, c := newMemory(), newClock()
		a := newAcceptor(m, m.journal(), newIDs(c.now), c.now)
		outcomes := a.Handle(t.Context(), []hermod.Received{{ID: "m", Body: body, Receives: 1}})
		if len(outcomes) != 1 || outcomes[0].Action == hermod.Again {
			t.Fatalf("outcomes %+v", outcomes)
		}
		if kept := len(m.events); (kept == 1) != (outcomes[0].Action == hermod.Done) {
			t.Fatalf("outcome %+v, %d events", outcomes[0], kept)
		}
	})
}
