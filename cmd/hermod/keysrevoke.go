package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hermod/pkg/api/auth"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
)

func revokeKeys(ctx context.Context, c *console, args []string) (err error) {
	f := c.flags("keys revoke")
	where := placeFlags(f)
	local := f.Bool("local", false, "what a clean machine starts with, of every API")
	if err := c.parse(f, args, len(args)); err != nil {
		return err
	}
	switch {
	case *local && f.NArg() > 0:
		return fmt.Errorf("-local is without ids, but there is %q", f.Arg(0))
	case !*local && f.NArg() == 0:
		return errors.New("name what to revoke, as hermod keys list shows it, after the flags; or give -local")
	}
	store, end, err := where.openExisting(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	registry := &auth.Registry{Store: store, Now: time.Now}
	if *local {
		return c.revokeLocal(ctx, store, registry)
	}
	return c.revoke(ctx, store, registry, f.Args())
}

// revoke ends credentials and signing keys by their ids.
func (c *console) revoke(ctx context.Context, store adminStore, registry *auth.Registry, ids []string) error {
	signing, err := store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if slices.ContainsFunc(signing, func(k hermod.SigningKey) bool { return k.ID == id }) {
			if err := store.DeleteSigningKey(ctx, id); err != nil {
				return err
			}
			fmt.Fprintf(c.out, "signing key %s is deleted; within 5 minutes nothing that it signed is believed\n", id)
			continue
		}
		found, err := store.Credential(ctx, id)
		if hermod.CodeOf(err) == hermod.CodeNotFound {
			return fmt.Errorf("there is no %s: want an id such as oauth:local, as hermod keys list shows it", id)
		}
		if err != nil {
			return err
		}
		if err := registry.Revoke(ctx, found); err != nil {
			return err
		}
		c.revoked(id)
	}
	return nil
}

func (c *console) revoked(id string) {
	fmt.Fprintf(c.out, "%s is revoked; what it opened ends within a minute\n", id)
}

// revokeLocal ends what a clean machine starts with.
func (c *console) revokeLocal(ctx context.Context, store adminStore, registry *auth.Registry) error {
	ended, err := provision.RevokeLocal(ctx, struct {
		adminStore
		*auth.Registry
	}{store, registry})
	for _, id := range ended {
		c.revoked(id)
	}
	if err == nil && len(ended) == 0 {
		fmt.Fprintln(c.out, "nothing that a clean machine starts with is left")
	}
	return err
}
