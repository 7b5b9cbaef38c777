// Package auth resolves credentials into principals: it issues access tokens and
// verifies them, its own and those of an outside issuer, and it makes and checks API
// keys.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"hermod/pkg/hermod"
)

// A KeyStore keeps the keys that sign access tokens.
type KeyStore interface {
	// SigningKeys are all keys, the newest first.
	SigningKeys(ctx context.Context) ([]hermod.SigningKey, error)
	// PutSigningKey puts a key if absent. It fails with CodeConflict.
	PutSigningKey(ctx context.Context, k hermod.SigningKey) error
	// DeleteSigningKey deletes a key. One that is not there is no error.
	DeleteSigningKey(ctx context.Context, id string) error
}

// A Sealer encrypts what must not stand in a table in the clear, bound to an owner
// and a name.
type Sealer interface {
	Seal(ctx context.Context, owner, name string, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, owner, name string, sealed []byte) ([]byte, error)
}

// sealOwner is the owner that signing keys are sealed for: Hermod itself.
const sealOwner = "hermod"

const keyBits = 2048

// Keys are the keys that sign access tokens, kept for a while; see KeyStateOf for
// the life of one. A function that only verifies has no Sealer. With a Use they are
// the keys that sign something else: of a set of their own, with the same life.
type Keys struct {
	Store  KeyStore
	Sealer Sealer
	// Use is that of the keys; "" for access tokens. Prefix begins the ids of new ones.
	Use, Prefix string
	// First makes the first key where what is derived from keys is asked for and there
	// is none: Ensure, or nil. Those who never make keys do not link what does.
	First func(context.Context) error
	Now   func() time.Time
	// Log takes the failures of a rotation, which fail no caller; nil is slog.Default.
	Log *slog.Logger

	ring ring[hermod.SigningKey]

	mu        sync.Mutex
	private   map[string]*rsa.PrivateKey
	rotatedAt time.Time // of the last try
}

// all gives the keys, read again when they are stale, or soon where the id is not
// among them.
func (k *Keys) all(ctx context.Context, id string) ([]hermod.SigningKey, error) {
	s := source[hermod.SigningKey]{read: k.read, now: k.Now}
	if id != "" {
		s.wanted = func(key hermod.SigningKey) bool { return key.ID == id }
	}
	return k.ring.get(ctx, s)
}

func (k *Keys) read(ctx context.Context) ([]hermod.SigningKey, error) {
	keys, err := k.Store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading signing keys: %w", err)
	}
	return OfUse(keys, k.Use), nil
}

// OfUse are those of the keys that sign one thing: a set within which each has its
// state.
func OfUse(keys []hermod.SigningKey, use string) []hermod.SigningKey {
	return slices.DeleteFunc(slices.Clone(keys), func(key hermod.SigningKey) bool { return key.Use != use })
}

// public finds the key that verifies a token. It fails with CodeUnauthorized for
// an id that no published key has.
func (k *Keys) public(ctx context.Context, id string) (*rsa.PublicKey, error) {
	keys, err := k.all(ctx, id)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i].ID == id && KeyStateOf(keys, i, k.Now()).Published() {
			return parsePublic(keys[i])
		}
	}
	return nil, hermod.Errorf(hermod.CodeUnauthorized, "the token is signed by no key of this service")
}

func parsePublic(key hermod.SigningKey) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(key.Public)
	if err != nil {
		return nil, fmt.Errorf("parsing signing key %s: %w", key.ID, err)
	}
	public, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is no RSA key", key.ID)
	}
	return public, nil
}

// A PublicKey verifies what the key of the id has signed.
type PublicKey struct {
	ID  string
	Key *rsa.PublicKey
}

// Published are the keys that verifiers need: those that sign, have signed what has
// not ended yet, or will sign next. Where there is no key it makes the first one, so
// that nobody remembers an empty set.
func (k *Keys) Published(ctx context.Context) ([]PublicKey, error) {
	keys, err := k.someKeys(ctx)
	if err != nil {
		return nil, err
	}
	var published []PublicKey
	for i := range keys {
		if !KeyStateOf(keys, i, k.Now()).Published() {
			continue
		}
		public, err := parsePublic(keys[i])
		if err != nil {
			return nil, err
		}
		published = append(published, PublicKey{keys[i].ID, public})
	}
	return published, nil
}

// someKeys gives the keys, and makes the first one where there is none.
func (k *Keys) someKeys(ctx context.Context) ([]hermod.SigningKey, error) {
	keys, err := k.all(ctx, "")
	if err != nil || len(keys) > 0 {
		return keys, err
	}
	if err := k.Create(hermod.ByHermod(ctx)); err != nil {
		return nil, err
	}
	if keys, err = k.all(ctx, ""); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, hermod.Errorf(hermod.CodeUnavailable, "the first signing key is being made; try again")
	}
	return keys, nil
}

