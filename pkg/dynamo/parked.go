package dynamo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// A parked delivery is a row of Deliveries beside the log: it has a partition of its
// subscription's own, and the key of the attempt that it waits after. In the index of what
// is due it has partitions of its own too.
const (
	parkedPrefix = "parked#"
	parked       = "parked"
	token        = "t"
)

func parkedPK(subscriptionID string, shard int) string {
	return sharded(parkedPrefix+subscriptionID, shard)
}

func (s *Store) parkedKey(p *hermod.Parked) key {
	k := s.attemptKey(p.Key())
	k.pk = parkedPK(p.SubscriptionID, s.shard(p.EventID))
	return k
}

// Park puts p, in the place of one that is parked after the same row. It has no time to
// live: it ends by its message alone.
func (s *Store) Park(ctx context.Context, p *hermod.Parked) error {
	body, err := json.Marshal(&p.Message)
	if err != nil {
		return fmt.Errorf("encoding a parked delivery: %w", err)
	}
	row := s.parkedKey(p).item()
	row.text("m", string(body))
	row.text(token, p.Token)
	row.time("wk", p.WakeAt)
	row.text("duePK", sharded(parked, s.dueShard(p.Key())))
	row.text("dueSK", timeKey(p.WakeAt, p.Key()))
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(s.tables.Deliveries), Item: row})
	return wrap("parking a delivery", err)
}

func parkedOf(row item) (*hermod.Parked, bool, error) {
	r := reader{item: row}
	p := &hermod.Parked{Token: r.str(token), WakeAt: r.at("wk")}
	if err := json.Unmarshal([]byte(r.str("m")), &p.Message); err != nil {
		return nil, false, fmt.Errorf("reading the parked delivery %s of %s: %w", row.str("SK"), row.str("PK"), err)
	}
	return p, true, r.err
}

// ParkedOf reads what is parked of a subscription, at most limit, the oldest event
// first, consistently.
func (s *Store) ParkedOf(ctx context.Context, subscriptionID string, limit int) ([]*hermod.Parked, error) {
	m := &merge[*hermod.Parked]{db: s.db, compare: func(a, b *hermod.Parked) int { return a.Key().Compare(b.Key()) }}
	for n := range s.shards() {
		m.streams = append(m.streams, &stream[*hermod.Parked]{
			span: span{
				table: s.tables.Deliveries, pkName: "PK", skName: "SK", pk: parkedPK(subscriptionID, n),
				lo: belowIDs, hi: aboveIDs, ascending: true, page: pageOf(limit, s.shards()),
			},
			decode: parkedOf,
		})
	}
	found, err := m.next(ctx, limit)
	return found, wrap("reading what is parked", err)
}

// ParkedDue reads what is parked and whose WakeAt is not after until, the earliest first.
func (s *Store) ParkedDue(ctx context.Context, until time.Time, limit int) ([]*hermod.Parked, error) {
	rows, err := readDue(ctx, s, parked, until, limit, parkedOf, func(a, b *hermod.Parked) int {
		return cmp.Or(a.WakeAt.Compare(b.WakeAt), a.Key().Compare(b.Key()))
	})
	return rows, wrap("reading what is parked and due", err)
}

// Unpark removes what still has the token it has here, several at a time.
func (s *Store) Unpark(ctx context.Context, parked []*hermod.Parked) error {
	return forEach(ctx, len(parked), func(ctx context.Context, i int) error {
		_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: aws.String(s.tables.Deliveries), Key: s.parkedKey(parked[i]).item(),
			ConditionExpression:       aws.String(token + " = :t"),
			ExpressionAttributeValues: item{":t": &types.AttributeValueMemberS{Value: parked[i].Token}},
		})
		if _, gone := errors.AsType[*types.ConditionalCheckFailedException](err); gone {
			return nil
		}
		return wrap("removing a parked delivery", err)
	})
}
