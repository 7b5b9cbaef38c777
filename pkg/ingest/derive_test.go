package ingest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/hermod"
)

func TestWhatAnEventUsesUpIsReadFromItsData(t *testing.T) {
	t.Parallel()
	const closed, completed = "universign:action.closed", "universign:transaction.lifecycle.completed"
	one := func(kind string, level int) []hermod.Unit { return []hermod.Unit{{Kind: kind, Level: level, N: 1}} }
	for _, c := range []struct {
		typ, data string
		want      []hermod.Unit
	}{
		{closed, `{"type":"signature","required_level":1}`, one("signature", 1)},
		{closed, `{"type":"signature","required_level":0}`, one("signature", 0)},
		{closed, `{"type":"signature","required_level":"level4"}`, one("signature", 4)},
		{closed, `{"type":"signature","required_level":2.0}`, one("signature", 2)},
		{closed, ` { "required_level" : "level2" , "type" : "\u0073ignature" } `, one("signature", 2)},
		{closed, `{"type":"visa"}`, one("visa", 0)},
		{closed, `{"type":"signature","required_level":null}`, one("signature", 0)},
		{closed, `{"type":"review","required_level":3}`, one("review", 3)},
		{completed, `{"sealers":[{"id":"a"},{"id":"b"},3]}`, []hermod.Unit{{Kind: "seal", N: 3}}},

		{closed, `{"type":"consultation","required_level":1}`, nil},
		{closed, `{"type":"seal","required_level":1}`, nil},
		{closed, `{"type":["signature"],"required_level":1}`, nil},
		{closed, `{"Type":"signature","required_level":1}`, nil},
		{closed, `{"type":"signature","required_level":5}`, nil},
		{closed, `{"type":"signature","required_level":-1}`, nil},
		{closed, `{"type":"signature","required_level":1.5}`, nil},
		{closed, `{"type":"signature","required_level":1e300}`, nil},
		{closed, `{"type":"signature","required_level":true}`, nil},
		{closed, `{"type":"signature","required_level":"1"}`, nil},
		{closed, `{"type":"signature","required_level":"level10"}`, nil},
		{closed, `{"type":"signature","required_level":"Level1"}`, nil},
		{closed, `{"type":"signature","type":"visa"}`, nil},
		{closed, `{"object":{"type":"signature","required_level":1}}`, nil},
		{closed, `["signature"]`, nil},
		{closed, `null`, nil},
		{completed, `{"sealers":[]}`, nil},
		{completed, `{"sealers":null}`, nil},
		{completed, `{"sealers":{"id":"a"}}`, nil},
		{completed, `{}`, nil},
		{"universign:action.opened", `{"type":"signature","required_level":1}`, nil},
		{"universign:transaction.lifecycle.started", `{"sealers":[1]}`, nil},
		{"sign:action.closed", `{"type":"signature","required_level":1}`, nil},
	} {
		t.Run(c.typ+" "+c.data, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, openSQLite)
			s := submission(account, "", c.data)
			s.Event.Sender, s.Event.Name, _ = hermod.ParseType(c.typ)
			s.Event.Units = one("forged", 9)
			if e := r.accept(t, s)[0]; !slices.Equal(e.Units, c.want) || e.Subject != "" {
				t.Errorf("units %v, subject %q, want %v", e.Units, e.Subject, c.want)
			}
			if kept := r.all(t, account)[0]; !slices.Equal(kept.Units, c.want) {
				t.Errorf("kept units %v, want %v", kept.Units, c.want)
			}
		})
	}
}

func TestASampleUsesNothingUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, openSQLite)
	r.subscribe(t, account, "s-1")
	e := submission(account, "", `{"type":"signature","required_level":1}`).Event
	e.Sender, e.Name = "universign", "action.closed"
	mock, err := r.acceptor.Mock(t.Context(), e, hermod.Ref{Owner: account, ID: "s-1"})
	if err != nil || len(mock.Units) > 0 {
		t.Errorf("units %v, %v", mock.Units, err)
	}
}

func TestAnEventOfSignlyIsFoundByItsProcess(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("p", hermod.MaxSubject)
	for _, c := range []struct{ typ, data, want string }{
		{"signly:PROCESS_CREATED", `{"documentId":"d","processId":"p-1"}`, "p-1"},
		{"signly:OTP_SENT", `{"processId":"\u00e9#0"}`, "é#0"},
		{"signly:OTP_SENT", fmt.Sprintf(`{"processId":%q}`, long), long},
		{"signly:OTP_SENT", fmt.Sprintf(`{"processId":%q}`, long+"p"), ""},
		{"signly:OTP_SENT", `{"processId":""}`, ""},
		{"signly:OTP_SENT", `{"processId":7}`, ""},
		{"signly:OTP_SENT", `{"processId":"a","processId":"b"}`, ""},
		{"signly:OTP_SENT", `{"data":{"processId":"a"}}`, ""},
		{"signly:OTP_SENT", `"processId"`, ""},
		{"sign:OTP_SENT", `{"processId":"a"}`, ""},
		{"Signly:OTP_SENT", `{"processId":"a"}`, ""},
	} {
		t.Run(c.typ+" "+c.data, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, openSQLite)
			s := submission(account, "", c.data)
			s.Event.Sender, s.Event.Name, _ = hermod.ParseType(c.typ)
			s.Event.Subject = "forged"
			if e := r.accept(t, s)[0]; e.Subject != c.want || e.Units != nil {
				t.Errorf("subject %q, units %v, want %q", e.Subject, e.Units, c.want)
			}
		})
	}
}
