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
	id := f.String("client", "", "`id` of the OAuth client to create or replace")
	account := f.String("account", "", "`account` it acts for, such as a-ppge-Example0000000000001")
	organization := f.String("organization", "", "`organization` of the account, if any")
	scopes := f.String("scopes", hermod.ScopeManage+","+hermod.ScopePublish, "scopes it holds, a comma `list`")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *id == "" || *account == "" {
		return errors.New("provision: -client and -account are required")
	}
	store, end, err := where.open(ctx, c)
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
	if err := provision.Apply(ctx, store, client, time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "client %s\nsecret %s\n\nThe secret is shown this once; only its hash is kept.\n", client.ID, client.Secret)
	return nil
}
