package ingest_test

import (
	"strings"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

func TestANoticeIsAnEventOfItsOwnerOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-1")
		n := &ingest.Notices{Acceptor: r.acceptor, Now: r.clock.now}
		about := &hermod.Notice{
			Name: hermod.NoticeFailing, Owner: account, SubscriptionID: "s-2", SubscriptionName: "Orders", At: start, Failures: 10, Class: "timeout",
		}
		for failures := range 2 {
			about.Failures += failures
			if err := n.Notify(t.Context(), about); err != nil {
				t.Fatal(err)
			}
		}
		kept := r.all(t, account)
		if len(kept) != 1 || kept[0].Type() != "hermod:subscription.failing" || !strings.Contains(string(kept[0].Data), `"subscriptionId":"s-2"`) {
			t.Fatalf("kept %+v", kept)
		}
		about.Owner = "nobody"
		if err := n.Notify(t.Context(), about); hermod.CodeOf(err) != hermod.CodeInvalid {
			t.Errorf("that of nobody is answered %v, want %s", err, hermod.CodeInvalid)
		}
	})
}

// Whatever the account's own schema for the type says: nobody could mend the notice.
func TestASchemaOfTheAccountsOwnStopsNoNotice(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.define(t, func(d *hermod.Definition) {
			d.Type, d.Schema = "hermod:subscription.exhausted", []byte(`{"type":"string"}`)
		})
		n := &ingest.Notices{Acceptor: r.acceptor, Now: r.clock.now}
		for _, at := range []time.Time{start, start, start.Add(hermod.NoticeEvery)} {
			about := &hermod.Notice{Name: hermod.NoticeExhausted, Owner: account, SubscriptionID: "s-2", At: at}
			if err := n.Notify(t.Context(), about); err != nil {
				t.Fatal(err)
			}
		}
		if kept := r.all(t, account); len(kept) != 2 {
			t.Errorf("kept %d, want one for each hour", len(kept))
		}
	})
}

// A subscription may be an organization's: so is its notice.
func TestANoticeOfAnOrganizationIsItsEvent(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, organization, "s-1")
		n := &ingest.Notices{Acceptor: r.acceptor, Now: r.clock.now}
		about := &hermod.Notice{Name: hermod.NoticeDisabled, Owner: organization, SubscriptionID: "s-2", At: start, Reason: hermod.ReasonGone}
		if err := n.Notify(t.Context(), about); err != nil {
			t.Fatal(err)
		}
		kept := r.all(t, organization)
		if len(kept) != 1 || len(kept[0].Matches) != 1 || !strings.Contains(string(kept[0].Data), `"disabledReason":"gone"`) {
			t.Fatalf("kept %+v", kept)
		}
		if others := r.all(t, account); len(others) != 0 {
			t.Errorf("the account has %d", len(others))
		}
	})
}
