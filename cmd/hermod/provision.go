package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
	"hermod/pkg/sqlite"
)

// provisionClient creates the owners and a client of a Hermod, so that somebody
// can get the first token, or revokes a client. It writes to the database of a
// node that does not run, or to the Config table of a deployment with the AWS
// credentials in the environment.
func provisionClient(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("provision")
	data := f.String("data", "", "directory of a node that does not run")
	table := f.String("table", c.env("HERMOD_CONFIG_TABLE", ""), "Config table of a deployment (HERMOD_CONFIG_TABLE)")
	id := f.String("client", "", "id of the OAuth client to create, replace or revoke")
	account := f.String("account", "", "account it acts for, such as a-ppge-Example0000000000001")
	organization := f.String("organization", "", "organization of the account, if any")
	scopes := f.String("scopes", hermod.ScopeManage+","+hermod.ScopePublish, "scopes it holds, a comma list")
	revoke := f.Bool("revoke", false, "revoke the client instead")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *id == "" || (*account == "" && !*revoke) {
		return errors.New("provision: -client is required, and -account unless -revoke is given")
	}
	store, end, err := c.openStore(ctx, *data, *table)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()

	if *revoke {
		if err := provision.Revoke(ctx, store, *id, time.Now()); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "client %s is revoked; its tokens end within a minute\n", *id)
		return nil
	}
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

// provisionStore is what the command writes to.
type provisionStore interface {
	provision.Store
	provision.Credentials
}

// openStore opens the database of a node, or the table of a deployment.
func (c *console) openStore(ctx context.Context, data, table string) (store provisionStore, end func() error, err error) {
	switch {
	case (data == "") == (table == ""):
		return nil, nil, errors.New("provision: give either -data or -table")
	case data != "":
		db, err := sqlite.Open(ctx, filepath.Join(data, "hermod.db"), sqlite.Options{
			IDs: hermod.NewIDs(time.Now, randomBytes), Now: time.Now,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("opening the database (stop the node first): %w", err)
		}
		return db, db.Close, nil
	default:
		cfg, err := awscfg.Load(c.getenv, awscfg.DynamoDB)
		if err != nil {
			return nil, nil, fmt.Errorf("configuring DynamoDB: %w", err)
		}
		return dynamo.New(cfg, dynamo.Tables{Config: table}, time.Now, randomBytes), func() error { return nil }, nil
	}
}

func randomBytes(p []byte) { _, _ = rand.Read(p) } // it never fails: see crypto/rand.Read
