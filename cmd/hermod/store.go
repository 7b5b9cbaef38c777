package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/pkg/hermod"
	"hermod/pkg/kms"
	"hermod/pkg/node"
	"hermod/pkg/provision"
	"hermod/pkg/seal"
	"hermod/pkg/sqlite"
)

// A place is the Hermod that a command changes without its API: the database of a
// node that does not run, or the Config table of a deployment, with the AWS
// credentials in the environment.
type place struct{ data, table string }

// placeFlags defines the flags that name one.
func placeFlags(f *flag.FlagSet) *place {
	p := &place{}
	f.StringVar(&p.data, "data", "", "`directory` of a node that does not run (HERMOD_DATA, where there is no table)")
	f.StringVar(&p.table, "table", "", "Config `table` of a deployment (HERMOD_CONFIG_TABLE, where -data is not given)")
	return p
}

// fromEnvironment names the place where no flag did.
func (p *place) fromEnvironment(c *console) {
	if p.data == "" && p.table == "" {
		p.table = c.getenv("HERMOD_CONFIG_TABLE")
	}
	if p.data == "" && p.table == "" {
		p.data = c.getenv("HERMOD_DATA")
	}
}

// adminStore is what commands change.
type adminStore interface {
	provision.Store
	auth.CredentialRegistry
	auth.KeyStore
	// Changes is a page of an owner's audit log, the newest first.
	Changes(ctx context.Context, q hermod.ChangeQuery) (hermod.ChangePage, error)
	// Owners reads the rows of the owners. Those that do not exist are missing.
	Owners(ctx context.Context, ids []string) (map[string]hermod.Owner, error)
}

// database is the file of a node.
func (p *place) database() string { return filepath.Join(p.data, node.DatabaseFile) }

// openExisting opens a place, unless it is a directory without a node, which opening
// would make one.
func (p *place) openExisting(ctx context.Context, c *console) (store adminStore, end func() error, err error) {
	p.fromEnvironment(c)
	if p.data != "" {
		if _, err := os.Stat(p.database()); err != nil {
			return nil, nil, fmt.Errorf("there is no node in %s: %w", p.data, err)
		}
	}
	return p.open(ctx, c)
}

// openNew opens a place, and makes what a node keeps in a directory that has nothing yet.
func (p *place) openNew(ctx context.Context, c *console) (store adminStore, end func() error, err error) {
	p.fromEnvironment(c)
	if p.data != "" && p.table == "" {
		if _, err := node.LocalKeys(p.data); err != nil {
			return nil, nil, err
		}
	}
	return p.open(ctx, c)
}

// open opens the database of a node, or the table of a deployment.
func (p *place) open(ctx context.Context, c *console) (store adminStore, end func() error, err error) {
	switch {
	case (p.data == "") == (p.table == ""):
		return nil, nil, errors.New("give either -data or -table (or HERMOD_DATA or HERMOD_CONFIG_TABLE)")
	case p.data != "":
		db, err := sqlite.Open(ctx, p.database(), sqlite.Options{IDs: hermod.NewIDs(time.Now, randomBytes), Now: time.Now})
		if err != nil {
			return nil, nil, fmt.Errorf("opening the database (stop the node first): %w", err)
		}
		return db, db.Close, nil
	default:
		cfg, err := awscfg.Load(c.getenv, awscfg.DynamoDB)
		if err != nil {
			return nil, nil, fmt.Errorf("configuring DynamoDB: %w", err)
		}
		return dynamo.New(cfg, dynamo.Tables{Config: p.table}, time.Now, randomBytes), func() error { return nil }, nil
	}
}

// sealer is what seals the secrets of the place: with the key file of a node, or the
// KMS key of a deployment.
func (p *place) sealer(ctx context.Context, c *console, store auth.KeyStore, kmsKey string) (auth.Sealer, error) {
	if p.data != "" {
		local, err := node.LocalKeys(p.data)
		if err != nil {
			return nil, err
		}
		box := seal.NewBox(local, randomBytes, time.Now)
		return box, node.CheckKeyFile(ctx, store, box)
	}
	if kmsKey == "" {
		return nil, errors.New("-kms-key is required with -table: the key that seals the deployment's secrets")
	}
	cfg, err := awscfg.Load(c.getenv, awscfg.KMS)
	if err != nil {
		return nil, fmt.Errorf("configuring KMS: %w", err)
	}
	return seal.NewBox(kms.New(cfg, kmsKey), randomBytes, time.Now), nil
}

func randomBytes(p []byte) { _, _ = rand.Read(p) } // it never fails: see crypto/rand.Read
