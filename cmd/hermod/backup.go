package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hermod/pkg/node"
	"hermod/pkg/sqlite"
)

const backupUsage = `Copies a node's database, as it is at one moment, and its key file into a directory. The node may run
meanwhile. To restore, start a node on a copy of that directory.

usage:
  hermod backup -data DIR -to DIR

`

// backup copies what a node keeps.
func backup(ctx context.Context, c *console, args []string) error {
	f := c.flags("backup")
	f.Usage = func() {
		fmt.Fprint(c.err, backupUsage)
		f.PrintDefaults()
	}
	data := f.String("data", c.getenv("HERMOD_DATA"), "`directory` of the node (HERMOD_DATA)")
	to := f.String("to", "", "`directory` to make, or an empty one")
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	if *data == "" || *to == "" {
		return errors.New("backup: give -data (or HERMOD_DATA) and -to")
	}
	if err := copyNode(ctx, *data, *to); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	fmt.Fprintf(c.out, "%s holds a copy of %s. The secrets in it can be opened with its key file: keep it as safe.\n", *to, *data)
	return nil
}

func copyNode(ctx context.Context, data, to string) error {
	if _, err := os.Stat(filepath.Join(data, node.DatabaseFile)); err != nil {
		return fmt.Errorf("there is no node in %s: %w", data, err)
	}
	// A node makes its key before its database, and never another one.
	key, err := os.ReadFile(filepath.Join(data, node.KeyFile)) //nolint:gosec // the operator names it
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no %s, without which the secrets of the copy cannot be opened", data, node.KeyFile)
	}
	if err != nil {
		return fmt.Errorf("reading the key file: %w", err)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(to)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty", to)
	}
	if err := sqlite.Backup(ctx, filepath.Join(data, node.DatabaseFile), filepath.Join(to, node.DatabaseFile)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, node.KeyFile), key, 0o600); err != nil { //nolint:gosec // the operator names it
		return fmt.Errorf("writing the key file: %w", err)
	}
	return nil
}
