package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// The audit log of an owner has a partition of its own, so that no read of the owner's
// configuration comes across it. A row costs one more write unit in the transaction,
// which doubles it.
const auditPrefix = "audit#"

func auditKey(owner string, id hermod.ID) key { return key{auditPrefix + owner, id.String()} }

// audit is the write of the row of a change, for the transaction that makes it.
func (s *Store) audit(ctx context.Context, c hermod.Change) (types.TransactWriteItem, error) {
	c.ID, c.Actor = s.ids.Next(), hermod.ActorOf(ctx)
	body, err := json.Marshal(&c)
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("encoding a change: %w", err)
	}
	row := auditKey(c.Owner, c.ID).item()
	row.text("b", string(body))
	row.retain(c.ID.Time().Add(hermod.ChangeRetention))
	return types.TransactWriteItem{Put: &types.Put{TableName: aws.String(s.tables.Config), Item: row}}, nil
}

// change makes the writes and puts the row that tells of them, in one transaction.
func (s *Store) change(ctx context.Context, c hermod.Change, writes ...types.TransactWriteItem) error {
	row, err := s.audit(ctx, c)
	if err != nil {
		return err
	}
	return s.transact(ctx, append(writes, row)) // last: failedCondition counts from the first
}

// putAbsent is the put of a row that must not exist yet.
func (s *Store) putAbsent(row item) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{
		TableName: aws.String(s.tables.Config), Item: row, ConditionExpression: aws.String("attribute_not_exists(PK)"),
	}}
}

// Record puts the row of a change that is no transaction of the store.
func (s *Store) Record(ctx context.Context, c hermod.Change) error {
	return wrap("recording a change", s.change(ctx, c))
}

// auditPages is how many pages of rows one call reads; each has maxPage at most.
const auditPages = 10

// Changes is a page of an owner's audit log, the newest first.
func (s *Store) Changes(ctx context.Context, q hermod.ChangeQuery) (hermod.ChangePage, error) {
	rows := &stream[*hermod.Change]{
		span: span{
			table: s.tables.Config, pkName: "PK", skName: "SK", pk: auditPrefix + q.Owner,
			lo: q.Above.String(), hi: aboveIDs, page: pageOf(q.Limit, 1),
		},
		pages: auditPages,
	}
	if !q.Below.IsZero() {
		rows.span.hi = q.Below.String()
	}
	if q.Target != "" || q.Action != "" {
		rows.span.page = maxPage
	}
	var last hermod.ID // that was read
	rows.decode = func(it item) (*hermod.Change, bool, error) {
		c := &hermod.Change{}
		if err := json.Unmarshal([]byte(it.str("b")), c); err != nil {
			return nil, false, fmt.Errorf("reading the change %s of %s: %w", it.str("SK"), it.str("PK"), err)
		}
		last = c.ID
		return c, !s.expired(it) && q.Selects(c), nil
	}
	merged := &merge[*hermod.Change]{db: s.db, streams: []*stream[*hermod.Change]{rows}}
	changes, err := merged.next(ctx, q.Limit+1)
	page := hermod.ChangePage{Changes: changes}
	switch {
	case errors.Is(err, errPagesRead):
		page.Next = last
	case err != nil:
		return hermod.ChangePage{}, wrap("reading the audit log", err)
	}
	if len(changes) > q.Limit {
		page.Changes = changes[:q.Limit]
		page.Next = page.Changes[q.Limit-1].ID
	}
	return page, nil
}
