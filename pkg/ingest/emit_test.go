package ingest_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

// TestNoSchemaIsHeldAgainstWhatHermodEmits, whether or not the acceptor has a compiler;
// a publisher's own event of the type is checked all the same.
func TestNoSchemaIsHeldAgainstWhatHermodEmits(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.define(t, func(d *hermod.Definition) { d.Internal = true })
		without := ingest.New(ingest.Options{
			Config: r.engine, Journal: r.journal(), IDs: newIDs(r.clock.now), Now: r.clock.now, Log: slog.New(slog.DiscardHandler),
		})
		e := hermod.Event{AccountID: account, Sender: "sign", Name: "done", Data: []byte(`{}`), Timestamp: start}
		for what, a := range map[string]*ingest.Acceptor{"with": r.acceptor, "without": without} {
			if err := a.Emit(t.Context(), e, ""); err != nil {
				t.Errorf("%s a compiler: %v", what, err)
			}
			if _, err := a.Accept(t.Context(), []ingest.Submission{{Event: e}}); hermod.CodeOf(err) != hermod.CodeInvalid {
				t.Errorf("%s a compiler, a publisher's: %v", what, err)
			}
		}
		kept := r.all(t, account)
		if len(kept) != 2 || !kept[0].Internal || !kept[1].Internal {
			t.Errorf("kept %+v", kept)
		}
	})
}

func TestWhatIsEmittedUnderAKeyIsEmittedOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		for _, data := range []string{`{"name":"A"}`, `{"name":"B"}`} {
			e := hermod.Event{AccountID: account, Sender: "sign", Name: "done", Data: []byte(data), Timestamp: start}
			if err := r.acceptor.Emit(t.Context(), e, "done 1"); err != nil {
				t.Fatal(err)
			}
		}
		if kept := r.all(t, account); len(kept) != 1 || string(kept[0].Data) != `{"name":"A"}` {
			t.Errorf("kept %+v", kept)
		}
	})
}

// TestNobodyElseSpeaksAsHermod: owners believe its notices, and no circuit opens for them.
func TestNobodyElseSpeaksAsHermod(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		e := hermod.Event{AccountID: account, Sender: hermod.NoticeSender, Name: hermod.NoticeDisabled, Data: []byte(`{}`), Timestamp: start}
		if _, err := r.acceptor.Accept(t.Context(), []ingest.Submission{{Event: e}}); hermod.CodeOf(err) != hermod.CodeInvalid {
			t.Errorf("a publisher's: %v", err)
		}
		forged := strings.Replace(nativeMessage, `"sender":"s"`, `"sender":"hermod"`, 1)
		outcomes := r.acceptor.Handle(t.Context(), received(forged, nativeMessage))
		if !slices.Equal(actions(outcomes), []hermod.Action{hermod.GiveUp, hermod.Done}) {
			t.Errorf("a queue's: %+v", outcomes)
		}
		if err := r.acceptor.Emit(t.Context(), e, ""); err != nil {
			t.Errorf("Hermod's own: %v", err)
		}
		if kept := r.all(t, account); len(kept) != 2 || kept[1].Sender != hermod.NoticeSender {
			t.Errorf("kept %+v", kept)
		}
	})
}
