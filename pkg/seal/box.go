// Package seal keeps secrets out of the stores: it encrypts them before they reach
// a table and decrypts them after they leave it.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Keys hands out data keys, which encrypt, and keeps the one key that encrypts
// them. A wrapped data key is bound to its owner.
type Keys interface {
	// DataKey makes a key of 32 bytes for the owner, in the clear and wrapped.
	DataKey(ctx context.Context, owner string) (plain, wrapped []byte, err error)
	// Unwrap gives the key that DataKey wrapped for the same owner.
	Unwrap(ctx context.Context, owner string, wrapped []byte) (plain []byte, err error)
}

// What a Box keeps in memory, and for how long. A data key seals for at most
// keepKeys and maxSeals texts, far below the 2^32 to which random nonces limit
// AES-GCM (NIST SP 800-38D, section 8.3).
const (
	keepKeys = 5 * time.Minute
	maxKeys  = 1024
	maxSeals = 1 << 20
)

// formatOne is the first byte of all that a Box seals. After it come the length of
// the wrapped key in two bytes, the wrapped key, the nonce and the ciphertext with
// its tag.
const formatOne = 1

// A Box seals texts with AES-256-GCM under data keys. What is sealed is bound to
// an owner and a name, and opens for the same two alone. Safe for concurrent use.
type Box struct {
	keys   Keys
	random func([]byte)
	seals  *cache[string, *sealKey]
	opens  *cache[openRef, cipher.AEAD]
}

type sealKey struct {
	aead    cipher.AEAD
	wrapped []byte
	used    atomic.Int64
}

// An openRef names a wrapped key with the owner it is claimed to be of: a key that
// was unwrapped for one owner must not open for another.
type openRef struct{ owner, wrapped string }

// NewBox makes a Box from keys, a source of random bytes and a clock.
func NewBox(keys Keys, random func([]byte), now func() time.Time) *Box {
	return &Box{
		keys:   keys,
		random: random,
		seals:  newCache[string, *sealKey](now, keepKeys, maxKeys),
		opens:  newCache[openRef, cipher.AEAD](now, keepKeys, maxKeys),
	}
}

// Seal encrypts plaintext for the owner under a name, such as a subscription's id.
func (b *Box) Seal(ctx context.Context, owner, name string, plaintext []byte) ([]byte, error) {
	key, err := b.seals.get(ctx, owner,
		func(k *sealKey) bool { return k.used.Add(1) <= maxSeals },
		func() (*sealKey, error) { return b.newSealKey(ctx, owner) })
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	head := 3 + len(key.wrapped)
	sealed := make([]byte, head+key.aead.NonceSize(), head+key.aead.NonceSize()+len(plaintext)+key.aead.Overhead())
	sealed[0] = formatOne
	binary.BigEndian.PutUint16(sealed[1:], uint16(len(key.wrapped))) //nolint:gosec // newSealKey checks the length
	copy(sealed[3:], key.wrapped)
	nonce := sealed[head:]
	b.random(nonce)
	return key.aead.Seal(sealed, nonce, plaintext, binding(owner, name)), nil //nolint:gosec // the nonce is random, two lines above
}

func (b *Box) newSealKey(ctx context.Context, owner string) (*sealKey, error) {
	plain, wrapped, err := b.keys.DataKey(ctx, owner)
	if err != nil {
		return nil, fmt.Errorf("making a data key: %w", err)
	}
	if len(wrapped) > 1<<16-1 {
		return nil, fmt.Errorf("making a data key: the wrapped key has %d bytes", len(wrapped))
	}
	aead, err := newAEAD(plain)
	if err != nil {
		return nil, fmt.Errorf("making a data key: %w", err)
	}
	k := &sealKey{aead: aead, wrapped: wrapped}
	k.used.Store(1) // by the caller that had it made
	return k, nil
}

// errDamaged marks what no key opens: it was changed, or is another owner's or
// another name's. Trying again does not help.
var errDamaged = errors.New("opening: not sealed by this format, for this owner and name")

// Open decrypts what Seal made for the same owner and name. It fails where a bit
// of it was changed, or owner or name differ.
func (b *Box) Open(ctx context.Context, owner, name string, sealed []byte) ([]byte, error) {
	if len(sealed) < 3 || sealed[0] != formatOne {
		return nil, errDamaged
	}
	head := 3 + int(binary.BigEndian.Uint16(sealed[1:]))
	if len(sealed) < head {
		return nil, errDamaged
	}
	wrapped := sealed[3:head]
	aead, err := b.opens.get(ctx, openRef{owner, string(wrapped)},
		func(cipher.AEAD) bool { return true },
		func() (cipher.AEAD, error) {
			plain, err := b.keys.Unwrap(ctx, owner, wrapped)
			if err != nil {
				return nil, err
			}
			return newAEAD(plain)
		})
	if err != nil {
		return nil, fmt.Errorf("opening: unwrapping the data key: %w", err)
	}
	if len(sealed) < head+aead.NonceSize() {
		return nil, errDamaged
	}
	nonce, ciphertext := sealed[head:head+aead.NonceSize()], sealed[head+aead.NonceSize():]
	plaintext, err := aead.Open(nil, nonce, ciphertext, binding(owner, name))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return plaintext, nil
}

// keySize makes it AES-256.
const keySize = 32

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("a data key has %d bytes, not %d", len(key), keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// binding is the additional data that ties a text to its format, owner and name.
// The owner's length keeps "ab","c" and "a","bc" apart.
func binding(owner, name string) []byte {
	data := make([]byte, 0, 1+8+len(owner)+len(name))
	data = append(data, formatOne)
	data = binary.BigEndian.AppendUint64(data, uint64(len(owner)))
	data = append(data, owner...)
	return append(data, name...)
}
