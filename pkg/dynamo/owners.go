package dynamo

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// Every request and batch reads the row of its account, and that of hermod.EveryOwner. A
// partition answers 3,000 consistent reads a second (AWS: "Best practices for designing
// and using partition keys effectively"), so the rows stand several times, each time in
// a partition of its own, and each reader takes any. Whoever changes one changes all in
// one transaction. How many there are can only change together with the rows.
const (
	ownerCopies      = 4
	everyOwnerCopies = 32
)

func copiesOf(owner string) int {
	if owner == hermod.EveryOwner {
		return everyOwnerCopies
	}
	return ownerCopies
}

// ownerCopyKey is the key of a copy of an owner's row. The first one is the row itself.
func ownerCopyKey(id string, n int) key {
	if n == 0 {
		return ownerKey(id)
	}
	return key{"owner#" + id + "#" + strconv.Itoa(n), "owner"}
}

// CreateOwner puts an owner if absent; CodeConflict.
func (s *Store) CreateOwner(ctx context.Context, o hermod.Owner) error {
	var writes []types.TransactWriteItem
	for n := range copiesOf(o.ID) {
		row := ownerCopyKey(o.ID, n).item()
		row.text("org", o.Organization)
		row.number("ret", int64(o.Retention))
		row.number("v", o.Version)
		row.time("at", o.CreatedAt)
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{
			TableName: aws.String(s.tables.Config), Item: row, ConditionExpression: aws.String("attribute_not_exists(PK)"),
		}})
	}
	err := s.change(ctx, hermod.Change{Owner: o.ID, Action: hermod.OwnerCreated, Target: o.ID}, writes...)
	if failedCondition(err) >= 0 {
		return hermod.Errorf(hermod.CodeConflict, "the owner exists already")
	}
	return wrap("creating an owner", err)
}

// Owners reads the rows of owners, consistently and in one request.
func (s *Store) Owners(ctx context.Context, ids []string) (map[string]hermod.Owner, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	keys, of := make([]key, len(ids)), make(map[key]string, len(ids))
	for i, id := range ids {
		keys[i] = ownerCopyKey(id, s.anyOf(copiesOf(id)))
		of[keys[i]] = id
	}
	rows, err := s.getAll(ctx, s.tables.Config, keys)
	if err != nil {
		return nil, wrap("reading owners", err)
	}
	owners := make(map[string]hermod.Owner, len(rows))
	for _, row := range rows {
		r := reader{item: row}
		o := hermod.Owner{
			ID:           of[keyOf(row)],
			Organization: r.str("org"),
			Retention:    time.Duration(r.int("ret")),
			Version:      r.int("v"),
			CreatedAt:    r.at("at"),
		}
		if r.err != nil {
			return nil, r.err
		}
		owners[o.ID] = o
	}
	return owners, nil
}

// anyOf is one of n, at random. n is a power of two, 256 at most.
func (s *Store) anyOf(n int) int {
	var b [1]byte
	s.random(b[:])
	return int(b[0]) % n
}

// bump raises the version of an owner's row, the first of its copies. Without a condition
// it makes the row where there is none. It goes with bumpCopies.
func (s *Store) bump(owner string) *types.Update { return s.bumpCopy(owner, 0) }

// bumpCopies raises the versions of the other copies of the owners' rows.
func (s *Store) bumpCopies(owners ...string) (writes []types.TransactWriteItem) {
	for _, owner := range owners {
		for n := 1; n < copiesOf(owner); n++ {
			writes = append(writes, types.TransactWriteItem{Update: s.bumpCopy(owner, n)})
		}
	}
	return writes
}

func (s *Store) bumpCopy(owner string, n int) *types.Update {
	return &types.Update{
		TableName:                 aws.String(s.tables.Config),
		Key:                       ownerCopyKey(owner, n).item(),
		UpdateExpression:          aws.String("ADD v :one"),
		ExpressionAttributeValues: item{":one": number(1)},
	}
}
