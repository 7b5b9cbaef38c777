package dynamo_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"hermod/pkg/hermod"
)

// No emulator deletes what is past its time to live, so the rows are looked at.
func TestARevokedCredentialGoesWithItsPointer(t *testing.T) {
	t.Parallel()
	store, calls := storeOn(t, func(int, call) (int, any) { return http.StatusOK, object{} })
	revoked := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		revokedAt time.Time
		want      any
	}{
		{time.Time{}, nil},
		{revoked, object{"N": strconv.FormatInt(revoked.Add(hermod.RevokedRetention).Unix(), 10)}},
	} {
		if err := store.PutCredential(t.Context(), &hermod.Credential{ID: "apikey:a", Account: "a", RevokedAt: c.revokedAt}); err != nil {
			t.Fatal(err)
		}
		puts := calls.calls[len(calls.calls)-1].in["TransactItems"].([]any)
		if len(puts) != 3 {
			t.Fatalf("%d rows were put, want the credential, its pointer, and what the audit log says", len(puts))
		}
		for _, put := range puts[:2] {
			row := put.(object)["Put"].(object)["Item"].(object)
			got, _ := row["ttl"].(object)
			if want, _ := c.want.(object); got["N"] != want["N"] {
				t.Errorf("revoked at %v: %v", c.revokedAt, row)
			}
		}
	}
}
