package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Count adds n to the count of the name and answers the sum, in one write. The row is
// deleted some time after until. After a lost answer n may be added twice.
func (s *Store) Count(ctx context.Context, name string, n int64, until time.Time) (int64, error) {
	out, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 aws.String(s.tables.Config),
		Key:                       key{"count#" + name, "count"}.item(),
		UpdateExpression:          aws.String("ADD n :n SET #ttl = :until"),
		ExpressionAttributeNames:  map[string]string{"#ttl": ttl},
		ExpressionAttributeValues: item{":n": number(n), ":until": number(until.Unix())},
		ReturnValues:              types.ReturnValueUpdatedNew,
	})
	if err != nil {
		return 0, wrap("counting", err)
	}
	r := reader{item: out.Attributes}
	return r.int("n"), r.err
}
