package auth

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"hermod/pkg/hermod"
)

// The life of a signing key.
const (
	// RotateAfter is the age of the newest key at which the issuer makes another.
	RotateAfter = 30 * 24 * time.Hour
	// keyLead is how long a key is published before it signs: longer than anybody
	// keeps the key set (keysFresh here, JWKSMaxAge elsewhere, minutes on top of it in
	// the libraries of verifiers).
	keyLead = time.Hour
	// keySkew is how far the clocks of issuers and verifiers may be apart.
	keySkew = 5 * time.Minute
	// keyKept is how long the row of a key that nobody needs to verify is kept: its
	// cursors work until then.
	keyKept = hermod.DefaultRetention
	// rotateRetry is the least time between two tries of a rotation.
	rotateRetry = time.Minute
)

// JWKSMaxAge is how long verifiers may keep the published keys.
const JWKSMaxAge = 5 * time.Minute

// A KeyState is where in its life a signing key is.
type KeyState string

// The states, in their order.
const (
	KeyNext     KeyState = "next"     // published, so that all verifiers know it when it signs
	KeySigning  KeyState = "signing"  // signs new tokens
	KeyVerifies KeyState = "verifies" // published until every token it signed has ended; deliveries are verified sooner
	KeyRetired  KeyState = "retired"  // believed no more; cursors made with it still are
	KeyPast     KeyState = "past"     // to be deleted
)

// Published reports whether verifiers are told of the key.
func (s KeyState) Published() bool { return s != KeyRetired && s != KeyPast }

// signing is the index of the key that signs at the moment: the newest that has been
// published for keyLead, or the oldest, as nobody waits for the first key.
func signing(keys []hermod.SigningKey, now time.Time) int {
	for i := range keys {
		if !now.Before(keys[i].CreatedAt.Add(keyLead)) {
			return i
		}
	}
	return len(keys) - 1
}

// KeyStateOf is the state of the key at index i of all keys, the newest first.
func KeyStateOf(keys []hermod.SigningKey, i int, now time.Time) KeyState {
	switch signs := signing(keys, now); {
	case i < signs:
		return KeyNext
	case i == signs:
		return KeySigning
	}
	// It signed until the next newer one began to.
	retires := keys[i-1].CreatedAt.Add(keyLead + TokenLife + keySkew)
	switch {
	case now.Before(retires):
		return KeyVerifies
	case now.Before(retires.Add(keyKept)):
		return KeyRetired
	default:
		return KeyPast
	}
}

// Rotate makes a new key, which signs keyLead from now on, or at once where it is
// the first, and deletes those that are past. It gives the moment from which the new
// key signs.
func (k *Keys) Rotate(ctx context.Context) (signs time.Time, err error) {
	keys, err := k.read(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return k.rotate(ctx, keys)
}

func (k *Keys) rotate(ctx context.Context, before []hermod.SigningKey) (signs time.Time, err error) {
	if err := k.Create(ctx); err != nil {
		return time.Time{}, err
	}
	now := k.Now()
	signs = now
	if len(before) > 0 {
		signs = now.Add(keyLead)
	}
	for i := range before {
		if KeyStateOf(before, i, now) != KeyPast {
			continue
		}
		if err := k.Store.DeleteSigningKey(ctx, before[i].ID); err != nil {
			return signs, fmt.Errorf("deleting signing key %s: %w", before[i].ID, err)
		}
	}
	return signs, nil
}

// rotateIfDue rotates when the newest key is old. The key at hand signs on
// meanwhile, so a rotation that fails fails nobody: it is logged and tried again.
// Where several processes rotate at once, each makes a key, and no harm is done.
func (k *Keys) rotateIfDue(ctx context.Context, keys []hermod.SigningKey) {
	now := k.Now()
	due := func(keys []hermod.SigningKey) bool {
		return len(keys) > 0 && now.Sub(keys[0].CreatedAt) >= RotateAfter
	}
	if !due(keys) {
		return
	}
	k.mu.Lock()
	tried := now.Sub(k.rotatedAt) < rotateRetry
	if !tried {
		k.rotatedAt = now
	}
	k.mu.Unlock()
	if tried {
		return
	}
	keys, err := k.read(ctx) // another process may have rotated
	if err == nil && !due(keys) {
		return
	}
	if err == nil {
		_, err = k.rotate(hermod.ByHermod(ctx), keys)
	}
	log := cmp.Or(k.Log, slog.Default())
	if err != nil {
		log.LogAttrs(ctx, slog.LevelError, "signing key not rotated", hermod.LogError(err))
		return
	}
	log.LogAttrs(ctx, slog.LevelInfo, "signing key rotated")
}
