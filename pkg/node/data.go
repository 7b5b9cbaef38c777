package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"hermod/pkg/api/auth"
	"hermod/pkg/seal"
)

// What a node keeps in its directory.
const (
	DatabaseFile = "hermod.db"
	KeyFile      = "hermod.key"
)

// LocalKeys are the keys of a node by its directory. Where there is no database yet they
// are made; a database without its key file is refused.
func LocalKeys(data string) (*seal.LocalKeys, error) {
	return seal.LocalKeysOf(filepath.Join(data, DatabaseFile), filepath.Join(data, KeyFile), randomBytes)
}

// CheckKeyFile fails where a signing key of the database was sealed with another key file
// than the sealer's: before anything is sealed with that one too.
func CheckKeyFile(ctx context.Context, store auth.KeyStore, sealer auth.Sealer) error {
	err := (&auth.Keys{Store: store, Sealer: sealer}).Check(ctx)
	if errors.Is(err, seal.ErrForeignKey) {
		return fmt.Errorf("%s does not belong to this database", KeyFile)
	}
	return err
}
