package hermod

import (
	"bytes"
	"cmp"
	"context"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Change is one row of the audit log: who changed what of an owner's configuration.
// The store that makes the change writes the row in the same transaction. It names the
// members that changed and holds none of their values, so that no secret can be in it.
// Its JSON is how stores keep it.
type Change struct {
	// ID is a UUIDv7 of the moment of the change: changes of an owner sort by it.
	ID ID `json:"id"`
	// Owner is whose configuration it is; EveryOwner for what is the deployment's own,
	// such as the keys that sign tokens.
	Owner  string       `json:"owner"`
	Action ChangeAction `json:"action"`
	// Target is the id of what was changed, within its kind.
	Target string `json:"target"`
	Actor  Actor  `json:"actor"`
	// Members are the names of what changed, sorted; none where something was made or
	// ended whole.
	Members []string `json:"members,omitempty"`
}

// ChangeRetention is how long the audit log is kept: a year, and the time to look.
const ChangeRetention = 400 * 24 * time.Hour

// A ChangeAction is what was done, as kind.verb.
type ChangeAction string

// The actions.
const (
	OwnerCreated ChangeAction = "owner.created"

	SubscriptionCreated ChangeAction = "subscription.created"
	SubscriptionUpdated ChangeAction = "subscription.updated"
	SubscriptionDeleted ChangeAction = "subscription.deleted"
	// SubscriptionRotated says that it has another signing secret, and no other change.
	SubscriptionRotated ChangeAction = "subscription.rotated"
	// SubscriptionDisabled says that Hermod itself switched it off.
	SubscriptionDisabled ChangeAction = "subscription.disabled"
	SubscriptionPaused   ChangeAction = "subscription.paused"
	SubscriptionResumed  ChangeAction = "subscription.resumed"

	DefinitionCreated ChangeAction = "definition.created"
	DefinitionUpdated ChangeAction = "definition.updated"
	DefinitionDeleted ChangeAction = "definition.deleted"

	CredentialCreated ChangeAction = "credential.created" //nolint:gosec // it names what was done, and opens nothing
	// CredentialReplaced says that one was written anew under an id that was taken.
	CredentialReplaced ChangeAction = "credential.replaced" //nolint:gosec // it names what was done, and opens nothing
	CredentialRenamed  ChangeAction = "credential.renamed"  //nolint:gosec // it names what was done, and opens nothing
	CredentialRevoked  ChangeAction = "credential.revoked"  //nolint:gosec // it names what was done, and opens nothing

	SigningKeyCreated ChangeAction = "signingKey.created"
	SigningKeyDeleted ChangeAction = "signingKey.deleted"

	ReplayStarted    ChangeAction = "replay.started"
	ReplayStopped    ChangeAction = "replay.cancelled"
	RedriveStarted   ChangeAction = "redrive.started"
	RedriveStopped   ChangeAction = "redrive.cancelled"
	DeadLetterPurged ChangeAction = "deadLetter.purged"
	// DeadLettersPurged is written before the purge of what a filter selects begins: it
	// is no one transaction.
	DeadLettersPurged ChangeAction = "deadLetters.purged"
)

// ChangeActions are all of them.
func ChangeActions() []ChangeAction {
	return []ChangeAction{
		OwnerCreated, SubscriptionCreated, SubscriptionUpdated, SubscriptionDeleted, SubscriptionRotated, SubscriptionDisabled, SubscriptionPaused,
		SubscriptionResumed, DefinitionCreated, DefinitionUpdated, DefinitionDeleted, CredentialCreated, CredentialReplaced,
		CredentialRenamed, CredentialRevoked, SigningKeyCreated, SigningKeyDeleted, ReplayStarted, ReplayStopped,
		RedriveStarted, RedriveStopped, DeadLetterPurged, DeadLettersPurged,
	}
}

// An Actor is who makes a change.
type Actor struct {
	Kind ActorKind `json:"type"`
	// Credential is the id of the caller's credential, whose kind stands before its
	// colon; "" for the other kinds.
	Credential string `json:"id,omitempty"`
	// Trace is the id of the request, 32 hex digits; "" where there was none.
	Trace string `json:"trace,omitempty"`
}

// An ActorKind says what sort of actor it is.
type ActorKind string

// The kinds of actors.
const (
	// ActorHermod is Hermod itself: a worker, or what a public route does unasked.
	ActorHermod ActorKind = "hermod"
	// ActorCredential is a caller of an API.
	ActorCredential ActorKind = "credential"
	// ActorOperator is whoever ran the command line.
	ActorOperator ActorKind = "operator"
)

type actorKey struct{}

// WithActor says on whose behalf what runs in the context makes changes. It is said
// once, where a request has been authenticated or a command begins, so that no code
// between there and the store can forget it.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf is who acts in the context: Hermod itself where nobody was named.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Kind: ActorHermod}
}

// ByHermod is the context of what Hermod does unasked while it serves somebody's
// request, such as to rotate its keys.
func ByHermod(ctx context.Context) context.Context {
	return WithActor(ctx, Actor{Kind: ActorHermod, Trace: ActorOf(ctx).Trace})
}

