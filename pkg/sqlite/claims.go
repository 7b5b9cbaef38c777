package sqlite

import (
	"context"

	"hermod/pkg/hermod"
)

// Claim puts each row if its key is free (absent, or past its ExpiresAt at the
// given claim's making) and answers, in their order, the rows that stand.
func (db *DB) Claim(ctx context.Context, claims []hermod.Claim) (standing []hermod.Claim, err error) {
	err = db.update(ctx, func(t *tx) (err error) {
		standing, err = claim(t, claims)
		return err
	})
	return standing, err
}

func claim(t *tx, claims []hermod.Claim) ([]hermod.Claim, error) {
	standing := make([]hermod.Claim, len(claims))
	for i, c := range claims {
		s := hermod.Claim{Owner: c.Owner, Key: c.Key}
		found, err := t.one([]any{&s.Hash, scanID(&s.EventID), scanTime(&s.ExpiresAt)},
			`SELECT hash, event, expires_at FROM claims WHERE owner = ? AND key = ?`, c.Owner, c.Key)
		if err != nil {
			return nil, err
		}
		made := c.ExpiresAt.Add(-hermod.ClaimRetention)
		if found && s.ExpiresAt.After(made) {
			standing[i] = s
			continue
		}
		if _, err := t.exec(`INSERT OR REPLACE INTO claims (owner, key, hash, event, expires_at) VALUES (?,?,?,?,?)`,
			c.Owner, c.Key, c.Hash, c.EventID[:], timeValue(c.ExpiresAt)); err != nil {
			return nil, err
		}
		standing[i] = c
	}
	return standing, nil
}

// Reclaim replaces the standing row by the fresh one. It fails with CodeConflict
// where another row stands by now.
func (db *DB) Reclaim(ctx context.Context, standing, fresh hermod.Claim) error {
	return db.update(ctx, func(t *tx) error { return reclaim(t, standing, fresh) })
}

func reclaim(t *tx, standing, fresh hermod.Claim) error {
	n, err := t.exec(`UPDATE claims SET hash = ?, event = ?, expires_at = ? WHERE owner = ? AND key = ? AND event = ?`,
		fresh.Hash, fresh.EventID[:], timeValue(fresh.ExpiresAt), standing.Owner, standing.Key, standing.EventID[:])
	if err == nil && n == 0 {
		return hermod.Errorf(hermod.CodeConflict, "another claim on the key stands by now")
	}
	return err
}
