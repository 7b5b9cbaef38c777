package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/provision"
)

// provisionClient creates the owners and a client of a Hermod, so that somebody
// can get the first token. What comes after, the API and `hermod keys` do.
func provisionClient(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("provision")
	where := placeFlags(f)
	id := f.String("client", "", "`id` of the OAuth client to create, or to give a new secret")
	account := f.String("account", "", "`account` it acts for, such as a-ppge-Example0000000000001")
	organization := f.String("organization", "", "`organization` of the account, if any")
	scopes := f.String("scopes", hermod.ScopeManage+","+hermod.ScopePublish, "scopes it holds, a comma `list`")
	replace := f.Bool("replace", false, "take the client from the account that it acts for, where that is another one")
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	if *id == "" || *account == "" {
		return errors.New("provision: -client and -account are required")
	}
	store, end, err := where.openNew(ctx, c)
	if err != nil {
		return fmt.Errorf("provision: %w", err)
	}
	defer func() { err = errors.Join(err, end()) }()

	secret := make([]byte, 32)
	randomBytes(secret)
	client := provision.Client{
		ID: *id, Secret: base64.RawURLEncoding.EncodeToString(secret),
		Account: *account, Organization: *organization, Scopes: strings.Split(*scopes, ","),
	}
	former, err := provision.Renew(ctx, store, client, *replace, time.Now())
	if hermod.CodeOf(err) == hermod.CodeConflict {
		return fmt.Errorf("provision: %w; -replace takes it from there", err)
	}
	if err != nil {
		return fmt.Errorf("provision: %w", err)
	}
	fmt.Fprintf(c.out, "client %s\nsecret %s\n\nThe secret is shown this once; only its hash is kept.\n", client.ID, client.Secret)
	if former == nil {
		return nil
	}
	fmt.Fprintf(c.out, "This client was there before: its former secret has ended.\n")
	if former.Account != client.Account {
		fmt.Fprintf(c.out, "It acted for %s, and does so no more.\n", former.Account)
	}
	return nil
}
