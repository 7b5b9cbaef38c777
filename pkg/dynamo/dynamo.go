// Package dynamo keeps Hermod's state in three DynamoDB tables. Config holds what
// changes rarely: owners, subscriptions, types, credentials, signing keys and
// idempotency rows. Events is the log of events, Deliveries the log of attempts.
//
// The functions' users declare the interfaces that Store implements (package
// ingest, package deliver, the dialects).
package dynamo

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
)

// Tables names the three tables, and says how their logs are spread.
type Tables struct {
	Config     string
	Events     string
	Deliveries string
	Shards     Shards
}

// A Store is the state of Hermod on DynamoDB. It is safe for concurrent use.
type Store struct {
	db     *dynamodb.Client
	tables Tables
	now    func() time.Time
	random func([]byte)
	// ids makes the ids of changes.
	ids     *hermod.IDs
	retryer aws.Retryer
	// patient is the retryer of transactions.
	patient aws.Retryer
	// putTimeout bounds the put of one event, retries included.
	putTimeout time.Duration
	// maxSubscriptions is how many an owner may have.
	maxSubscriptions int
	// usagePage is how many index entries of used units one request reads; nil for as
	// many as there are in 1 MB.
	usagePage *int32
	data      *compressor
}

// New makes a Store. The clock decides which rows are past their time to live, the
// source of random bytes marks each put so that it is known again (see mark).
func New(cfg aws.Config, tables Tables, now func() time.Time, random func([]byte)) *Store {
	retryer := awscfg.NewRetryer(retryMeeting)
	db := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.Retryer = retryer })
	return &Store{
		db: db, tables: tables, now: now, random: random, ids: hermod.NewIDs(now, random),
		retryer: retryer, patient: awscfg.NewRetryer(retryConflicts), putTimeout: putTimeout,
		data: &compressor{}, maxSubscriptions: hermod.MaxSubscriptions,
	}
}

// WithPutTimeout gives a Store that bounds the put of an event otherwise. It is for
// emulators, which have nobody reading their tail and may be slow.
func (s *Store) WithPutTimeout(d time.Duration) *Store {
	slower := *s
	slower.putTimeout = d
	return &slower
}

// WithMaxSubscriptions gives a Store in which an owner may have so many subscriptions.
func (s *Store) WithMaxSubscriptions(n int) *Store {
	bounded := *s
	bounded.maxSubscriptions = n
	return &bounded
}

// retryConflicts makes a retryer for transactions. Those that meet on an owner's
// row are cancelled rather than queued, so with many writers each needs several
// tries. The SDK's budget of retries is for a failing service and would cut them
// short.
func retryConflicts(o *retry.StandardOptions) {
	o.MaxAttempts = maxTransactionTries
	o.RateLimiter = ratelimit.None
	o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(conflicting)}, o.Retryables...)
}

const maxTransactionTries = 12

// retryMeeting makes a retryer for requests of one item. Such a request is refused while
// a transaction is about the same item, which is over in a moment. The SDK does not know.
func retryMeeting(o *retry.StandardOptions) {
	o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{"TransactionConflictException": {}}})
}

// conflicting tells whether a transaction that was cancelled met another one, or
// throttling, and no failed condition: then it is worth another try.
func conflicting(err error) aws.Ternary {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return aws.UnknownTernary
	}
	conflict := false
	for _, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case reasonConditionFailed:
			return aws.FalseTernary
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			conflict = true
		}
	}
	return aws.BoolTernary(conflict)
}

const reasonConditionFailed = "ConditionalCheckFailed"

// failedCondition reports which item of a cancelled transaction did not meet its
// condition, the last one first; -1 for none.
func failedCondition(err error) int {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return -1
	}
	for i := len(cancelled.CancellationReasons) - 1; i >= 0; i-- {
		if aws.ToString(cancelled.CancellationReasons[i].Code) == reasonConditionFailed {
			return i
		}
	}
	return -1
}

// wrap says what was being done. A transaction that kept meeting others through
// all its tries is as temporary as throttling.
func wrap(doing string, err error) error {
	if err != nil && conflicting(err) == aws.TrueTernary {
		err = &hermod.Error{Code: hermod.CodeUnavailable, Message: "too many changes at once; try again", Err: err}
	}
	return awscfg.Wrap(doing, err)
}

// mark is an attribute with random bytes, new for each put. The SDK sends a put
// again when the answer to it was lost; if the first one had arrived, the second
// fails its condition against our own row. The mark on the row in the way tells
// that from losing to another writer, which for an attempt decides whether its run
// goes on.
const (
	mark      = "w"
	markBytes = 8
)

// putNew puts a row that must not exist yet, and answers the row that is in the
// way, nil for none.
func (s *Store) putNew(ctx context.Context, table string, row item) (item, error) {
	nonce := s.nonce()
	row.binary(mark, nonce)
	standing, err := s.putIf(ctx, &dynamodb.PutItemInput{
		TableName:           aws.String(table),
		Item:                row,
		ConditionExpression: aws.String("attribute_not_exists(PK)"),
	})
	if err != nil || marked(standing, nonce) {
		return nil, err
	}
	return standing, nil
}

func (s *Store) nonce() []byte {
	nonce := make([]byte, markBytes)
	s.random(nonce)
	return nonce
}

// marked reports whether a row is one that was written with the nonce.
func marked(row item, nonce []byte) bool { return string(row.bytes(mark)) == string(nonce) }

// putIf puts a row on a condition, and answers the row that did not meet it, nil
// where the condition held.
func (s *Store) putIf(ctx context.Context, in *dynamodb.PutItemInput) (item, error) {
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	_, err := s.db.PutItem(ctx, in)
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		if failed.Item == nil {
			return item{}, nil // the condition asked for a row, and there is none
		}
		return failed.Item, nil
	}
	return nil, err
}

// get reads one row consistently, nil where there is none.
func (s *Store) get(ctx context.Context, table string, k key) (item, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(table), Key: k.item(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}
