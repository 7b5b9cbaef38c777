package seal

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// LocalKeys wraps data keys under a key kept in a file: the Keys of a single
// machine. Who has the file and the database has the secrets; who has one of them
// has nothing.
type LocalKeys struct {
	master cipher.AEAD
	random func([]byte)
}

var _ Keys = (*LocalKeys)(nil)

// LocalKeysOf are the keys of a database file, under the key file at path. Where there is
// neither, NewLocalKeys makes the key file: before the database, so that one without the
// other has lost it, and is refused.
func LocalKeysOf(database, path string, random func([]byte)) (*LocalKeys, error) {
	_, err := os.Stat(database)
	if errors.Is(err, fs.ErrNotExist) {
		return NewLocalKeys(path, random)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the database: %w", err)
	}
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has a database but no %s: put back the one that belongs to it", filepath.Dir(database), filepath.Base(path))
	}
	return localKeys(key, err, random)
}

// NewLocalKeys reads the key file at path, one line of 64 hex digits. Where there
// is none it makes one, with mode 0600, in a directory of mode 0700. It fails
// where group or others may read or write the file.
func NewLocalKeys(path string, random func([]byte)) (*LocalKeys, error) {
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path, random); err != nil {
			return nil, fmt.Errorf("making the key file: %w", err)
		}
		key, err = readKey(path)
	}
	return localKeys(key, err, random)
}

// localKeys are those under what readKey read.
func localKeys(key []byte, err error, random func([]byte)) (*LocalKeys, error) {
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	master, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	return &LocalKeys{master: master, random: random}, nil
}

// keyLine is the size of a key file with its line break.
const keyLine = 2*keySize + 1

func readKey(path string) (key []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// Asked of the open file, so that what is checked is what is read.
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o and is open to others: chmod 600 it, and replace it if others may have read it", path, mode)
	}
	line, err := io.ReadAll(io.LimitReader(f, keyLine+1))
	if err != nil {
		return nil, err
	}
	key, err = hex.DecodeString(string(bytes.TrimSuffix(line, []byte("\n"))))
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("%s does not hold %d hex digits", path, 2*keySize) // err would quote one
	}
	return key, nil
}

// makeKey puts a new key file if there is none. It is whole and on disk before it
// has its name: two processes that start together use the same key, and a crash
// leaves no half of one.
func makeKey(path string, random func([]byte)) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	key := make([]byte, keySize)
	random(key)
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// A link fails where the name is taken; a rename would replace the key that
	// another process has begun to use.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) (err error) {
	d, err := os.Open(dir) //nolint:gosec // the path is the operator's
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

// DataKey makes a data key and wraps it: nonce, then ciphertext.
func (k *LocalKeys) DataKey(_ context.Context, owner string) (plain, wrapped []byte, err error) {
	plain = make([]byte, keySize)
	k.random(plain)
	nonce := make([]byte, k.master.NonceSize(), k.master.NonceSize()+keySize+k.master.Overhead())
	k.random(nonce)
	return plain, k.master.Seal(nonce, nonce, plain, wrapBinding(owner)), nil
}

// ErrForeignKey marks what was not wrapped by the key file, or for another owner.
var ErrForeignKey = errors.New("not wrapped by this key file for this owner")

// Unwrap is the inverse of DataKey. It fails with ErrForeignKey for another owner, and
// under another key file.
func (k *LocalKeys) Unwrap(_ context.Context, owner string, wrapped []byte) ([]byte, error) {
	if len(wrapped) < k.master.NonceSize() {
		return nil, errors.New("the wrapped key is too short")
	}
	nonce, ciphertext := wrapped[:k.master.NonceSize()], wrapped[k.master.NonceSize():]
	plain, err := k.master.Open(nil, nonce, ciphertext, wrapBinding(owner))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeignKey, err)
	}
	return plain, nil
}

func wrapBinding(owner string) []byte { return []byte("hermod data key of " + owner) }
