package sqlite

import (
	"context"

	"hermod/pkg/hermod"
)

const credentialColumns = `id, name, secret_hash, account, organization, scopes, created_at, revoked_at, tenant`

func scanCredential(row scanner) (*hermod.Credential, error) {
	c := &hermod.Credential{}
	err := row.Scan(&c.ID, scanText(&c.Name), &c.SecretHash, scanText(&c.Account), scanText(&c.Organization), scanJSON(&c.Scopes),
		scanTime(&c.CreatedAt), scanTime(&c.RevokedAt), scanText(&c.Tenant))
	return c, err
}

// Credential finds a credential by its id. It fails with CodeNotFound.
func (db *DB) Credential(ctx context.Context, id string) (c *hermod.Credential, err error) {
	err = db.view(ctx, func(r reader) (err error) {
		c, err = credentialIn(r, id)
		if err == nil && (c == nil || c.Forgotten(db.now())) {
			return hermod.Errorf(hermod.CodeNotFound, "no credential has this id")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// credentialIn reads a row, nil for none.
func credentialIn(r reader, id string) (c *hermod.Credential, err error) {
	err = r.each(func(row scanner) (err error) {
		c, err = scanCredential(row)
		return err
	}, `SELECT `+credentialColumns+` FROM credentials WHERE id = ?`, id)
	return c, err
}

// Credentials are the account's, revoked ones included, in the order of their ids.
func (db *DB) Credentials(ctx context.Context, account string) (all []*hermod.Credential, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			c, err := scanCredential(row)
			if err == nil && !c.Forgotten(db.now()) {
				all = append(all, c)
			}
			return err
		}, `SELECT `+credentialColumns+` FROM credentials WHERE account = ? ORDER BY id`, account)
	})
	return all, err
}

// PutCredential writes or replaces a credential.
func (db *DB) PutCredential(ctx context.Context, c *hermod.Credential) error {
	return db.update(ctx, func(t *tx) error {
		was, err := credentialIn(t, c.ID)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT OR REPLACE INTO credentials (`+credentialColumns+`) VALUES (?,?,?,?,?,?,?,?,?)`,
			c.ID, textValue(c.Name), c.SecretHash, textValue(c.Account), textValue(c.Organization), listValue(c.Scopes),
			timeValue(c.CreatedAt), timeValue(c.RevokedAt), textValue(c.Tenant))
		if err != nil {
			return err
		}
		return db.audit(ctx, t, c.ChangeOf(was))
	})
}

// RenameCredential changes the name of a credential that is not revoked, and nothing
// else of it. It fails with CodeNotFound.
func (db *DB) RenameCredential(ctx context.Context, id, name string) error {
	return db.update(ctx, func(t *tx) error {
		c, err := credentialIn(t, id)
		if err != nil {
			return err
		}
		if c == nil || !c.RevokedAt.IsZero() {
			return hermod.Errorf(hermod.CodeNotFound, "no credential has this id")
		}
		if _, err := t.exec(`UPDATE credentials SET name = ? WHERE id = ?`, textValue(name), id); err != nil {
			return err
		}
		return db.audit(ctx, t, c.RenameChange())
	})
}

// purgeCredentials goes through all credentials: they are few, and in the order of
// their ids.
func (db *DB) purgeCredentials(ctx context.Context) (int, error) {
	var id string
	return db.purgeBy(ctx, true, func(r reader) (seen int, ds []deletion, err error) {
		revokedBefore := timeValue(db.now().Add(-hermod.RevokedRetention))
		err = r.each(func(row scanner) error {
			var forgotten bool
			err := row.Scan(&id, &forgotten)
			if seen++; forgotten {
				// One that has been written anew since is kept.
				ds = append(ds, deletion{query: `DELETE FROM credentials WHERE id = ? AND revoked_at <= ?`, args: []any{id, revokedBefore}})
			}
			return err
		}, `SELECT id, coalesce(revoked_at <= ?, 0) FROM credentials WHERE id > ? ORDER BY id LIMIT ?`, revokedBefore, id, purgeChunk)
		return seen, ds, err
	})
}

// SigningKeys are all keys, the newest first.
func (db *DB) SigningKeys(ctx context.Context) (keys []hermod.SigningKey, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			var k hermod.SigningKey
			err := row.Scan(&k.ID, &k.Public, &k.Sealed, scanTime(&k.CreatedAt), scanText(&k.Use))
			keys = append(keys, k)
			return err
		}, `SELECT id, public, sealed, created_at, use FROM signing_keys ORDER BY created_at DESC, id DESC`)
	})
	return keys, err
}

// PutSigningKey puts a key if absent. It fails with CodeConflict where it exists.
func (db *DB) PutSigningKey(ctx context.Context, k hermod.SigningKey) error {
	return db.update(ctx, func(t *tx) error {
		n, err := t.exec(`INSERT INTO signing_keys (id, public, sealed, created_at, use) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING`,
			k.ID, k.Public, k.Sealed, timeValue(k.CreatedAt), textValue(k.Use))
		if err == nil && n == 0 {
			return hermod.Errorf(hermod.CodeConflict, "signing key %s exists", k.ID)
		}
		if err != nil {
			return err
		}
		return db.audit(ctx, t, hermod.Change{Owner: hermod.EveryOwner, Action: hermod.SigningKeyCreated, Target: k.ID})
	})
}

// DeleteSigningKey deletes a key. One that is not there is no error.
func (db *DB) DeleteSigningKey(ctx context.Context, id string) error {
	return db.update(ctx, func(t *tx) error {
		n, err := t.exec(`DELETE FROM signing_keys WHERE id = ?`, id)
		if err != nil || n == 0 {
			return err
		}
		return db.audit(ctx, t, hermod.Change{Owner: hermod.EveryOwner, Action: hermod.SigningKeyDeleted, Target: id})
	})
}
