package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"hermod/pkg/hermod"
)

// Cursors makes and reads the positions that clients carry from page to page.
// They are opaque, and bound by HMAC to the owner and the filters they were made
// for: with others they are refused.
type Cursors struct {
	// Keys are the keys of the HMAC: the first one makes, all of them are tried to
	// read.
	Keys func(ctx context.Context) ([][]byte, error)
}

const macBytes = 16

// Make makes a cursor of a position within a scope: the list's name, its owner and
// its filters.
func (c Cursors) Make(ctx context.Context, scope []string, position string) (string, error) {
	keys, err := c.Keys(ctx)
	if err != nil {
		return "", fmt.Errorf("reading cursor keys: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(mac(keys[0], scope, position), position...)), nil
}

// Read is the position of a cursor. It fails with CodeInvalid, naming the query
// parameter, for what Make did not make within the same scope.
func (c Cursors) Read(ctx context.Context, scope []string, parameter, cursor string) (string, error) {
	refused := hermod.InvalidFields(hermod.FieldError{Name: parameter, Reason: "is not a cursor of this list"})
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) < macBytes || strings.ContainsAny(cursor, "\r\n") { // which package base64 passes over
		return "", refused
	}
	keys, err := c.Keys(ctx)
	if err != nil {
		return "", fmt.Errorf("reading cursor keys: %w", err)
	}
	position := string(raw[macBytes:])
	for _, key := range keys {
		if hmac.Equal(raw[:macBytes], mac(key, scope, position)) {
			return position, nil
		}
	}
	return "", refused
}

func mac(key []byte, scope []string, position string) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range scope {
		h.Write(fmt.Appendf(nil, "%d:%s", len(part), part))
	}
	h.Write(fmt.Appendf(nil, "%d:%s", len(position), position))
	return h.Sum(nil)[:macBytes]
}