// A ChangeQuery asks for a page of an owner's audit log, the newest first.
type ChangeQuery struct {
	Owner string
	// Above and Below are exclusive bounds on the id; the zero ID is no bound.
	Above, Below ID
	// Target and Action select; "" selects all.
	Target string
	Action ChangeAction
	// Limit bounds the page, 1 or more.
	Limit int
}

// A ChangePage is a page of the audit log.
type ChangePage struct {
	Changes []*Change
	// Next is Below of the next page; the zero ID at the end. A page may be short, or
	// empty, and not the last: reading what the query does not select is bounded.
	Next ID
}

// Selects reports whether the query selects the change, its owner and bounds apart.
func (q *ChangeQuery) Selects(c *Change) bool {
	return (q.Target == "" || q.Target == c.Target) && (q.Action == "" || q.Action == c.Action)
}

// ChangeOf says what a write of the subscription changes, of what was there before, nil
// for nothing.
func (s *Subscription) ChangeOf(was *Subscription) Change {
	c := Change{Owner: s.Owner, Target: s.ID, Action: SubscriptionUpdated}
	switch {
	case was == nil:
		c.Action = SubscriptionCreated
		return c
	case s.Deleted() && !was.Deleted():
		c.Action = SubscriptionDeleted
		return c
	case s.DisabledReason != "" && was.DisabledReason == "":
		c.Action = SubscriptionDisabled
	}
	c.Members = membersChanged(was, s, "Version", "UpdatedAt", "Secrets", "SecretsChanged", "Sealed", "Health")
	c.Members = append(c.Members, s.SecretsChanged...)
	if len(s.SecretsChanged) == 0 && !bytes.Equal(s.Sealed, was.Sealed) {
		c.Members = append(c.Members, "secrets")
	}
	slices.Sort(c.Members)
	other := func(name string) bool { return name != "signingSecret" && name != "former" }
	if slices.Contains(c.Members, "signingSecret") && !slices.ContainsFunc(c.Members, other) {
		c.Action = SubscriptionRotated
	}
	return c
}

// ChangedFrom names the members that differ.
func (s Secrets) ChangedFrom(was Secrets) []string { return membersChanged(&was, &s) }

// ChangeOf says what a write of the definition changes, of what was there before, nil
// for nothing.
func (d *Definition) ChangeOf(was *Definition) Change {
	if was == nil {
		return Change{Owner: d.Account, Target: d.Type, Action: DefinitionCreated}
	}
	return Change{
		Owner: d.Account, Target: d.Type, Action: DefinitionUpdated,
		Members: membersChanged(was, d, "CreatedAt", "UpdatedAt"),
	}
}

// ChangeOf says what a write of the credential changes, of what was there before, nil
// for nothing.
func (c *Credential) ChangeOf(was *Credential) Change {
	change := Change{Owner: cmp.Or(c.Account, EveryOwner), Target: c.ID, Action: CredentialReplaced}
	switch {
	case was == nil:
		change.Action = CredentialCreated
	case was.RevokedAt.IsZero() && !c.RevokedAt.IsZero():
		change.Action = CredentialRevoked
	default:
		change.Members = membersChanged(was, c)
	}
	return change
}

// RenameChange says that the credential has another name.
func (c *Credential) RenameChange() Change {
	return Change{Owner: cmp.Or(c.Account, EveryOwner), Target: c.ID, Action: CredentialRenamed, Members: []string{"name"}}
}

// PauseChange says that the owner has paused the subscription, or had it go on.
func (h *Health) PauseChange() Change {
	c := Change{Owner: h.Owner, Target: h.SubscriptionID, Action: SubscriptionResumed}
	if h.Paused {
		c.Action = SubscriptionPaused
	}
	return c
}

// ChangeOf says what a write of the replay changes, of what was there before, nil for
// nothing. It answers nil for what the audit log does not tell of, as progress.
func (r *Replay) ChangeOf(was *Replay) *Change {
	c := &Change{Owner: r.Owner, Target: r.ID.String()}
	switch {
	case was == nil:
		c.Action = ReplayStarted
		if r.Dead != nil {
			c.Action = RedriveStarted
		}
	case was.Running() && r.State == ReplayCancelled:
		c.Action = ReplayStopped
		if r.Dead != nil {
			c.Action = RedriveStopped
		}
	default:
		return nil
	}
	return c
}

// membersChanged names the fields of two structs that differ, but for those named, in
// the form that JSON usually gives a name. Empty lists are as good as none.
func membersChanged[T any](was, is *T, but ...string) []string {
	var names []string
	before, after := reflect.ValueOf(was).Elem(), reflect.ValueOf(is).Elem()
	for i := range before.NumField() {
		name := before.Type().Field(i).Name
		if !slices.Contains(but, name) && !sameValue(before.Field(i), after.Field(i)) {
			names = append(names, strings.ToLower(name[:1])+name[1:])
		}
	}
	slices.Sort(names)
	return names
}

func sameValue(a, b reflect.Value) bool {
	if at, ok := a.Interface().(time.Time); ok {
		return at.Equal(b.Interface().(time.Time)) //nolint:forcetypeassert // they are of one type
	}
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
