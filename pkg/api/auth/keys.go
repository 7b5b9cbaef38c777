// Package auth resolves credentials into principals: it issues access tokens and
// verifies them.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
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
}

// A Sealer encrypts what must not stand in a table in the clear, bound to an owner
// and a name.
type Sealer interface {
	Seal(ctx context.Context, owner, name string, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, owner, name string, sealed []byte) ([]byte, error)
}

// sealOwner is the owner that signing keys are sealed for: Hermod itself.
const sealOwner = "hermod"

const (
	keyBits = 2048
	// keysFresh is how long the keys are kept before they are read again.
	keysFresh = 5 * time.Minute
	// keysRetry is the least time between two reads forced by an unknown key id.
	keysRetry = 10 * time.Second
)

// Keys are the keys that sign access tokens, kept for a while. A function that
// only verifies has no Sealer.
type Keys struct {
	Store  KeyStore
	Sealer Sealer
	Now    func() time.Time

	mu      sync.Mutex
	known   []hermod.SigningKey
	readAt  time.Time
	private map[string]*rsa.PrivateKey
}

// all gives the keys, read again when they are stale, or at once where the id is
// not among them.
func (k *Keys) all(ctx context.Context, id string) ([]hermod.SigningKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age := k.Now().Sub(k.readAt)
	unknown := id != ""
	for i := range k.known {
		unknown = unknown && k.known[i].ID != id
	}
	if len(k.known) > 0 && age < keysFresh && (!unknown || age < keysRetry) {
		return k.known, nil
	}
	keys, err := k.Store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading signing keys: %w", err)
	}
	k.known, k.readAt = keys, k.Now()
	return keys, nil
}

// public finds the key that verifies a token. It fails with CodeUnauthorized for
// an id that no key has.
func (k *Keys) public(ctx context.Context, id string) (*rsa.PublicKey, error) {
	keys, err := k.all(ctx, id)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i].ID != id {
			continue
		}
		parsed, err := x509.ParsePKIXPublicKey(keys[i].Public)
		if err != nil {
			return nil, fmt.Errorf("parsing signing key %s: %w", id, err)
		}
		if pub, ok := parsed.(*rsa.PublicKey); ok {
			return pub, nil
		}
	}
	return nil, hermod.Errorf(hermod.CodeUnauthorized, "the token is signed by no key of this service")
}

// signer gives the newest key, and makes the first one where there is none.
func (k *Keys) signer(ctx context.Context) (string, *rsa.PrivateKey, error) {
	keys, err := k.all(ctx, "")
	if err != nil {
		return "", nil, err
	}
	if len(keys) == 0 {
		if err := k.Create(ctx); err != nil {
			return "", nil, err
		}
		if keys, err = k.all(ctx, ""); err != nil {
			return "", nil, err
		}
		if len(keys) == 0 {
			return "", nil, hermod.Errorf(hermod.CodeUnavailable, "the first signing key is being made; try again")
		}
	}
	newest := keys[0]
	k.mu.Lock()
	private := k.private[newest.ID]
	k.mu.Unlock()
	if private != nil {
		return newest.ID, private, nil
	}
	der, err := k.Sealer.Open(ctx, sealOwner, newest.ID, newest.Sealed)
	if err != nil {
		return "", nil, fmt.Errorf("opening signing key %s: %w", newest.ID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return "", nil, fmt.Errorf("parsing signing key %s: %w", newest.ID, err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return "", nil, fmt.Errorf("signing key %s is no RSA key", newest.ID)
	}
	k.mu.Lock()
	k.private = map[string]*rsa.PrivateKey{newest.ID: private}
	k.mu.Unlock()
	return newest.ID, private, nil
}

// Ensure makes the first key where there is none, so that the first token need not
// wait for it.
func (k *Keys) Ensure(ctx context.Context) error {
	_, _, err := k.signer(ctx)
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
	id := hex.EncodeToString(digest[:8])
	sealed, err := k.Sealer.Seal(ctx, sealOwner, id, der)
	if err != nil {
		return fmt.Errorf("sealing a signing key: %w", err)
	}
	key := hermod.SigningKey{ID: id, Public: public, Sealed: sealed, CreatedAt: k.Now()}
	if err := k.Store.PutSigningKey(ctx, key); err != nil {
		return fmt.Errorf("storing a signing key: %w", err)
	}
	return nil
}

// CursorKeys are keys for the cursors of lists. They are derived from the sealed
// signing keys, which every function can read, nobody else can, and which stay
// the same until a rotation: so there is no further secret to keep.
func (k *Keys) CursorKeys(ctx context.Context) ([][]byte, error) {
	keys, err := k.all(ctx, "")
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("there is no signing key yet")
	}
	derived := make([][]byte, len(keys))
	for i := range keys {
		sum := sha256.Sum256(append([]byte("hermod cursor v1\x00"), keys[i].Sealed...))
		derived[i] = sum[:]
	}
	return derived, nil
}
