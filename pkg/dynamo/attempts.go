package dynamo

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// PutAttempt puts a row if absent; CodeConflict. A waiting row carried by
// hermod.CarrierDue enters the due index, and a dead one the dead index.
func (s *Store) PutAttempt(ctx context.Context, a *hermod.Attempt) error {
	if a.Number < 1 || a.Number > hermod.MaxNumber || a.Run < 0 || a.Run > maxRun {
		return hermod.Errorf(hermod.CodeInvalid, "attempt %s has a number or run out of range", a.AttemptKey)
	}
	standing, err := s.putNew(ctx, s.tables.Deliveries, s.attemptRow(a))
	if err != nil {
		return wrap("putting an attempt", err)
	}
	if standing != nil {
		return hermod.Errorf(hermod.CodeConflict, "attempt %s exists already", a.AttemptKey)
	}
	return nil
}

// LastAttempt reads the row with the highest number of a run, consistently; nil
// where the run has none. A row past its time to live counts as long as it is
// there: taking it for absent would start the run anew.
func (s *Store) LastAttempt(ctx context.Context, run hermod.RunKey) (*hermod.Attempt, error) {
	a, err := s.lastAttempt(ctx, run, runPrefix(run))
	return a, wrap("reading the last attempt of a run", err)
}

// LastOf reads the row of a delivery with the highest run, and of those the one with
// the highest number, consistently; nil where the delivery has none. Like
// LastAttempt, it counts a row past its time to live.
func (s *Store) LastOf(ctx context.Context, subscriptionID string, event hermod.ID) (*hermod.Attempt, error) {
	a, err := s.lastAttempt(ctx, hermod.RunKey{SubscriptionID: subscriptionID, EventID: event}, event.String()+"#")
	return a, wrap("reading the last attempt of a delivery", err)
}

// lastAttempt reads the last row of the run's delivery whose sort key starts with a
// prefix.
func (s *Store) lastAttempt(ctx context.Context, run hermod.RunKey, prefix string) (*hermod.Attempt, error) {
	first := s.attemptKey(hermod.AttemptKey{RunKey: run, Number: 1})
	out, err := s.db.Query(ctx, &dynamodb.QueryInput{
		TableName:              aws.String(s.tables.Deliveries),
		KeyConditionExpression: aws.String("PK = :pk AND begins_with(SK, :prefix)"),
		ExpressionAttributeValues: item{
			":pk":     &types.AttributeValueMemberS{Value: first.pk},
			":prefix": &types.AttributeValueMemberS{Value: prefix},
		},
		ScanIndexForward: aws.Bool(false),
		Limit:            aws.Int32(1),
		ConsistentRead:   aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	if len(out.Items) == 0 {
		return nil, nil //nolint:nilnil // the contract: no row is no error
	}
	return attemptOf(out.Items[0])
}

// Attempt reads one row; CodeNotFound.
func (s *Store) Attempt(ctx context.Context, k hermod.AttemptKey) (*hermod.Attempt, error) {
	row, err := s.get(ctx, s.tables.Deliveries, s.attemptKey(k))
	if err != nil {
		return nil, wrap("reading an attempt", err)
	}
	if row == nil || s.expired(row) {
		return nil, hermod.Errorf(hermod.CodeNotFound, "no such attempt")
	}
	return attemptOf(row)
}

// The index of rows that no message carries. Its partitions spread the writes of
// a moment when everything fails at once; the due function reads them all.
const (
	due            = "due"
	leastDueShards = 4
)

// dueShards is how many partitions the index has. It may change at any time: an entry
// says itself where it is, and readers read all.
func (s *Store) dueShards() int { return max(leastDueShards, s.shards()) }

func (s *Store) dueShard(k hermod.AttemptKey) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.String())) // a hash never fails
	return int(h.Sum32()) % s.dueShards()
}

// Due reads rows whose NextAt is not after until, the earliest first.
func (s *Store) Due(ctx context.Context, until time.Time, limit int) ([]*hermod.Attempt, error) {
	decode := func(it item) (*hermod.Attempt, bool, error) {
		a, err := attemptOf(it)
		return a, true, err
	}
	rows, err := readDue(ctx, s, due, until, limit, decode, func(a, b *hermod.Attempt) int {
		return cmp.Or(a.NextAt.Compare(b.NextAt), a.Compare(b.AttemptKey))
	})
	return rows, wrap("reading what is due", err)
}

