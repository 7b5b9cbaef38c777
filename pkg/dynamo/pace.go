package dynamo

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// paceItem is the rate that one item keeps. DynamoDB writes an item 1,000 times a second at
// most, and whoever finds no token has written as well.
const paceItem = 250

// paceFor is how long the row of a bucket is kept that nobody takes from.
const paceFor = time.Hour

// paceKey is a row of the subscription's health: a part of its bucket, by when that is full.
func paceKey(r hermod.Ref, part int) key {
	return key{healthKey(r).pk, "pace#" + strconv.Itoa(part)}
}

// Admit takes a token for a delivery of the event to the subscription, and answers false
// where there is none. It is one conditional write, and another one where the bucket was full.
// A rate above paceItem is kept in parts.
func (s *Store) Admit(ctx context.Context, ref hermod.Ref, event hermod.ID, rate int, at time.Time) (bool, error) {
	parts := (rate + paceItem - 1) / paceItem
	pace, part := hermod.PaceOf(rate, parts), int(event[len(event)-1])%parts
	another := &dynamodb.UpdateItemInput{
		UpdateExpression:    aws.String("SET fu = fu + :interval, #ttl = :ttl"),
		ConditionExpression: aws.String("fu > :now AND fu <= :last"),
		ExpressionAttributeValues: item{
			":interval": nanos(int64(pace.Interval)), ":now": nanos(at.UnixNano()), ":last": nanos(at.Add(pace.Tolerance).UnixNano()),
		},
	}
	first := &dynamodb.UpdateItemInput{
		UpdateExpression:    aws.String("SET fu = :next, #ttl = :ttl"),
		ConditionExpression: aws.String("attribute_not_exists(fu) OR fu <= :now OR fu > :farthest"),
		ExpressionAttributeValues: item{
			":next": nanos(at.Add(pace.Interval).UnixNano()), ":now": nanos(at.UnixNano()), ":farthest": nanos(pace.Farthest(at).UnixNano()),
		},
	}
	// Of many that find the bucket full at once, one is the first.
	for _, update := range []*dynamodb.UpdateItemInput{another, first, another} {
		update.TableName, update.Key = aws.String(s.tables.Config), paceKey(ref, part).item()
		update.ExpressionAttributeNames = map[string]string{"#ttl": ttl}
		update.ExpressionAttributeValues[":ttl"] = nanos(at.Add(paceFor).Unix())
		update.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		_, err := s.db.UpdateItem(ctx, update)
		failed, otherwise := errors.AsType[*types.ConditionalCheckFailedException](err)
		if !otherwise {
			return err == nil, wrap("taking a token", err)
		}
		if none(failed.Item, pace, at) {
			return false, nil
		}
	}
	return false, nil
}

// none reports whether the row that stands says that there is no token.
func none(row item, pace hermod.Pace, at time.Time) bool {
	r := reader{item: row}
	full := r.int("fu")
	if full == 0 {
		return false
	}
	_, ok := pace.Take(time.Unix(0, full), at)
	return !ok
}

func nanos(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
