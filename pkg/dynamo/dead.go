package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// dead is the index of what ended dead, keys alone, by when.
const dead = "dead"

// Dead is a page of the dead index: a merge over the owner's subscriptions, tombstones
// included, as the delivery log is. A row cleared or put a moment ago may still be, or
// not yet be, among them.
func (s *Store) Dead(ctx context.Context, q hermod.DeadQuery) ([]hermod.DeadKey, error) {
	ids, err := s.deadSubscriptions(ctx, q)
	if err != nil {
		return nil, wrap("reading subscriptions", err)
	}
	m := &merge[hermod.DeadKey]{db: s.db, compare: func(a, b hermod.DeadKey) int {
		if q.Ascending {
			return a.Compare(b)
		}
		return b.Compare(a)
	}}
	for _, id := range ids {
		for n := range s.shards() {
			m.streams = append(m.streams, &stream[hermod.DeadKey]{
				span: span{
					table: s.tables.Deliveries, index: dead, pkName: "deadPK", skName: "deadSK", pk: sharded(id, n),
					lo: deadBound(id, q.Above, "0"), hi: deadBound(id, q.Below, ":"), // around every digit
					ascending: q.Ascending, page: pageOf(q.Limit, len(ids)*s.shards()),
				},
				decode: deadKeyOf,
			})
		}
	}
	keys, err := m.next(ctx, q.Limit)
	return keys, wrap("reading the dead index", err)
}

// deadSubscriptions are those of the owner that the query asks for. The index names no
// owner, so a subscription is asked for by both.
func (s *Store) deadSubscriptions(ctx context.Context, q hermod.DeadQuery) ([]string, error) {
	if q.SubscriptionID == "" {
		return s.subscriptionIDs(ctx, q.Owner)
	}
	row, err := s.get(ctx, s.tables.Config, subKey(hermod.Ref{Owner: q.Owner, ID: q.SubscriptionID}))
	if err != nil || row == nil {
		return nil, err
	}
	return []string{q.SubscriptionID}, nil
}

// deadBound is where a bound falls among the sort keys of a subscription's rows. At one
// moment the index goes by event first and by subscription then, see boundIn.
func deadBound(subscription string, bound *hermod.DeadKey, none string) string {
	if bound == nil {
		return none
	}
	ofEvent := bound.At.UTC().Format(sortableTime) + "#" + subscription + "-" + bound.EventID.String()
	switch c := strings.Compare(subscription, bound.SubscriptionID); {
	case c < 0:
		return ofEvent + "." // after the event's rows, whose keys go on with '-'
	case c > 0:
		return ofEvent
	default:
		return timeKey(bound.At, bound.AttemptKey)
	}
}

func deadKeyOf(it item) (k hermod.DeadKey, wanted bool, err error) {
	if k.AttemptKey, err = attemptKeyOf(keyOf(it)); err != nil {
		return k, false, err
	}
	at, _, _ := strings.Cut(it.str("deadSK"), "#")
	if k.At, err = time.Parse(sortableTime, at); err != nil {
		return k, false, fmt.Errorf("reading when row %s died: %w", k.AttemptKey, err)
	}
	return k, true, nil
}

// ClearDead takes rows out of the dead index, several at a time. One that is out
// already, or gone, is no error.
func (s *Store) ClearDead(ctx context.Context, keys []hermod.AttemptKey) error {
	return forEach(ctx, len(keys), func(ctx context.Context, i int) error { return s.clearDead(ctx, keys[i]) })
}

func (s *Store) clearDead(ctx context.Context, k hermod.AttemptKey) error {
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           aws.String(s.tables.Deliveries),
		Key:                 s.attemptKey(k).item(),
		UpdateExpression:    aws.String("REMOVE deadPK, deadSK"),
		ConditionExpression: aws.String("attribute_exists(deadPK)"),
	})
	if _, gone := errors.AsType[*types.ConditionalCheckFailedException](err); gone {
		return nil
	}
	return wrap("clearing a dead row", err)
}
