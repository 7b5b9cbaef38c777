package ingest_test

import (
	"strings"
	"testing"

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
