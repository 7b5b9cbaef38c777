package provision

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"hermod/pkg/hermod"
)

// Known are credentials with secrets that everybody knows.
type Known struct {
	Clients []Client
	Secrets []Secret
	// found are their rows.
	found []*hermod.Credential
}

// None reports whether there is no such credential.
func (k Known) None() bool { return len(k.found) == 0 }

// A Reader reads credentials.
type Reader interface {
	// Credential reads a credential. It fails with CodeNotFound.
	Credential(ctx context.Context, id string) (*hermod.Credential, error)
}

// Standing are the credentials that a clean machine starts with, as far as they are in
// force. What has another secret than everybody knows is somebody's own.
func Standing(ctx context.Context, r Reader) (Known, error) {
	var k Known
	stands := func(c *hermod.Credential) (bool, error) {
		found, err := r.Credential(ctx, c.ID)
		if hermod.CodeOf(err) == hermod.CodeNotFound {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading credential %s: %w", c.ID, err)
		}
		if !found.RevokedAt.IsZero() || !bytes.Equal(found.SecretHash, c.SecretHash) {
			return false, nil
		}
		k.found = append(k.found, found)
		return true, nil
	}
	for _, c := range Local() {
		ok, err := stands(c.credential(time.Time{}))
		if err != nil {
			return Known{}, err
		}
		if ok {
			k.Clients = append(k.Clients, c)
		}
	}
	for _, s := range LocalSecrets() {
		ok, err := stands(s.credential(time.Time{}))
		if err != nil {
			return Known{}, err
		}
		if ok {
			k.Secrets = append(k.Secrets, s)
		}
	}
	return k, nil
}

// A Revoker ends credentials.
type Revoker interface {
	Reader
	// Revoke ends a credential. One that was revoked before stays as it is.
	Revoke(ctx context.Context, c *hermod.Credential) error
}

// RevokeLocal ends what Standing finds and answers the ids of what it ended.
func RevokeLocal(ctx context.Context, r Revoker) (ended []string, err error) {
	known, err := Standing(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, c := range known.found {
		if err := r.Revoke(ctx, c); err != nil {
			return ended, fmt.Errorf("revoking credential %s: %w", c.ID, err)
		}
		ended = append(ended, c.ID)
	}
	return ended, nil
}
