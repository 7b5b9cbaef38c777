package seal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"hermod/pkg/hermod"
)

// Subscriptions are the methods of a store through which secrets pass.
type Subscriptions interface {
	CreateSubscription(ctx context.Context, s *hermod.Subscription) error
	UpdateSubscription(ctx context.Context, s *hermod.Subscription) error
	Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error)
	SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error)
}

// A Store stands before the Subscriptions of a store: secrets are sealed on their
// way in and opened on their way out, and the store behind sees Sealed alone.
//
// To put it before a store that does more, embed it one level above that store; of
// two methods of one name Go takes the shallower:
//
//	type sealed struct {
//		*seal.Store
//		plain
//	}
//	type plain struct{ *sqlite.Store }
type Store struct {
	behind Subscriptions
	box    *Box
	opened *cache[hermod.Ref, openedSecrets]
	log    *slog.Logger
}

// openedSecrets are what sealed says. The cache finds them by subscription, and
// they stand while version and sealed do.
type openedSecrets struct {
	version int64
	sealed  []byte
	secrets hermod.Secrets
}

// How long opened secrets are kept, and of how many subscriptions. A delivery then
// costs neither decryption nor parsing.
const (
	keepOpened = 5 * time.Minute
	maxOpened  = 4096
)

var _ Subscriptions = (*Store)(nil)

// NewStore puts box before a store.
func NewStore(behind Subscriptions, box *Box, now func() time.Time, log *slog.Logger) *Store {
	return &Store{
		log:    log,
		behind: behind,
		box:    box,
		opened: newCache[hermod.Ref, openedSecrets](now, keepOpened, maxOpened),
	}
}

// CreateSubscription seals the secrets of s and creates it.
func (st *Store) CreateSubscription(ctx context.Context, s *hermod.Subscription) error {
	return st.write(ctx, s, st.behind.CreateSubscription)
}

// UpdateSubscription seals the secrets of s where they are not the sealed ones, and
// updates it. A subscription whose secrets were never opened keeps them.
func (st *Store) UpdateSubscription(ctx context.Context, s *hermod.Subscription) error {
	return st.write(ctx, s, st.behind.UpdateSubscription)
}

// write hands a copy without secrets to the store, and what the store changed of
// it, such as its version, back to s.
func (st *Store) write(ctx context.Context, s *hermod.Subscription, put func(context.Context, *hermod.Subscription) error) error {
	sealed, changed, err := st.seal(ctx, s)
	if err != nil {
		return fmt.Errorf("sealing the secrets of subscription %s: %w", s.ID, err)
	}
	bare := *s
	bare.Secrets, bare.Sealed, bare.SecretsChanged = hermod.Secrets{}, sealed, union(changed, s.SecretsChanged)
	if err := put(ctx, &bare); err != nil {
		return err
	}
	bare.Secrets, bare.SecretsChanged = s.Secrets, nil
	*s = bare
	return nil
}

// union adds to what changed the members that the writer says it has written.
func union(changed, written []string) []string {
	all := slices.Concat(changed, written)
	slices.Sort(all)
	return slices.Compact(all)
}

// seal gives what shall stand in Sealed, and the names of what changed. It seals only
// what changed: a worker that switches a subscription off then needs no right to make
// data keys.
func (st *Store) seal(ctx context.Context, s *hermod.Subscription) (sealed []byte, changed []string, err error) {
	if len(s.Secrets.Configuration) == 0 && s.Secrets.SigningSecret == "" {
		return s.Sealed, nil, nil
	}
	var was hermod.Secrets
	if len(s.Sealed) > 0 {
		// What cannot be opened is replaced.
		if was, err = st.open(ctx, s); err == nil && equal(was, s.Secrets) {
			return s.Sealed, nil, nil
		}
	}
	plaintext, err := json.Marshal(s.Secrets)
	if err != nil {
		return nil, nil, err
	}
	sealed, err = st.box.Seal(ctx, s.Owner, s.ID, plaintext)
	return sealed, s.Secrets.ChangedFrom(was), err
}

func equal(a, b hermod.Secrets) bool {
	return a.SameSigning(b) && bytes.Equal(a.Configuration, b.Configuration)
}

// Subscription reads a subscription with its secrets.
func (st *Store) Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error) {
	s, err := st.behind.Subscription(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := st.OpenSecrets(ctx, s); err != nil {
		return nil, err
	}
	return s, nil
}

// SubscriptionsByRef reads subscriptions with their secrets. One whose secrets were
// damaged in the store comes without them, and is logged: its deliveries fail, for
// want of a configuration, and those of the others in the batch do not.
func (st *Store) SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error) {
	found, err := st.behind.SubscriptionsByRef(ctx, refs)
	if err != nil {
		return nil, err
	}
	for _, s := range found {
		err := st.OpenSecrets(ctx, s)
		if errors.Is(err, errDamaged) {
			st.log.LogAttrs(ctx, slog.LevelError, "sealed secrets are damaged",
				slog.String("owner", s.Owner), slog.String("subscription", s.ID), slog.Int64("version", s.Version), hermod.LogError(err))
		} else if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// OpenSecrets sets the Secrets of a subscription that was read sealed, as lists
// are. Their bytes are shared with others and must not be changed in place. A
// subscription with nothing sealed has no secrets.
func (st *Store) OpenSecrets(ctx context.Context, s *hermod.Subscription) error {
	if len(s.Sealed) == 0 {
		s.Secrets = hermod.Secrets{}
		return nil
	}
	secrets, err := st.open(ctx, s)
	s.Secrets = secrets
	if err != nil {
		return fmt.Errorf("opening the secrets of subscription %s: %w", s.ID, err)
	}
	return nil
}

func (st *Store) open(ctx context.Context, s *hermod.Subscription) (hermod.Secrets, error) {
	o, err := st.opened.get(ctx, s.Ref(),
		func(o openedSecrets) bool { return o.version == s.Version && bytes.Equal(o.sealed, s.Sealed) },
		func() (openedSecrets, error) {
			plaintext, err := st.box.Open(ctx, s.Owner, s.ID, s.Sealed)
			if err != nil {
				return openedSecrets{}, err
			}
			o := openedSecrets{version: s.Version, sealed: bytes.Clone(s.Sealed)}
			if err := json.Unmarshal(plaintext, &o.secrets); err != nil {
				return openedSecrets{}, fmt.Errorf("reading what was sealed: %w", err)
			}
			// An append by one reader must not write into what the others see.
			o.secrets.Configuration, o.secrets.Former = slices.Clip(o.secrets.Configuration), slices.Clip(o.secrets.Former)
			return o, nil
		})
	return o.secrets, err
}
