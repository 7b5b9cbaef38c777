package provision_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
	"hermod/pkg/sqlite"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) *sqlite.DB {
	t.Helper()
	ids := hermod.NewIDs(time.Now, func([]byte) {})
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hermod.db"), sqlite.Options{
		IDs: ids, Now: func() time.Time { return start }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestAFirstStartMakesTheClientsOfTheIssue holds Local to issue 2, point 7.
func TestAFirstStartMakesTheClientsOfTheIssue(t *testing.T) {
	t.Parallel()
	db := open(t)
	for range 2 { // a second time changes nothing
		for _, c := range provision.Local() {
			if err := provision.Apply(t.Context(), db, c, start); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, want := range []struct{ client, secret, account, organization string }{
		{"local", "local-secret", "a-spge-LocalAccount00000001", "o-p-LocalOrganization001"},
		{"other", "other-secret", "a-spge-OtherAccount00000002", ""},
	} {
		c, err := db.Credential(t.Context(), "oauth:"+want.client)
		if err != nil {
			t.Fatal(err)
		}
		if c.Account != want.account || c.Organization != want.organization || !slices.Equal(c.SecretHash, auth.HashSecret(want.secret)) ||
			!slices.Equal(c.Scopes, []string{"signicat-api", "events.publish"}) {
			t.Errorf("%s: %+v", want.client, c)
		}
		owners, err := db.Owners(t.Context(), []string{want.account, "o-p-LocalOrganization001"})
		if err != nil || owners[want.account].Organization != want.organization || owners["o-p-LocalOrganization001"].ID == "" {
			t.Errorf("%s: %+v, %v", want.client, owners, err)
		}
	}
}

func TestApplyingAgainReplacesTheSecretAndKeepsTheOwner(t *testing.T) {
	t.Parallel()
	db := open(t)
	c := provision.Client{ID: "c", Secret: "one", Account: "a-1", Scopes: []string{"x"}}
	for _, secret := range []string{"one", "two"} {
		c.Secret = secret
		if err := provision.Apply(t.Context(), db, c, start); err != nil {
			t.Fatal(err)
		}
		if err := db.CreateSubscription(t.Context(), &hermod.Subscription{ID: secret, Owner: "a-1"}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := db.Credential(t.Context(), "oauth:c")
	if err != nil || !slices.Equal(found.SecretHash, auth.HashSecret("two")) {
		t.Errorf("%+v, %v", found, err)
	}
	owners, err := db.Owners(t.Context(), []string{"a-1"})
	if err != nil || owners["a-1"].Version != 2 {
		t.Errorf("%+v, %v", owners, err)
	}
}

// A refusing store fails in the method of that name.
type refusing struct{ in string }

var errStore = errors.New("away")

func (r refusing) CreateOwner(context.Context, hermod.Owner) error {
	if r.in == "CreateOwner" {
		return errStore
	}
	return nil
}

func (r refusing) Credential(context.Context, string) (*hermod.Credential, error) {
	if r.in == "Credential" {
		return nil, errStore
	}
	return nil, hermod.Errorf(hermod.CodeNotFound, "none")
}

func (r refusing) PutCredential(context.Context, *hermod.Credential) error {
	if r.in == "PutCredential" {
		return errStore
	}
	return nil
}

func TestAFailureOfTheStoreIsPassedOn(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"CreateOwner", "PutCredential"} {
		if err := provision.Apply(t.Context(), refusing{in}, provision.Local()[0], start); !errors.Is(err, errStore) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestAClientIsRenewedInItsAccountAndMovedOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, step := range []struct {
		account, secret string
		move            bool
		former          string // the account as it was before, "" for none
		code            hermod.Code
	}{
		{account: "a-1", secret: "one"},
		{account: "a-1", secret: "two", former: "a-1"},
		{account: "a-2", secret: "three", code: hermod.CodeConflict},
		{account: "a-2", secret: "four", move: true, former: "a-1"},
	} {
		before, _ := db.Credential(t.Context(), auth.OAuthClient("c"))
		c := provision.Client{ID: "c", Secret: step.secret, Account: step.account}
		former, err := provision.Renew(t.Context(), db, c, step.move, start)
		if hermod.CodeOf(err) != step.code || (former != nil) != (step.former != "") || (former != nil && former.Account != step.former) {
			t.Fatalf("%+v: %+v, %v", step, former, err)
		}
		after, readErr := db.Credential(t.Context(), auth.OAuthClient("c"))
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil {
			owners, err := db.Owners(t.Context(), []string{step.account})
			if err != nil || len(owners) > 0 || !slices.Equal(after.SecretHash, before.SecretHash) {
				t.Errorf("%+v: refused, and yet %+v, %+v, %v", step, after, owners, err)
			}
		} else if after.Account != step.account || !slices.Equal(after.SecretHash, auth.HashSecret(step.secret)) {
			t.Errorf("%+v: %+v", step, after)
		}
	}
	for _, in := range []string{"Credential", "CreateOwner", "PutCredential"} {
		if _, err := provision.Renew(t.Context(), refusing{in}, provision.Local()[0], false, start); !errors.Is(err, errStore) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestARevokedClientIsMadeAnew(t *testing.T) {
	t.Parallel()
	db, local := open(t), provision.Local()[0]
	apply := func() *hermod.Credential {
		t.Helper()
		if err := provision.Apply(t.Context(), db, local, start); err != nil {
			t.Fatal(err)
		}
		c, err := db.Credential(t.Context(), auth.OAuthClient(local.ID))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	registry := &auth.Registry{Store: db, Now: func() time.Time { return start }}
	if err := registry.Revoke(t.Context(), apply()); err != nil {
		t.Fatal(err)
	}
	listed, err := db.Credentials(t.Context(), local.Account)
	if err != nil || len(listed) != 1 || listed[0].RevokedAt.IsZero() {
		t.Fatalf("%+v, %v", listed, err)
	}
	if c := apply(); !c.RevokedAt.IsZero() {
		t.Errorf("%+v", c)
	}
}

// TestAFirstStartMakesTheCredentialsOfTheOtherDialects holds LocalSecrets to issue 4.
func TestAFirstStartMakesTheCredentialsOfTheOtherDialects(t *testing.T) {
	t.Parallel()
	db := open(t)
	if err := provision.ApplyLocal(t.Context(), db, start); err != nil {
		t.Fatal(err)
	}
	const account, tenant = "a-spge-LocalAccount00000001", "11111111-1111-4111-8111-111111111111"
	for id, want := range map[string]struct{ secret, tenant string }{
		auth.SecretID(auth.SignlyKey, "sk_local"):         {"sk_local", tenant},
		auth.SecretID(auth.SignlyHMAC, "sk_local_hmac"):   {"sk_local_hmac", tenant},
		auth.LoginID(tenant, "local"):                     {"local-secret", tenant},
		auth.SecretID(auth.TeliaKey, "local-key"):         {"local-key", tenant},
		auth.SecretID(auth.UniversignKey, "apikey_local"): {"apikey_local", "wsp_local"},
	} {
		c, err := db.Credential(t.Context(), id)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if c.Account != account || c.Tenant != want.tenant || !slices.Equal(c.SecretHash, auth.HashSecret(want.secret)) || len(c.Scopes) == 0 {
			t.Errorf("%s: %+v", id, c)
		}
	}
}

// revoker ends credentials of a database.
type revoker struct {
	*sqlite.DB
	*auth.Registry
}

func TestWhatACleanMachineStartsWithIsEndedAndWhatIsSomebodysOwnStays(t *testing.T) {
	t.Parallel()
	db := open(t)
	if err := provision.ApplyLocal(t.Context(), db, start); err != nil {
		t.Fatal(err)
	}
	own := provision.Local()[1]
	own.Secret = "of its own"
	if err := provision.Apply(t.Context(), db, own, start); err != nil {
		t.Fatal(err)
	}
	r := revoker{db, &auth.Registry{Store: db, Now: func() time.Time { return start }}}
	ended, err := provision.RevokeLocal(t.Context(), r)
	if want := len(provision.Local()) + len(provision.LocalSecrets()) - 1; err != nil || len(ended) != want {
		t.Errorf("%d are ended, want %d: %v, %v", len(ended), want, ended, err)
	}
	for _, c := range provision.Local() {
		all, err := db.Credentials(t.Context(), c.Account)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if isOwn := k.ID == auth.OAuthClient(own.ID); k.RevokedAt.IsZero() != isOwn {
				t.Errorf("%s is revoked at %s", k.ID, k.RevokedAt)
			}
		}
	}
	if again, err := provision.RevokeLocal(t.Context(), r); err != nil || len(again) != 0 {
		t.Errorf("again: %v, %v", again, err)
	}
}

func TestAnEmptyStoreHasNothingToEnd(t *testing.T) {
	t.Parallel()
	db := open(t)
	if ended, err := provision.RevokeLocal(t.Context(), revoker{db, &auth.Registry{Store: db, Now: time.Now}}); err != nil || len(ended) != 0 {
		t.Errorf("%v, %v", ended, err)
	}
}
