package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A span is a run of rows of one partition of a table or index. lo and hi bound
// the sort key, both exclusive.
type span struct {
	table, index   string
	pkName, skName string
	pk, lo, hi     string
	ascending      bool
	// page is how many rows one request reads.
	page int
}

// input asks for the page after the row start, nil for the first one. A table is
// read consistently; an index cannot be.
func (sp *span) input(start item) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{
		TableName: aws.String(sp.table),
		// BETWEEN is the one condition that bounds both ends. It includes them,
		// and the stream drops them again.
		KeyConditionExpression:   aws.String("#pk = :pk AND #sk BETWEEN :lo AND :hi"),
		ExpressionAttributeNames: map[string]string{"#pk": sp.pkName, "#sk": sp.skName},
		ExpressionAttributeValues: item{
			":pk": &types.AttributeValueMemberS{Value: sp.pk},
			":lo": &types.AttributeValueMemberS{Value: sp.lo},
			":hi": &types.AttributeValueMemberS{Value: sp.hi},
		},
		ScanIndexForward:  aws.Bool(sp.ascending),
		Limit:             aws.Int32(int32(min(max(sp.page, 1), maxPage))),
		ExclusiveStartKey: start,
	}
	if sp.index == "" {
		in.ConsistentRead = aws.Bool(true)
	} else {
		in.IndexName = aws.String(sp.index)
	}
	return in
}

// maxPage bounds the rows of one request; DynamoDB's own bound is 1 MB.
const maxPage = 1000

// A stream reads a span row by row, page by page. decode says of each row whether
// it is wanted.
type stream[T any] struct {
	span   span
	decode func(it item) (row T, wanted bool, err error)
	// pages is how many pages may be read; 0 is no bound. Past it, reading fails with
	// errPagesRead.
	pages int

	read   int
	buffer []T
	start  item
	done   bool
}

// errPagesRead says that a stream goes on past the pages that may be read.
var errPagesRead = errors.New("the bound on pages is reached")

// fill reads pages until there is a row in the buffer or the span is at its end.
func (st *stream[T]) fill(ctx context.Context, db *dynamodb.Client) error {
	if st.span.lo >= st.span.hi { // DynamoDB refuses such a condition
		return nil
	}
	for len(st.buffer) == 0 && !st.done {
		if st.pages > 0 && st.read == st.pages {
			return errPagesRead
		}
		st.read++
		out, err := db.Query(ctx, st.span.input(st.start))
		if err != nil {
			return err
		}
		st.start = out.LastEvaluatedKey
		st.done = len(st.start) == 0
		if err := st.add(out.Items); err != nil {
			return err
		}
	}
	return nil
}

func (st *stream[T]) add(page []map[string]types.AttributeValue) error {
	for _, it := range page {
		if sk := item(it).str(st.span.skName); sk == st.span.lo || sk == st.span.hi {
			continue
		}
		row, wanted, err := st.decode(it)
		if err != nil {
			return err
		}
		if wanted {
			st.buffer = append(st.buffer, row)
		}
	}
	return nil
}

// A merge reads several streams as one, in the order of compare. Each stream has
// to be in that order itself.
type merge[T any] struct {
	db      *dynamodb.Client
	streams []*stream[T]
	compare func(a, b T) int
	primed  bool
}

// parallel is how many requests one call makes at a time when it reads several
// partitions, or puts several rows.
const parallel = 16

// next reads at most n rows. Fewer means the end, or the error beside them.
func (m *merge[T]) next(ctx context.Context, n int) ([]T, error) {
	if !m.primed {
		fill := func(ctx context.Context, i int) error { return m.streams[i].fill(ctx, m.db) }
		if err := forEach(ctx, len(m.streams), fill); err != nil {
			return nil, err
		}
		m.primed = true
	}
	var rows []T
	for len(rows) < n {
		var first *stream[T]
		for _, st := range m.streams {
			if err := st.fill(ctx, m.db); err != nil {
				return rows, err
			}
			if len(st.buffer) > 0 && (first == nil || m.compare(st.buffer[0], first.buffer[0]) < 0) {
				first = st
			}
		}
		if first == nil {
			break
		}
		rows = append(rows, first.buffer[0])
		first.buffer = first.buffer[1:]
	}
	return rows, nil
}

// bounds say how much collect reads.
type bounds struct {
	limit int // of what survives
	// step is how many rows a piece has at least, so that load is not called row by row
	// where few survive.
	step int
	// examine is how many rows are read at most; 0 is no bound.
	examine int
}

// collect reads rows until limit of them survive: load gets a piece of the merge and
// answers, in order, what became of it. Where it read as many rows as it may and that
// did not fill the limit, stopped is the last of them.
func collect[T, R any](
	ctx context.Context, m *merge[T], b bounds, load func(ctx context.Context, rows []T) ([]R, error),
) (out []R, stopped *T, err error) {
	for examined := 0; len(out) < b.limit; {
		wanted := max(b.limit-len(out), b.step)
		if b.examine > 0 {
			wanted = min(wanted, b.examine-examined)
		}
		rows, err := m.next(ctx, wanted)
		if err != nil {
			return nil, nil, err
		}
		loaded, err := load(ctx, rows)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, loaded...)
		if len(rows) < wanted {
			break
		}
		if examined += len(rows); examined == b.examine && len(out) < b.limit {
			return out, &rows[len(rows)-1], nil
		}
	}
	return out[:min(len(out), b.limit)], nil, nil
}

// pageOf is how many rows to read at a time from each of n partitions that fill a
// page of limit rows together.
func pageOf(limit, n int) int {
	const least = 8 // below it, requests cost more than rows
	return min(limit+1, max(least, 2*limit/max(n, 1)+1))
}
