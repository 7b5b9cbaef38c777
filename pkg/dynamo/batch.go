package dynamo

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"golang.org/x/sync/errgroup"

	"hermod/pkg/hermod"
)

// What one batch request may hold.
const (
	maxBatchGet   = 100
	maxBatchWrite = 25
	// maxBatchTries is how often a batch that makes no progress is sent again.
	maxBatchTries = 6
)

// getAll reads rows of a table consistently, in no order. Those that do not exist
// are missing.
func (s *Store) getAll(ctx context.Context, table string, keys []key) ([]item, error) {
	return s.getMany(ctx, table, keys, true)
}

// getUnchanging is getAll of rows that are never changed once they are put: one that is
// found needs no consistent read, which costs twice as much. One that is not found is
// asked for again.
func (s *Store) getUnchanging(ctx context.Context, table string, keys []key) ([]item, error) {
	rows, err := s.getMany(ctx, table, keys, false)
	if err != nil {
		return nil, err
	}
	found := make(map[key]bool, len(rows))
	for _, row := range rows {
		found[keyOf(row)] = true
	}
	missing := slices.DeleteFunc(slices.Clone(keys), func(k key) bool { return found[k] })
	more, err := s.getAll(ctx, table, missing)
	return append(rows, more...), err
}

func (s *Store) getMany(ctx context.Context, table string, keys []key, consistent bool) ([]item, error) {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, compareKeys)
	keys = slices.Compact(keys) // the same key twice is an error in DynamoDB
	chunks := slices.Collect(slices.Chunk(keys, maxBatchGet))
	found := make([][]item, len(chunks))
	err := forEach(ctx, len(chunks), func(ctx context.Context, i int) (err error) {
		found[i], err = s.getChunk(ctx, table, chunks[i], consistent)
		return err
	})
	return slices.Concat(found...), err
}

func (s *Store) getChunk(ctx context.Context, table string, keys []key, consistent bool) ([]item, error) {
	ask := make([]map[string]types.AttributeValue, len(keys))
	for i, k := range keys {
		ask[i] = k.item()
	}
	var rows []item
	for try := 1; len(ask) > 0; {
		out, err := s.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			table: {Keys: ask, ConsistentRead: aws.Bool(consistent)},
		}})
		if err != nil {
			return nil, err
		}
		for _, row := range out.Responses[table] {
			rows = append(rows, row)
		}
		left := out.UnprocessedKeys[table].Keys
		if try, err = s.pause(ctx, try, len(left), len(ask)); err != nil {
			return nil, err
		}
		ask = left
	}
	return rows, nil
}

// putAll writes or replaces rows.
func (s *Store) putAll(ctx context.Context, table string, rows []item) error {
	chunks := slices.Collect(slices.Chunk(rows, maxBatchWrite))
	return forEach(ctx, len(chunks), func(ctx context.Context, i int) error {
		return s.putChunk(ctx, table, chunks[i])
	})
}

func (s *Store) putChunk(ctx context.Context, table string, rows []item) error {
	writes := make([]types.WriteRequest, len(rows))
	for i, row := range rows {
		writes[i] = types.WriteRequest{PutRequest: &types.PutRequest{Item: row}}
	}
	for try := 1; len(writes) > 0; {
		out, err := s.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{table: writes},
		})
		if err != nil {
			return err
		}
		left := out.UnprocessedItems[table]
		if try, err = s.pause(ctx, try, len(left), len(writes)); err != nil {
			return err
		}
		writes = left
	}
	return nil
}

// pause comes after each request of a batch. DynamoDB leaves out what it was
// throttled on, and what is beyond 16 MB: with nothing done it waits as the SDK
// would before a retry, with something done it does not. It answers the next try.
func (s *Store) pause(ctx context.Context, try, left, of int) (int, error) {
	if left == 0 || left < of {
		return 1, nil
	}
	if try == maxBatchTries {
		return 0, hermod.Errorf(hermod.CodeUnavailable, "the store is overloaded; try again")
	}
	delay, err := s.retryer.RetryDelay(try, errUnprocessed)
	if err != nil {
		return 0, err
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-timer.C:
		return try + 1, nil
	}
}

var errUnprocessed = errors.New("no item of the batch was processed")

func compareKeys(a, b key) int {
	if a.pk != b.pk {
		if a.pk < b.pk {
			return -1
		}
		return 1
	}
	switch {
	case a.sk < b.sk:
		return -1
	case a.sk > b.sk:
		return 1
	}
	return 0
}

// forEach runs fn for 0 to n-1, several at a time, and answers the first error,
// which cancels the others. It returns when all have. A panic is an error: in a
// goroutine of its own it would end the process, with all that others have under way.
func forEach(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	if n == 1 {
		return fn(ctx, 0)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range n {
		g.Go(func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				}
			}()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fn(ctx, i)
		})
	}
	return g.Wait()
}
