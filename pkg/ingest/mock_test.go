package ingest_test

import (
	"slices"
	"testing"

	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
)

func TestAMockedEventGoesToItsOneSubscriptionAndIsOtherwiseLikeAnyOther(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		r.subscribe(t, account, "s-1")
		r.subscribe(t, organization, "s-2")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(r.PutDefinition(t.Context(), &hermod.Definition{
			Account: account, Type: "sign:done", Internal: true, Validation: hermod.ValidateEnforce, Schema: []byte(`{"type":"string"}`),
		}))
		to := hermod.Ref{Owner: organization, ID: "s-2"}
		made, err := r.acceptor.Mock(t.Context(), hermod.Event{
			AccountID: account, OrganizationID: organization, Sender: "sign", Name: "done", Data: []byte(`{"mock":true}`), Tags: []string{"a"},
		}, to)
		must(err)

		kept := r.all(t, account)
		if len(kept) != 1 || kept[0].ID != made.ID || !slices.Equal(kept[0].Matches, []hermod.Ref{to}) {
			t.Fatalf("kept %+v", kept)
		}
		e := kept[0]
		if !e.Timestamp.Equal(start) || !e.ExpiresAt.Equal(start.Add(ingest.MockLife)) || !e.Internal || !e.Mock || !slices.Equal(e.Tags, []string{"mock", "a"}) {
			t.Errorf("kept %+v", e)
		}
		sent := r.messages(t)
		want := hermod.Message{EventID: e.ID, Account: account, Owner: to.Owner, SubscriptionID: to.ID, Trigger: hermod.TriggerMock}
		if len(sent) != 1 || sent[0] != want {
			t.Errorf("sent %+v", sent)
		}
	})
}

func TestAMockedEventOfAnUnknownAccountIsRefused(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, r *rig) {
		_, err := r.acceptor.Mock(t.Context(), hermod.Event{AccountID: "a-spge-Nobody", Sender: "s", Name: "n", Data: []byte(`1`)},
			hermod.Ref{Owner: account, ID: "s-1"})
		if hermod.CodeOf(err) != hermod.CodeInvalid {
			t.Errorf("got %v", err)
		}
	})
}
