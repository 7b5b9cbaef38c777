package dynamo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// RegisterTypes makes the types known as types of the owner's events.
func (s *Store) RegisterTypes(ctx context.Context, owner string, eventTypes []string) error {
	eventTypes = slices.Compact(slices.Sorted(slices.Values(eventTypes)))
	rows := make([]item, len(eventTypes))
	for i, t := range eventTypes {
		rows[i] = typeKey(owner, t).item()
	}
	return wrap("registering types", s.putAll(ctx, s.tables.Config, rows))
}

// Types are the types known of the owner's events, sorted.
func (s *Store) Types(ctx context.Context, owner string) ([]string, error) {
	found, err := collectConfig(ctx, s, owner, typePrefix, func(it item) (string, error) {
		return strings.TrimPrefix(it.str("SK"), typePrefix), nil
	})
	return found, wrap("reading types", err)
}

// configQuery asks for the rows of a partition of Config whose sort key starts with
// a prefix, in its order, consistently.
func (s *Store) configQuery(pk, prefix string) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{
		TableName:              aws.String(s.tables.Config),
		KeyConditionExpression: aws.String("PK = :pk"),
		ExpressionAttributeValues: item{
			":pk": &types.AttributeValueMemberS{Value: pk},
		},
		ConsistentRead: aws.Bool(true),
	}
	if prefix != "" {
		in.KeyConditionExpression = aws.String("PK = :pk AND begins_with(SK, :prefix)")
		in.ExpressionAttributeValues[":prefix"] = &types.AttributeValueMemberS{Value: prefix}
	}
	return in
}

// collectConfig reads all that configQuery asks for.
func collectConfig[T any](ctx context.Context, s *Store, pk, prefix string, decode func(it item) (T, error)) ([]T, error) {
	var rows []T
	for pages := dynamodb.NewQueryPaginator(s.db, s.configQuery(pk, prefix)); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, it := range page.Items {
			row, err := decode(it)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// Claim puts each row if its key is free, and answers the rows that stand.
func (s *Store) Claim(ctx context.Context, claims []hermod.Claim) ([]hermod.Claim, error) {
	byKey := map[key][]int{}
	var keys []key
	for i, c := range claims {
		k := claimKey(c.Owner, c.Key)
		if _, seen := byKey[k]; !seen {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], i)
	}
	standing := make([]hermod.Claim, len(claims))
	err := forEach(ctx, len(keys), func(ctx context.Context, i int) error {
		for _, at := range byKey[keys[i]] { // in order: the first of a key wins
			stands, err := s.claim(ctx, claims[at])
			if err != nil {
				return err
			}
			standing[at] = stands
		}
		return nil
	})
	if err != nil {
		return nil, wrap("claiming idempotency keys", err)
	}
	return standing, nil
}

func (s *Store) claim(ctx context.Context, c hermod.Claim) (hermod.Claim, error) {
	made := c.ExpiresAt.Add(-hermod.ClaimRetention)
	row, err := s.putIf(ctx, &dynamodb.PutItemInput{
		TableName:           aws.String(s.tables.Config),
		Item:                claimRow(c),
		ConditionExpression: aws.String("attribute_not_exists(PK) OR x <= :made"),
		ExpressionAttributeValues: item{
			":made": &types.AttributeValueMemberN{Value: formatTime(made)},
		},
	})
	if err != nil || row == nil {
		return c, err
	}
	// After a lost answer this may be the row just put. It reads the same.
	return claimOf(row, c)
}

// Reclaim replaces the standing row by the fresh one; CodeConflict.
func (s *Store) Reclaim(ctx context.Context, standing, fresh hermod.Claim) error {
	row, err := s.putIf(ctx, &dynamodb.PutItemInput{
		TableName:           aws.String(s.tables.Config),
		Item:                claimRow(fresh),
		ConditionExpression: aws.String("e = :standing"),
		ExpressionAttributeValues: item{
			":standing": &types.AttributeValueMemberS{Value: standing.EventID.String()},
		},
	})
	switch {
	case err != nil:
		return wrap("reclaiming an idempotency key", err)
	case row == nil, row.str("e") == fresh.EventID.String(): // the latter after a lost answer
		return nil
	}
	return hermod.Errorf(hermod.CodeConflict, "another request has reclaimed the idempotency key")
}

func claimRow(c hermod.Claim) item {
	row := claimKey(c.Owner, c.Key).item()
	row.binary("h", c.Hash)
	row.text("e", c.EventID.String())
	row.time("x", c.ExpiresAt)
	row.retain(c.ExpiresAt)
	return row
}

// claimOf reads the row that stands for the key of c.
func claimOf(row item, c hermod.Claim) (hermod.Claim, error) {
	r := reader{item: row}
	id, err := hermod.ParseID(r.str("e"))
	if err != nil {
		return hermod.Claim{}, fmt.Errorf("reading a claim: %w", err)
	}
	return hermod.Claim{Owner: c.Owner, Key: c.Key, Hash: r.bytes("h"), EventID: id, ExpiresAt: r.at("x")}, r.err
}
