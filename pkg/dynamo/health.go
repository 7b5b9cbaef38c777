package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// The health of an endpoint is a row of Config in a partition of its own, read with the
// subscription in one request. One that is attended has a copy besides, in a partition
// where those of all owners are: it is put and deleted in one transaction with the row. The
// count of another failure does not reach it.
const (
	healthPrefix = "health#"
	attendedPK   = "attended"
	// attended marks a row that has a pointer.
	attended = "att" // "at" is a reserved word
)

func healthKey(r hermod.Ref) key     { return key{healthPrefix + r.Owner + "#" + r.ID, "health"} }
func healthPointer(r hermod.Ref) key { return key{attendedPK, r.Owner + "#" + r.ID} }
func isHealth(row item) bool         { return strings.HasPrefix(row.str("PK"), healthPrefix) }
func seconds(t time.Time) item       { it := item{}; it.time("t", t); return it }
func version(v int64) map[string]types.AttributeValue {
	return item{":v": &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}}
}

// Fail counts a failure of a subscription's endpoint, and answers the row after it. It is
// one write, but for the first failure after those before it were forgotten. The mark
// tells a count whose answer was lost and that the SDK sent again: it counts once.
func (s *Store) Fail(ctx context.Context, ref hermod.Ref, at time.Time, class string) (*hermod.Health, error) {
	const fresh = " AND (attribute_not_exists(" + mark + ") OR " + mark + " <> :mark)"
	count := &dynamodb.UpdateItemInput{
		UpdateExpression: aws.String("SET si = if_not_exists(si, :at), la = :at, cl = :class, v = if_not_exists(v, :one), " +
			mark + " = :mark ADD f :one"),
		ConditionExpression: aws.String("(attribute_not_exists(PK) OR attribute_exists(" + attended + ") OR la >= :forgotten)" + fresh),
	}
	afresh := &dynamodb.UpdateItemInput{
		UpdateExpression:    aws.String("SET si = :at, la = :at, cl = :class, f = :one, " + mark + " = :mark"),
		ConditionExpression: aws.String("attribute_not_exists(" + attended + ") AND la < :forgotten" + fresh),
	}
	nonce := s.nonce()
	for _, update := range []*dynamodb.UpdateItemInput{count, afresh, count} {
		update.TableName, update.Key = aws.String(s.tables.Config), healthKey(ref).item()
		update.ReturnValues = types.ReturnValueAllNew
		update.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		update.ExpressionAttributeValues = item{
			":at": seconds(at)["t"], ":forgotten": seconds(at.Add(-hermod.FailuresForgotten))["t"],
			":class": &types.AttributeValueMemberS{Value: class}, ":one": &types.AttributeValueMemberN{Value: "1"},
			":mark": &types.AttributeValueMemberB{Value: nonce},
		}
		out, err := s.db.UpdateItem(ctx, update)
		if failed, otherwise := errors.AsType[*types.ConditionalCheckFailedException](err); otherwise {
			if marked(failed.Item, nonce) {
				return healthOf(failed.Item)
			}
			continue
		}
		if err != nil {
			return nil, wrap("counting a failure", err)
		}
		return healthOf(out.Attributes)
	}
	return nil, hermod.Errorf(hermod.CodeUnavailable, "the health has changed meanwhile; try again")
}

var errHealthChanged = hermod.Errorf(hermod.CodePreconditionFailed, "the health has changed meanwhile")

// PutHealth puts or replaces the row whose version is h.Version, 0 for no row, and bumps
// it; CodePreconditionFailed.
func (s *Store) PutHealth(ctx context.Context, h *hermod.Health) error {
	return s.replaceHealth(h, func(writes []types.TransactWriteItem) error { return s.transact(ctx, writes) })
}

// PauseHealth is PutHealth where the owner has paused the deliveries or had them go on.
func (s *Store) PauseHealth(ctx context.Context, h *hermod.Health) error {
	return s.replaceHealth(h, func(writes []types.TransactWriteItem) error {
		return s.change(ctx, h.PauseChange(), writes...)
	})
}

func (s *Store) replaceHealth(h *hermod.Health, write func([]types.TransactWriteItem) error) error {
	next := *h
	next.Version++
	row, err := healthRow(&next)
	if err != nil {
		return err
	}
	put := &types.Put{TableName: aws.String(s.tables.Config), Item: row, ConditionExpression: aws.String("attribute_not_exists(PK)")}
	if h.Version > 0 {
		put.ConditionExpression, put.ExpressionAttributeValues = aws.String("v = :v"), version(h.Version)
	}
	pointer := types.TransactWriteItem{Delete: s.deletePointer(h.Ref())}
	if next.Attended() {
		there := maps.Clone(row)
		maps.Copy(there, healthPointer(h.Ref()).item())
		pointer = types.TransactWriteItem{Put: &types.Put{TableName: aws.String(s.tables.Config), Item: there}}
	}
	err = write([]types.TransactWriteItem{{Put: put}, pointer})
	if failedCondition(err) >= 0 {
		return errHealthChanged
	}
	if err != nil {
		return wrap("putting a health", err)
	}
	h.Version = next.Version
	return nil
}

