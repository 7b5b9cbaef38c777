package dynamo

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// A replay is a row among its owner's. One that runs has a pointer besides, in a
// partition where the pointers of all owners are: it is put and deleted in one
// transaction with the row, so that neither is ever without the other.
const (
	replayPrefix     = "replay#"
	runningReplaysPK = "replays-running"
)

func replayKey(k hermod.ReplayKey) key { return key{k.Owner, replayPrefix + k.ID.String()} }

func pointerKey(k hermod.ReplayKey) key {
	return key{runningReplaysPK, k.Owner + "#" + k.ID.String()}
}

// CreateReplay puts r as version 1; CodeConflict.
func (s *Store) CreateReplay(ctx context.Context, r *hermod.Replay) error {
	created := *r
	created.Version = 1
	row, err := replayRow(&created)
	if err != nil {
		return err
	}
	writes := []types.TransactWriteItem{{Put: &types.Put{
		TableName: aws.String(s.tables.Config), Item: row, ConditionExpression: aws.String("attribute_not_exists(PK)"),
	}}}
	if created.Running() {
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{
			TableName: aws.String(s.tables.Config), Item: pointerKey(r.Key()).item(),
		}})
	}
	err = s.auditReplay(ctx, &created, nil, writes)
	if failedCondition(err) >= 0 {
		return hermod.Errorf(hermod.CodeConflict, "the replay exists already")
	}
	if err != nil {
		return wrap("creating a replay", err)
	}
	r.Version = created.Version
	return nil
}

// UpdateReplay replaces the row whose version is r.Version and bumps the version;
// CodePreconditionFailed. The pointer of one that has ended goes with it.
func (s *Store) UpdateReplay(ctx context.Context, r *hermod.Replay) error {
	updated := *r
	updated.Version++
	row, err := replayRow(&updated)
	if err != nil {
		return err
	}
	put := &types.Put{
		TableName: aws.String(s.tables.Config), Item: row, ConditionExpression: aws.String("v = :v"),
		ExpressionAttributeValues: item{":v": &types.AttributeValueMemberN{Value: strconv.FormatInt(r.Version, 10)}},
	}
	var stale bool
	if updated.Running() {
		stale, err = s.replaceReplay(ctx, put)
	} else {
		stale, err = s.endReplay(ctx, &updated, put)
	}
	if stale {
		return hermod.Errorf(hermod.CodePreconditionFailed, "the replay has changed meanwhile")
	}
	if err != nil {
		return wrap("updating a replay", err)
	}
	r.Version = updated.Version
	return nil
}

// replaceReplay puts the row and reports whether another version stood there. A put
// whose first answer was lost meets itself, see mark.
func (s *Store) replaceReplay(ctx context.Context, put *types.Put) (stale bool, err error) {
	nonce := s.nonce()
	item(put.Item).binary(mark, nonce)
	standing, err := s.putIf(ctx, &dynamodb.PutItemInput{
		TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression,
		ExpressionAttributeValues: put.ExpressionAttributeValues,
	})
	return standing != nil && !marked(standing, nonce), err
}

// endReplay puts the row of a replay that has ended and takes its pointer away, and
// reports whether another version stood there.
func (s *Store) endReplay(ctx context.Context, r *hermod.Replay, put *types.Put) (stale bool, err error) {
	standing, err := s.get(ctx, s.tables.Config, replayKey(r.Key()))
	if err != nil || standing == nil {
		return err == nil, err
	}
	was, err := replayOf(standing)
	if err != nil {
		return false, err
	}
	err = s.auditReplay(ctx, r, was, []types.TransactWriteItem{{Put: put}, {Delete: &types.Delete{
		TableName: aws.String(s.tables.Config), Key: pointerKey(r.Key()).item(),
	}}})
	return failedCondition(err) >= 0, err
}

// auditReplay makes the writes, with a row where the audit log tells of them.
func (s *Store) auditReplay(ctx context.Context, r, was *hermod.Replay, writes []types.TransactWriteItem) error {
	if c := r.ChangeOf(was); c != nil {
		return s.change(ctx, *c, writes...)
	}
	return s.transact(ctx, writes)
}

// transact writes items in one transaction. The SDK gives it a token, so that one
// sent twice takes effect once.
func (s *Store) transact(ctx context.Context, writes []types.TransactWriteItem) error {
	_, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes},
		func(o *dynamodb.Options) { o.Retryer = s.patient })
	return err
}

// Replay reads one; CodeNotFound.
func (s *Store) Replay(ctx context.Context, k hermod.ReplayKey) (*hermod.Replay, error) {
	row, err := s.get(ctx, s.tables.Config, replayKey(k))
	if err != nil {
		return nil, wrap("reading a replay", err)
	}
	if row == nil || s.expired(row) {
		return nil, hermod.Errorf(hermod.CodeNotFound, "no such replay")
	}
	return replayOf(row)
}

// Replays is a page of an owner's replays, the newest first.
func (s *Store) Replays(ctx context.Context, q hermod.ReplayQuery) ([]*hermod.Replay, error) {
	hi := replayPrefix + aboveIDs
	if !q.Below.IsZero() {
		hi = replayPrefix + q.Below.String()
	}
	m := &merge[*hermod.Replay]{db: s.db, streams: []*stream[*hermod.Replay]{{
		span: span{
			table: s.tables.Config, pkName: "PK", skName: "SK", pk: q.Owner,
			lo: replayPrefix + belowIDs, hi: hi, page: pageOf(q.Limit, 1),
		},
		decode: func(it item) (*hermod.Replay, bool, error) {
			if s.expired(it) {
				return nil, false, nil
			}
			r, err := replayOf(it)
			return r, true, err
		},
	}}}
	replays, err := m.next(ctx, q.Limit)
	return replays, wrap("reading replays", err)
}

// RunningReplays finds the replays of all owners that have not ended.
func (s *Store) RunningReplays(ctx context.Context) ([]hermod.ReplayKey, error) {
	running, err := collectConfig(ctx, s, runningReplaysPK, "", func(it item) (hermod.ReplayKey, error) {
		sk := it.str("SK")
		i := strings.LastIndexByte(sk, '#')
		id, err := hermod.ParseID(sk[i+1:])
		if i < 0 || err != nil {
			return hermod.ReplayKey{}, fmt.Errorf("reading the pointer %q to a replay: %w", sk, err)
		}
		return hermod.ReplayKey{Owner: sk[:i], ID: id}, nil
	})
	return running, wrap("reading the running replays", err)
}

// replayRow keeps the replay whole as JSON: nothing but its version is asked for.
func replayRow(r *hermod.Replay) (item, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding replay %s: %w", r.ID, err)
	}
	row := replayKey(r.Key()).item()
	row.number("v", r.Version)
	row.text("b", string(body))
	row.retain(r.RetainUntil)
	return row, nil
}

func replayOf(row item) (*hermod.Replay, error) {
	r := &hermod.Replay{}
	if err := json.Unmarshal([]byte(row.str("b")), r); err != nil {
		return nil, fmt.Errorf("reading the replay %s of %s: %w", row.str("SK"), row.str("PK"), err)
	}
	return r, nil
}