// Signer gives the key that signs now and its id, after a rotation where one is due.
func (k *Keys) Signer(ctx context.Context) (string, *rsa.PrivateKey, error) {
	keys, err := k.someKeys(ctx)
	if err != nil {
		return "", nil, err
	}
	k.rotateIfDue(ctx, keys)
	key := keys[signing(keys, k.Now())]
	k.mu.Lock()
	private := k.private[key.ID]
	k.mu.Unlock()
	if private != nil {
		return key.ID, private, nil
	}
	if private, err = k.open(ctx, key); err != nil {
		return "", nil, err
	}
	k.mu.Lock()
	k.private = map[string]*rsa.PrivateKey{key.ID: private}
	k.mu.Unlock()
	return key.ID, private, nil
}

// openDER opens the key as PKCS #8 has it.
func (k *Keys) openDER(ctx context.Context, key hermod.SigningKey) ([]byte, error) {
	der, err := k.Sealer.Open(ctx, sealOwner, key.ID, key.Sealed)
	if err != nil {
		return nil, fmt.Errorf("opening signing key %s: %w", key.ID, err)
	}
	return der, nil
}

// Check opens every key in the store, whatever it signs, and fails where one does not open.
func (k *Keys) Check(ctx context.Context) error {
	keys, err := k.Store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	for _, key := range keys {
		if _, err := k.openDER(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keys) open(ctx context.Context, key hermod.SigningKey) (*rsa.PrivateKey, error) {
	der, err := k.openDER(ctx, key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parsing signing key %s: %w", key.ID, err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is no RSA key", key.ID)
	}
	return private, nil
}

// Ensure makes the first key where there is none, so that the first token need not
// wait for it.
func (k *Keys) Ensure(ctx context.Context) error {
	_, _, err := k.Signer(hermod.ByHermod(ctx))
	return err
}

// Create makes a key and stores it. Where several processes start at once, each
// makes one and all of them stand.
func (k *Keys) Create(ctx context.Context) error {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return fmt.Errorf("generating a signing key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return fmt.Errorf("encoding a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("encoding a signing key: %w", err)
	}
	digest := sha256.Sum256(public)
	id := k.Prefix + hex.EncodeToString(digest[:8])
	sealed, err := k.Sealer.Seal(ctx, sealOwner, id, der)
	if err != nil {
		return fmt.Errorf("sealing a signing key: %w", err)
	}
	key := hermod.SigningKey{ID: id, Use: k.Use, Public: public, Sealed: sealed, CreatedAt: k.Now()}
	if err := k.Store.PutSigningKey(ctx, key); err != nil {
		return fmt.Errorf("storing a signing key: %w", err)
	}
	k.ring.forget()
	return nil
}

// cursorPurpose sets the keys of cursors apart from all others that are derived.
const cursorPurpose = "hermod cursor v1"

// CursorKeys are keys for the cursors of lists, derived from the signing keys as they
// stand in the table, sealed: every function can read those, and few can open them.
// So who can read the table, or a copy of it, can make cursors. A cursor names a place
// in a list and nothing that its bearer may not read: the owner is the caller's, always.
// Nothing that says who somebody is may be signed by these keys; see Sessions.
//
// The first is of the key that signs, which every process has known for long; the key to
// come some do not know yet.
func (k *Keys) CursorKeys(ctx context.Context) ([][]byte, error) {
	keys, err := k.someToDerive(ctx)
	if err != nil {
		return nil, err
	}
	derived := make([][]byte, len(keys))
	for i := range keys {
		sum := sha256.Sum256(append([]byte(cursorPurpose+"\x00"), keys[i].Sealed...))
		derived[i] = sum[:]
	}
	first := signing(keys, k.Now())
	derived[0], derived[first] = derived[first], derived[0]
	return derived, nil
}

// someToDerive gives the keys, one at least. Where there is none, First makes it.
func (k *Keys) someToDerive(ctx context.Context) ([]hermod.SigningKey, error) {
	keys, err := k.all(ctx, "")
	if err == nil && len(keys) == 0 && k.First != nil {
		if err = k.First(ctx); err == nil {
			keys, err = k.all(ctx, "")
		}
	}
	if err == nil && len(keys) == 0 {
		err = hermod.Errorf(hermod.CodeUnavailable, "this service has no signing key yet; get a token or read its key set once, and try again")
	}
	return keys, err
}