func (s *Store) deletePointer(ref hermod.Ref) *types.Delete {
	return &types.Delete{TableName: aws.String(s.tables.Config), Key: healthPointer(ref).item()}
}

// DeleteHealth deletes the row whose version is h.Version; CodePreconditionFailed. Most
// have no pointer, and need no transaction.
func (s *Store) DeleteHealth(ctx context.Context, h *hermod.Health) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: aws.String(s.tables.Config), Key: healthKey(h.Ref()).item(),
		ConditionExpression:       aws.String("v = :v AND attribute_not_exists(" + attended + ")"),
		ExpressionAttributeValues: version(h.Version),
	})
	if _, otherwise := errors.AsType[*types.ConditionalCheckFailedException](err); !otherwise {
		return wrap("deleting a health", err)
	}
	err = s.transact(ctx, []types.TransactWriteItem{{Delete: &types.Delete{
		TableName: aws.String(s.tables.Config), Key: healthKey(h.Ref()).item(),
		ConditionExpression: aws.String("v = :v"), ExpressionAttributeValues: version(h.Version),
	}}, {Delete: s.deletePointer(h.Ref())}})
	if failedCondition(err) >= 0 {
		return errHealthChanged
	}
	return wrap("deleting a health", err)
}

// Health reads how the endpoint of a subscription does, consistently; nil for well.
func (s *Store) Health(ctx context.Context, ref hermod.Ref) (*hermod.Health, error) {
	row, err := s.get(ctx, s.tables.Config, healthKey(ref))
	if err != nil {
		return nil, wrap("reading a health", err)
	}
	if row == nil {
		return nil, nil //nolint:nilnil // the contract: no row is no error
	}
	return healthOf(row)
}

// Attended are the subscriptions of all owners whose health is attended.
func (s *Store) Attended(ctx context.Context) ([]hermod.Ref, error) {
	refs, err := collectConfig(ctx, s, attendedPK, "", func(it item) (hermod.Ref, error) { return healthRef(it), nil })
	return refs, wrap("reading who is attended", err)
}

// Unwell are the attended ones of an owner, in one query. Failures that a circuit has counted
// since it was opened or closed last may be missing from them.
func (s *Store) Unwell(ctx context.Context, owner string) ([]*hermod.Health, error) {
	all, err := collectConfig(ctx, s, attendedPK, owner+"#", healthOf)
	return all, wrap("reading who of an owner is attended", err)
}

// healthRef names the subscription of a row or of its copy.
func healthRef(row item) hermod.Ref {
	name, own := strings.CutPrefix(row.str("PK"), healthPrefix)
	if !own {
		name = row.str("SK")
	}
	owner, id, _ := strings.Cut(name, "#")
	return hermod.Ref{Owner: owner, ID: id}
}

// circuit is what a row keeps as JSON: nobody asks for it but whoever reads it all.
type circuit struct {
	Circuit     hermod.Circuit `json:"circuit,omitempty"`
	Paused      bool           `json:"paused,omitempty"`
	OpenedAt    time.Time      `json:"openedAt,omitzero"`
	Probes      int            `json:"probes,omitempty"`
	NextProbeAt time.Time      `json:"nextProbeAt,omitzero"`
	ProbeEvent  hermod.ID      `json:"probeEvent,omitzero"`
	ProbeRun    int            `json:"probeRun,omitempty"`
	Told        string         `json:"told,omitempty"`
	Exhausted   time.Time      `json:"exhausted,omitzero"`
}

func healthRow(h *hermod.Health) (item, error) {
	body, err := json.Marshal(circuit{
		h.Circuit, h.Paused, h.OpenedAt, h.Probes, h.NextProbeAt, h.ProbeEvent, h.ProbeRun, h.Told, h.Exhausted,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the health of %s: %w", h.SubscriptionID, err)
	}
	row := healthKey(h.Ref()).item()
	row.number("v", h.Version)
	row.flag(attended, h.Attended())
	row.text("b", string(body))
	row.number("f", int64(h.Failures))
	row.time("si", h.Since)
	row.time("la", h.LastAt)
	row.text("cl", h.Class)
	return row, nil
}

func healthOf(row item) (*hermod.Health, error) {
	r, ref := reader{item: row}, healthRef(row)
	h := &hermod.Health{
		Owner: ref.Owner, SubscriptionID: ref.ID, Version: r.int("v"),
		Failures: int(r.int("f")), Since: r.at("si"), LastAt: r.at("la"), Class: r.str("cl"),
	}
	if body := r.str("b"); body != "" {
		var c circuit
		r.fail("b", json.Unmarshal([]byte(body), &c))
		h.Circuit, h.Paused, h.OpenedAt, h.Probes = c.Circuit, c.Paused, c.OpenedAt, c.Probes
		h.NextProbeAt, h.ProbeEvent, h.ProbeRun, h.Told = c.NextProbeAt, c.ProbeEvent, c.ProbeRun, c.Told
		h.Exhausted = c.Exhausted
	}
	return h, r.err
}
