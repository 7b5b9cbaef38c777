package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
)

// provisionAWS creates the owners and a client of a deployment, so that somebody
// can get the first token. It writes to the Config table with the credentials in
// the environment.
func provisionAWS(ctx context.Context, c *console, args []string) error {
	f := c.flags("provision")
	table := f.String("table", c.env("HERMOD_CONFIG_TABLE", ""), "name of the Config table (HERMOD_CONFIG_TABLE)")
	id := f.String("client", "", "id of the OAuth client to create or replace")
	account := f.String("account", "", "account it acts for, such as a-ppge-Example0000000000001")
	organization := f.String("organization", "", "organization of the account, if any")
	scopes := f.String("scopes", hermod.ScopeManage+","+hermod.ScopePublish, "scopes it holds, a comma list")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *table == "" || *id == "" || *account == "" {
		return errors.New("provision: -table, -client and -account are required")
	}
	cfg, err := awscfg.Load(c.getenv, awscfg.DynamoDB)
	if err != nil {
		return fmt.Errorf("configuring DynamoDB: %w", err)
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails: see crypto/rand.Read
	secret := base64.RawURLEncoding.EncodeToString(random)
	store := dynamo.New(cfg, dynamo.Tables{Config: *table}, time.Now, func(p []byte) { _, _ = rand.Read(p) })
	client := provision.Client{
		ID: *id, Secret: secret, Account: *account, Organization: *organization, Scopes: strings.Split(*scopes, ","),
	}
	if err := provision.Apply(ctx, store, client, time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "client %s\nsecret %s\n\nThe secret is shown this once; only its hash is kept.\n", *id, secret)
	return nil
}