// readDue merges the partitions of a kind in the index of what is due.
func readDue[T any](
	ctx context.Context, s *Store, kind string, until time.Time, limit int,
	decode func(item) (T, bool, error), compare func(a, b T) int,
) ([]T, error) {
	m := &merge[T]{db: s.db, compare: compare}
	for n := range s.dueShards() {
		m.streams = append(m.streams, &stream[T]{
			span: span{
				table: s.tables.Deliveries, index: due, pkName: "duePK", skName: "dueSK", pk: sharded(kind, n),
				lo: "0", hi: until.UTC().Format(sortableTime) + "$", // '$' is next after '#'
				ascending: true, page: pageOf(limit, s.dueShards()),
			},
			decode: decode,
		})
	}
	return m.next(ctx, limit)
}

// ClearDue takes rows out of the due index, several at a time. One that is out
// already, or gone, is no error.
func (s *Store) ClearDue(ctx context.Context, keys []hermod.AttemptKey) error {
	return forEach(ctx, len(keys), func(ctx context.Context, i int) error { return s.clearDue(ctx, keys[i]) })
}

func (s *Store) clearDue(ctx context.Context, k hermod.AttemptKey) error {
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           aws.String(s.tables.Deliveries),
		Key:                 s.attemptKey(k).item(),
		UpdateExpression:    aws.String("REMOVE duePK, dueSK"),
		ConditionExpression: aws.String("attribute_exists(duePK)"),
	})
	if _, gone := errors.AsType[*types.ConditionalCheckFailedException](err); gone {
		return nil
	}
	return wrap("clearing a due row", err)
}

// attemptRow keeps names short: a first-try success with 512 bytes of response
// has to fit into one write unit, and it is in none of the indexes.
func (s *Store) attemptRow(a *hermod.Attempt) item {
	row := s.attemptKey(a.AttemptKey).item()
	row.text("o", a.Owner)
	row.textUnless(a.Owner, "a", a.Account)
	row.textUnless(string(hermod.TriggerMatch), "tr", string(a.Trigger))
	if !a.Replay.IsZero() {
		row.binary("rp", a.Replay[:])
	}
	row.time("u", a.Until)
	row.time("at", a.At)
	row.number("d", int64(a.Duration))
	row.textUnless(string(hermod.Succeeded), "st", string(a.State))
	row.text("rs", string(a.Reason))
	row.number("sc", int64(a.StatusCode))
	row.text("ec", a.ErrorClass)
	row.text("em", a.ErrorMessage)
	row.text("r", a.Response)
	row.text("tg", a.Target)
	row.time("nx", a.NextAt)
	row.text("ca", a.Carrier)
	row.text("ty", a.SubscriptionType)
	row.text("nm", a.SubscriptionName)
	row.retain(a.RetainUntil)

	bySubscription := sharded(a.SubscriptionID, s.shard(a.EventID))
	if !a.Success() {
		row.text("failuresPK", bySubscription)
	}
	if a.State == hermod.Waiting && a.Carrier == hermod.CarrierDue {
		row.text("duePK", sharded(due, s.dueShard(a.AttemptKey)))
		row.text("dueSK", timeKey(a.NextAt, a.AttemptKey))
	}
	if a.State == hermod.Dead {
		row.text("deadPK", bySubscription)
		row.text("deadSK", timeKey(a.At, a.AttemptKey))
	}
	return row
}

func attemptOf(row item) (*hermod.Attempt, error) {
	k, err := attemptKeyOf(keyOf(row))
	if err != nil {
		return nil, err
	}
	r := reader{item: row}
	a := &hermod.Attempt{
		AttemptKey:       k,
		Owner:            r.str("o"),
		Account:          r.textOr(r.str("o"), "a"),
		Trigger:          hermod.Trigger(r.textOr(string(hermod.TriggerMatch), "tr")),
		Until:            r.at("u"),
		At:               r.at("at"),
		Duration:         time.Duration(r.int("d")),
		State:            hermod.State(r.textOr(string(hermod.Succeeded), "st")),
		Reason:           hermod.Reason(r.str("rs")),
		StatusCode:       int(r.int("sc")),
		ErrorClass:       r.str("ec"),
		ErrorMessage:     r.str("em"),
		Response:         r.str("r"),
		Target:           r.str("tg"),
		NextAt:           r.at("nx"),
		Carrier:          r.str("ca"),
		SubscriptionType: r.str("ty"),
		SubscriptionName: r.str("nm"),
		RetainUntil:      r.retainUntil(),
	}
	_, found := row["deadPK"]
	a.Cleared = a.State == hermod.Dead && !found
	copy(a.Replay[:], r.bytes("rp"))
	return a, r.err
}
