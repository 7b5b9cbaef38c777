package sqlite

import (
	"context"

	"hermod/pkg/hermod"
)

// Credential finds a credential by its id. It fails with CodeNotFound.
func (db *DB) Credential(ctx context.Context, id string) (*hermod.Credential, error) {
	c := &hermod.Credential{}
	err := db.view(ctx, func(r reader) error {
		found, err := r.one([]any{
			&c.ID, &c.SecretHash, scanText(&c.Account), scanText(&c.Organization), scanJSON(&c.Scopes),
			scanTime(&c.CreatedAt), scanTime(&c.RevokedAt),
		}, `SELECT id, secret_hash, account, organization, scopes, created_at, revoked_at FROM credentials WHERE id = ?`, id)
		if err == nil && !found {
			return hermod.Errorf(hermod.CodeNotFound, "no credential has this id")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// PutCredential writes or replaces a credential.
func (db *DB) PutCredential(ctx context.Context, c *hermod.Credential) error {
	return db.update(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT OR REPLACE INTO credentials
			(id, secret_hash, account, organization, scopes, created_at, revoked_at) VALUES (?,?,?,?,?,?,?)`,
			c.ID, c.SecretHash, textValue(c.Account), textValue(c.Organization), listValue(c.Scopes),
			timeValue(c.CreatedAt), timeValue(c.RevokedAt))
		return err
	})
}

// SigningKeys are all keys, the newest first.
func (db *DB) SigningKeys(ctx context.Context) (keys []hermod.SigningKey, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			var k hermod.SigningKey
			err := row.Scan(&k.ID, &k.Public, &k.Sealed, scanTime(&k.CreatedAt))
			keys = append(keys, k)
			return err
		}, `SELECT id, public, sealed, created_at FROM signing_keys ORDER BY created_at DESC, id DESC`)
	})
	return keys, err
}

// PutSigningKey puts a key if absent. It fails with CodeConflict where it exists.
func (db *DB) PutSigningKey(ctx context.Context, k hermod.SigningKey) error {
	return db.update(ctx, func(t *tx) error {
		n, err := t.exec(`INSERT INTO signing_keys (id, public, sealed, created_at) VALUES (?,?,?,?) ON CONFLICT DO NOTHING`,
			k.ID, k.Public, k.Sealed, timeValue(k.CreatedAt))
		if err == nil && n == 0 {
			return hermod.Errorf(hermod.CodeConflict, "signing key %s exists", k.ID)
		}
		return err
	})
}
