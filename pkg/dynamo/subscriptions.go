package dynamo

import (
	"cmp"
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// CreateSubscription puts s as version 1 and bumps its owner's version in the same
// transaction; CodeConflict, CodeNotFound.
func (s *Store) CreateSubscription(ctx context.Context, sub *hermod.Subscription) error {
	created := *sub
	created.Version = 1
	err := s.writeSubscription(ctx, &types.Put{
		Item:                subscriptionRow(&created),
		ConditionExpression: aws.String("attribute_not_exists(PK)"),
	}, &created, nil)
	switch failedCondition(err) {
	case ofSubscription:
		return hermod.Errorf(hermod.CodeConflict, "the subscription exists already")
	case ofOwner:
		return s.noSubscription(ctx, sub.Owner)
	}
	if err != nil {
		return wrap("creating a subscription", err)
	}
	sub.Version = created.Version
	return nil
}

// UpdateSubscription replaces the row whose version is sub.Version and bumps the
// versions; CodePreconditionFailed, also where one is global and the other is not.
func (s *Store) UpdateSubscription(ctx context.Context, sub *hermod.Subscription) error {
	standing, err := s.get(ctx, s.tables.Config, subKey(sub.Ref()))
	if err != nil {
		return wrap("reading a subscription", err)
	}
	if standing == nil {
		return errSubscriptionChanged()
	}
	was, err := subscriptionOf(standing)
	if err != nil {
		return err
	}
	if was.Version != sub.Version {
		return errSubscriptionChanged()
	}
	updated := *sub
	updated.Version++
	row := subscriptionRow(&updated)
	if updated.Deleted() {
		if err := s.retainTombstone(ctx, row, &updated); err != nil {
			return err
		}
	}
	unchanged := "v = :v AND attribute_not_exists(" + global + ")"
	if sub.Global {
		unchanged = "v = :v AND attribute_exists(" + global + ")"
	}
	err = s.writeSubscription(ctx, &types.Put{
		Item:                row,
		ConditionExpression: aws.String(unchanged),
		ExpressionAttributeValues: item{
			":v": &types.AttributeValueMemberN{Value: strconv.FormatInt(sub.Version, 10)},
		},
	}, &updated, was)
	if failedCondition(err) >= 0 {
		return errSubscriptionChanged()
	}
	if err != nil {
		return wrap("updating a subscription", err)
	}
	sub.Version = updated.Version
	return nil
}

// retainTombstone sets until when the row of a deleted subscription is kept.
func (s *Store) retainTombstone(ctx context.Context, row item, sub *hermod.Subscription) error {
	owner, err := s.get(ctx, s.tables.Config, ownerKey(sub.Owner))
	if err != nil {
		return wrap("reading an owner", err)
	}
	r := reader{item: owner}
	row.retain(sub.RetainUntil(time.Duration(r.int("ret"))))
	return r.err
}

// noSubscription says why the owner's row did not meet its condition for one more.
func (s *Store) noSubscription(ctx context.Context, owner string) error {
	row, err := s.get(ctx, s.tables.Config, ownerKey(owner))
	if err != nil {
		return wrap("reading an owner", err)
	}
	if row == nil {
		return hermod.Errorf(hermod.CodeNotFound, "no such owner")
	}
	return hermod.SubscriptionLimit(s.maxSubscriptions)
}

func errSubscriptionChanged() error {
	return hermod.Errorf(hermod.CodePreconditionFailed, "the subscription has changed meanwhile")
}

// The items of the transaction that writes a subscription.
const (
	ofSubscription = iota
	ofOwner
)

// subCount is the attribute of an owner's first row that counts its subscriptions,
// tombstones apart.
const subCount = "sn"

// countSubscriptions bumps the version of an owner that exists, and keeps count: within
// the limit where there is one more.
func (s *Store) countSubscriptions(owner string, more int64) *types.Update {
	update := s.bump(owner)
	update.ConditionExpression = aws.String("attribute_exists(PK)")
	if more == 0 {
		return update
	}
	update.UpdateExpression = aws.String("ADD v :one, " + subCount + " :more")
	update.ExpressionAttributeValues[":more"] = number(more)
	if more > 0 {
		update.ConditionExpression = aws.String("attribute_exists(PK) AND (attribute_not_exists(" + subCount + ") OR " + subCount + " < :most)")
		update.ExpressionAttributeValues[":most"] = number(int64(s.maxSubscriptions))
	}
	return update
}

// standing is how many subscriptions a row stands for.
func standing(sub *hermod.Subscription) int64 {
	if sub == nil || sub.Deleted() {
		return 0
	}
	return 1
}

// writeSubscription puts a subscription where was stood, nil for nothing, and bumps the
// version of its owner. One that is global is put a second time, where those of all
// owners are read in one query, and bumps the version of these. The copy of a deleted one
// goes.
func (s *Store) writeSubscription(ctx context.Context, put *types.Put, sub, was *hermod.Subscription) error {
	put.TableName = aws.String(s.tables.Config)
	owner := s.countSubscriptions(sub.Owner, standing(sub)-standing(was))
	writes := []types.TransactWriteItem{ofSubscription: {Put: put}, ofOwner: {Update: owner}}
	writes = append(writes, s.bumpCopies(sub.Owner)...)
	if sub.Global {
		writes = append(writes, types.TransactWriteItem{Update: s.bump(hermod.EveryOwner)}, s.writeCopy(sub))
		writes = append(writes, s.bumpCopies(hermod.EveryOwner)...)
	}
	return s.change(ctx, sub.ChangeOf(was), writes...)
}

// global marks the row of a global subscription.
const global = "gl"

// copyKey is where a global subscription stands a second time.
func copyKey(r hermod.Ref) key { return key{hermod.EveryOwner, subPrefix + r.Owner + "#" + r.ID} }

func (s *Store) writeCopy(sub *hermod.Subscription) types.TransactWriteItem {
	key := copyKey(sub.Ref()).item()
	if sub.Deleted() {
		return types.TransactWriteItem{Delete: &types.Delete{TableName: aws.String(s.tables.Config), Key: key}}
	}
	row := subscriptionRow(sub)
	maps.Copy(row, key)
	row.text("owner", sub.Owner)
	row.text("id", sub.ID)
	delete(row, "sealed")
	return types.TransactWriteItem{Put: &types.Put{TableName: aws.String(s.tables.Config), Item: row}}
}

// Subscription reads one row, tombstones included; CodeNotFound.
func (s *Store) Subscription(ctx context.Context, ref hermod.Ref) (*hermod.Subscription, error) {
	row, err := s.get(ctx, s.tables.Config, subKey(ref))
	if err != nil {
		return nil, wrap("reading a subscription", err)
	}
	if row == nil || s.expired(row) {
		return nil, hermod.Errorf(hermod.CodeNotFound, "no such subscription")
	}
	return subscriptionOf(row)
}

// Subscriptions reads all subscriptions of an owner, tombstones included,
// consistently; of hermod.EveryOwner the global ones that are not deleted, without
// their secrets.
func (s *Store) Subscriptions(ctx context.Context, owner string) ([]*hermod.Subscription, error) {
	rows, err := collectConfig(ctx, s, owner, subPrefix, func(row item) (item, error) { return row, nil })
	if err != nil {
		return nil, wrap("reading subscriptions", err)
	}
	subs := make([]*hermod.Subscription, 0, len(rows))
	for _, row := range rows {
		if s.expired(row) {
			continue
		}
		sub, err := subscriptionOf(row)
		if err != nil {
			return nil, err
		}
		subs = append(subs, sub)
	}
	return subs, nil
}

// SubscriptionsByRef reads subscriptions with their health consistently, tombstones
// included.
func (s *Store) SubscriptionsByRef(ctx context.Context, refs []hermod.Ref) (map[hermod.Ref]*hermod.Subscription, error) {
	keys := make([]key, 0, 2*len(refs))
	for _, ref := range refs {
		keys = append(keys, subKey(ref), healthKey(ref))
	}
	rows, err := s.getAll(ctx, s.tables.Config, keys)
	if err != nil {
		return nil, wrap("reading subscriptions", err)
	}
	subs, unwell := make(map[hermod.Ref]*hermod.Subscription, len(rows)), []*hermod.Health(nil)
	for _, row := range rows {
		if isHealth(row) {
			h, err := healthOf(row)
			if err != nil {
				return nil, err
			}
			unwell = append(unwell, h)
			continue
		}
		if s.expired(row) {
			continue
		}
		sub, err := subscriptionOf(row)
		if err != nil {
			return nil, err
		}
		subs[sub.Ref()] = sub
	}
	for _, h := range unwell {
		if sub := subs[h.Ref()]; sub != nil {
			sub.Health = h
		}
	}
	return subs, nil
}

// subscriptionRow leaves out the secrets, which are in the row sealed.
func subscriptionRow(sub *hermod.Subscription) item {
	row := subKey(sub.Ref()).item()
	row.number("v", sub.Version)
	row.text("dialect", string(sub.Dialect))
	row.text("name", sub.Name)
	row.flag("active", sub.Active)
	row.text("disabled", sub.DisabledReason)
	row.list("filters", len(sub.Filters), func(i int) string { return string(sub.Filters[i]) })
	row.list("tags", len(sub.Tags), func(i int) string { return sub.Tags[i] })
	row.text("type", sub.Type)
	row.text("signing", string(sub.Signing))
	row.text("format", string(sub.Format))
	if sub.Schedule != nil { // an empty one is not the same as none: it retries never
		row["schedule"] = &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
		row.list("schedule", len(sub.Schedule), func(i int) string { return sub.Schedule[i].String() })
	}
	row.time("expires", sub.ExpiresAt)
	row.time("created", sub.CreatedAt)
	row.time("updated", sub.UpdatedAt)
	row.time("deleted", sub.DeletedAt)
	row.flag("internal", sub.IncludeInternal)
	row.text("tenant", sub.Tenant)
	row.text("description", sub.Description)
	row.text("backoff", sub.Backoff)
	row.flag("translate", sub.Translate)
	row.flag(global, sub.Global)
	row.number("rate", int64(sub.RateLimit))
	row.binary("sealed", sub.Sealed)
	return row
}

func subscriptionOf(row item) (*hermod.Subscription, error) {
	r := reader{item: row}
	sub := &hermod.Subscription{
		ID:             cmp.Or(r.str("id"), r.str("SK")[len(subPrefix):]),
		Owner:          cmp.Or(r.str("owner"), r.str("PK")),
		Dialect:        hermod.Dialect(r.str("dialect")),
		Name:           r.str("name"),
		Active:         r.isSet("active"),
		DisabledReason: r.str("disabled"),
		Filters:        strList[hermod.Pattern](row, "filters"),
		Tags:           r.strs("tags"),
		Type:           r.str("type"),
		Signing:        hermod.SigningType(r.str("signing")),
		Format:         hermod.OutputFormat(r.str("format")),
		ExpiresAt:      r.at("expires"),
		CreatedAt:      r.at("created"),
		UpdatedAt:      r.at("updated"),
		DeletedAt:      r.at("deleted"),
		Version:        r.int("v"),
		Sealed:         r.bytes("sealed"),

		IncludeInternal: r.isSet("internal"),
		Global:          r.isSet(global),
		Tenant:          r.str("tenant"),
		Description:     r.str("description"),
		Backoff:         r.str("backoff"),
		Translate:       r.isSet("translate"),
		RateLimit:       int(r.int("rate")),
	}
	if _, ok := row["schedule"]; ok {
		sub.Schedule = hermod.Schedule{}
		for _, wait := range r.strs("schedule") {
			d, err := time.ParseDuration(wait)
			r.fail("schedule", err)
			sub.Schedule = append(sub.Schedule, d)
		}
	}
	return sub, r.err
}
