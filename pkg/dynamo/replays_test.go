package dynamo_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

func running() *hermod.Replay {
	return &hermod.Replay{ID: attempt().EventID, Owner: "a", State: hermod.ReplayRunning, Version: 3}
}

func TestProgressWhoseAnswerWasLostIsKnownAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var first any
		s, _ := storeOn(t, func(n int, c call) (int, any) {
			if n == 1 {
				first = c.in["Item"] // it arrived
				return 0, nil
			}
			return http.StatusBadRequest, fault("ConditionalCheckFailedException", object{"Item": first})
		})
		r := running()
		wantCode(t, s.UpdateReplay(t.Context(), r), "")
		if r.Version != 4 {
			t.Errorf("version %d, want 4", r.Version)
		}
	})
}

func TestProgressThatLostToAnotherIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := storeOn(t, func(_ int, c call) (int, any) {
			return http.StatusBadRequest, fault("ConditionalCheckFailedException", object{"Item": c.in["Key"]})
		})
		r := running()
		wantCode(t, s.UpdateReplay(t.Context(), r), hermod.CodePreconditionFailed)
		if r.Version != 3 {
			t.Errorf("version %d, want 3", r.Version)
		}
	})
}

// The pointer to a running replay comes and goes with it: in one transaction.
func TestAReplayAndItsPointerAreWrittenTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, service := storeOn(t, func(_ int, c call) (int, any) {
			if c.operation == "GetItem" {
				return http.StatusOK, object{"Item": object{"b": object{"S": `{"state":"running"}`}}}
			}
			return http.StatusOK, object{}
		})
		r := running()
		wantCode(t, s.CreateReplay(t.Context(), r), "")
		r.End(hermod.ReplayDone, time.Now())
		wantCode(t, s.UpdateReplay(t.Context(), r), "")
		writes := slices.DeleteFunc(service.calls, func(c call) bool { return c.operation == "GetItem" })
		for i, second := range []string{"Put", "Delete"} {
			items, _ := writes[i].in["TransactItems"].([]any)
			if len(items) < 2 || writes[i].operation != "TransactWriteItems" {
				t.Fatalf("write %d: %s of %v", i, writes[i].operation, items)
			}
			if pointer, _ := items[1].(object); pointer[second] == nil {
				t.Errorf("call %d does with the pointer: %v", i, pointer)
			}
		}
	})
}
