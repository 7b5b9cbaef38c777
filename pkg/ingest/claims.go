package ingest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// claim makes sure of the keys. Submissions whose event exists get it; for the
// others, the id in ids stands in the key's row afterwards.
func (b *batch) claim(ctx context.Context, tx Tx, ids []hermod.ID) error {
	var claims []hermod.Claim
	var of []int // the submission of each claim
	for i := range b.submissions {
		if s := &b.submissions[i]; s.Key != "" && b.first[i] == i && b.refused[i] == nil {
			claims = append(claims, hermod.Claim{
				Owner: s.Event.AccountID, Key: s.Key, Hash: s.Hash[:], EventID: ids[i],
				ExpiresAt: ids[i].Time().Add(hermod.ClaimRetention),
			})
			of = append(of, i)
		}
	}
	if len(claims) == 0 {
		return nil
	}
	standing, err := tx.Claim(ctx, claims)
	if err != nil {
		return fmt.Errorf("claiming idempotency keys: %w", err)
	}
	var known []claimed
	for j, row := range standing {
		if row.EventID == claims[j].EventID {
			continue
		}
		if slices.Contains(b.left, row.EventID) {
			ids[of[j]] = row.EventID // its own, from before: it is put as that
			continue
		}
		if !bytes.Equal(row.Hash, claims[j].Hash) {
			if err := b.refuse(b.refused, of[j], errKeyReused()); err != nil {
				return err
			}
			continue
		}
		if row.EventID.IsZero() {
			b.void[of[j]] = true // see annul
			continue
		}
		known = append(known, claimed{submission: of[j], standing: row, fresh: claims[j]})
	}
	return b.repeat(ctx, tx, known)
}

// A claimed submission is one under whose key a row with another id stands.
type claimed struct {
	submission      int
	standing, fresh hermod.Claim
}

// repeat finds the events that were put under known keys, and takes over the keys
// whose event was never put.
//
// Whether a holder may still put its event is judged by the time before the events
// were read. By the time after, a slow read could miss an event that was put
// while it ran, and find the claim old enough to be taken over.
func (b *batch) repeat(ctx context.Context, tx Tx, known []claimed) error {
	if len(known) == 0 {
		return nil
	}
	keys := make([]hermod.EventKey, len(known))
	for n, k := range known {
		keys[n] = hermod.EventKey{Account: k.standing.Owner, ID: k.standing.EventID}
	}
	before := b.now()
	existing, err := tx.EventsByKey(ctx, keys)
	if err != nil {
		return fmt.Errorf("reading events of known keys: %w", err)
	}
	for n, k := range known {
		if e := existing[keys[n]]; e != nil {
			b.events[k.submission] = e
			continue
		}
		busy, err := reclaim(ctx, tx, k, before)
		if err != nil {
			return err
		}
		if busy != nil {
			if err := b.refuse(b.refused, k.submission, busy); err != nil {
				return err
			}
		}
	}
	return nil
}

// clockSkew is how far the clocks of two processes may be apart.
const clockSkew = time.Second

// reclaim takes over a key whose holder stopped before it put its event. While
// the holder may still be at it, its put would make the event exist twice; busy
// then says so.
func reclaim(ctx context.Context, tx Tx, k claimed, at time.Time) (busy, err error) {
	if at.Sub(k.standing.EventID.Time()) < settleTime+clockSkew {
		return errKeyBusy(nil), nil
	}
	err = tx.Reclaim(ctx, k.standing, k.fresh)
	switch {
	case err == nil:
		return nil, nil
	case hermod.CodeOf(err) == hermod.CodeConflict:
		return errKeyBusy(err), nil
	default:
		return nil, fmt.Errorf("taking over an idempotency key: %w", err)
	}
}
