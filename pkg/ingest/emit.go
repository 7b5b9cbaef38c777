package ingest

import (
	"context"

	"hermod/pkg/hermod"
)

// Emit accepts an event of what happened in Hermod itself, such as a change of a
// credential. Where a key is given, the account's event under it exists once, whatever it
// would say the next time. No schema is held against the event, as its account did not
// write it and could not mend it: one that it does not fit would stop what it tells of.
//
// Errors are those of Accept.
func (a *Acceptor) Emit(ctx context.Context, e hermod.Event, key string) error {
	_, err := a.Accept(ctx, []Submission{{Event: e, Key: key, emitted: true}})
	return err
}
