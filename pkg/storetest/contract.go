// Package storetest holds the conformance suites that every store and every
// queue must pass, so that two engines behave as one.
package storetest

import (
	"context"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/replay"
)

// A Store is all that the users of a store ask of it together.
type Store interface {
	ingest.Config
	ingest.Store
	deliver.Store
	deliver.DueIndex
	deliver.SweepStore
	replay.Deliveries
	replay.Store

	// CreateOwner puts an owner if absent. It fails with CodeConflict where the
	// owner exists.
	CreateOwner(ctx context.Context, o hermod.Owner) error

	// CreateSubscription puts s as version 1 and bumps its owner's version in the
	// same transaction, and that of hermod.EveryOwner where s is global. It fails with
	// CodeConflict where the id is taken, or the owner has as many as it may
	// (hermod.IsSubscriptionLimit), and with CodeNotFound where the owner does not exist. An update bumps the same ones, and what is global stays so.
	CreateSubscription(ctx context.Context, s *hermod.Subscription) error
	// Subscription reads one row, tombstones included up to their RetainUntil, as other
	// reads do. CodeNotFound.
	Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error)

	// Health reads how the endpoint of a subscription does; nil for well.
	Health(ctx context.Context, ref hermod.Ref) (*hermod.Health, error)
	// Unwell are the attended ones of the owner's subscriptions, in no order. Failures
	// that were counted since a row was put last may be missing from it.
	Unwell(ctx context.Context, owner string) ([]*hermod.Health, error)

	// PauseHealth is PutHealth where the owner has paused the deliveries or had them go
	// on: that is a change of configuration.
	PauseHealth(ctx context.Context, h *hermod.Health) error

	// Record puts a row of the audit log, of which it sets the id and the actor. The
	// writes of configuration in this contract put one each, in their own transaction;
	// one that fails puts none.
	Record(ctx context.Context, c hermod.Change) error
	// Changes is a page of an owner's audit log, the newest first, up to
	// hermod.ChangeRetention back.
	Changes(ctx context.Context, q hermod.ChangeQuery) (hermod.ChangePage, error)

	// Definition reads what the account has registered about a type. CodeNotFound.
	Definition(ctx context.Context, account, event string) (*hermod.Definition, error)
	// PutDefinition writes or replaces a registration and bumps the account's version
	// in the same transaction. CodeConflict where hermod.CheckDefinitions has it,
	// CodeNotFound where the account does not exist.
	PutDefinition(ctx context.Context, d *hermod.Definition) error
	// DeleteDefinition removes a registration and bumps the account's version in the
	// same transaction. CodeNotFound.
	DeleteDefinition(ctx context.Context, account, event string) error

	// Types are the types known of the owner's events, sorted.
	Types(ctx context.Context, owner string) ([]string, error)

	// Credential finds a credential by its id. CodeNotFound, also for one past its
	// RetainUntil.
	Credential(ctx context.Context, id string) (*hermod.Credential, error)
	// Credentials are the account's, revoked ones included up to their RetainUntil, in
	// the order of their ids.
	Credentials(ctx context.Context, account string) ([]*hermod.Credential, error)
	// PutCredential writes or replaces a credential. Its account lists it from then on.
	PutCredential(ctx context.Context, c *hermod.Credential) error
	// RenameCredential changes the name of a credential that is not revoked, and nothing
	// else of it, to one that is not empty. CodeNotFound.
	RenameCredential(ctx context.Context, id, name string) error
	// SigningKeys are all keys, the newest first.
	SigningKeys(ctx context.Context) ([]hermod.SigningKey, error)
	// PutSigningKey puts a key if absent. CodeConflict.
	PutSigningKey(ctx context.Context, k hermod.SigningKey) error
	// DeleteSigningKey deletes a key. One that is not there is no error.
	DeleteSigningKey(ctx context.Context, id string) error

	// Event reads an event that the owner may see: the account it is of, or the
	// organization it names. CodeNotFound.
	Event(ctx context.Context, owner string, id hermod.ID) (*hermod.Event, error)
	// Events is a page of the event log.
	Events(ctx context.Context, q hermod.EventQuery) (hermod.EventPage, error)
	// Settled is the id up to which the log that q selects is complete: nothing that
	// matches can appear at or below it any more, and Events shows all of it. It may
	// be the zero id for an empty log.
	Settled(ctx context.Context, q hermod.EventQuery) (hermod.ID, error)
	// Tail is what has entered the log since a position.
	Tail(ctx context.Context, q hermod.TailQuery) (hermod.TailPage, error)
	// Usage sums up what the account's events used up, by kind and level, in this
	// order, each once. Events past their RetainUntil are not counted.
	Usage(ctx context.Context, q hermod.UsageQuery) ([]hermod.Unit, error)

	// Attempt reads one row. CodeNotFound.
	Attempt(ctx context.Context, key hermod.AttemptKey) (*hermod.Attempt, error)
	// Attempts is a page of the delivery log.
	Attempts(ctx context.Context, q hermod.LogQuery) (hermod.LogPage, error)
}

// A Queue is a queue with its dead letters, driven by hand. Time is the engine's
// own: the suite hides messages for a second or two and polls with a deadline,
// unless Clock is given.
type Queue interface {
	// Send enqueues bodies, each in the fairness group at its index.
	SendBodies(ctx context.Context, bodies [][]byte) error
	// Receive hands out at most max visible messages and hides them for the
	// queue's visibility timeout. It answers none after waiting at most a second.
	Receive(ctx context.Context, max int) ([]hermod.Received, error)
	// Settle executes a handler's outcomes.
	Settle(ctx context.Context, batch []hermod.Received, outcomes []hermod.Outcome) error
	// DeadLetters lists the bodies in the dead-letter queue.
	DeadLetters(ctx context.Context) ([][]byte, error)
	// Redrive moves all dead letters back. They are received with Redriven set and
	// Receives starting at 1.
	Redrive(ctx context.Context) error
}

// Deadline is how long the suites poll for what must come about.
const Deadline = 20 * time.Second
