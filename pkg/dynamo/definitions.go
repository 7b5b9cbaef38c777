package dynamo

import (
	"cmp"
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// What an account has registered stands among its rows. Its own row counts them
// and their bytes, so that the transaction that puts one can refuse it.
const (
	defPrefix = "def#"
	defCount  = "dn"
	defBytes  = "db"
)

func defKey(account, event string) key { return key{account, defPrefix + event} }

// Definitions reads all that the account has registered, consistently, sorted by
// type.
func (s *Store) Definitions(ctx context.Context, account string) ([]hermod.Definition, error) {
	all, err := collectConfig(ctx, s, account, defPrefix, definitionOf)
	return all, wrap("reading definitions", err)
}

// Definition reads one registration; CodeNotFound.
func (s *Store) Definition(ctx context.Context, account, event string) (*hermod.Definition, error) {
	row, err := s.get(ctx, s.tables.Config, defKey(account, event))
	if err != nil {
		return nil, wrap("reading a definition", err)
	}
	if row == nil {
		return nil, errNoDefinition(event)
	}
	d, err := definitionOf(row)
	return &d, err
}

func errNoDefinition(event string) error {
	return hermod.Errorf(hermod.CodeNotFound, "the account has not registered the type %s", event)
}

// PutDefinition writes or replaces what the account says of a type, and bumps the
// account's version; CodeConflict beyond hermod.MaxDefinitions or
// hermod.MaxDefinitionBytes, CodeNotFound where there is no such account.
func (s *Store) PutDefinition(ctx context.Context, d *hermod.Definition) error {
	return s.changeDefinition(ctx, d.Account, d.Type, d)
}

// DeleteDefinition removes a registration and bumps the account's version;
// CodeNotFound.
func (s *Store) DeleteDefinition(ctx context.Context, account, event string) error {
	return s.changeDefinition(ctx, account, event, nil)
}

// definitionTries is how often a change is tried again that another one of the same
// definition came before.
const definitionTries = 5

// changeDefinition replaces the row of a type by d, nil for none.
func (s *Store) changeDefinition(ctx context.Context, account, event string, d *hermod.Definition) error {
	for range definitionTries {
		standing, err := s.get(ctx, s.tables.Config, defKey(account, event))
		if err != nil {
			return wrap("reading a definition", err)
		}
		if standing == nil && d == nil {
			return errNoDefinition(event)
		}
		change, err := definitionChange(account, event, standing, d)
		if err != nil {
			return err
		}
		err = s.change(ctx, change, s.definitionWrites(account, event, standing, d)...)
		switch failedCondition(err) {
		case ofDefinition:
			continue
		case ofAccount:
			return s.noRoom(ctx, account, standing, d)
		default:
			return wrap("writing a definition", err)
		}
	}
	return hermod.Errorf(hermod.CodeUnavailable, "the definition is being changed by others; try again")
}

// definitionChange says what it is to replace the standing row by d.
func definitionChange(account, event string, standing item, d *hermod.Definition) (hermod.Change, error) {
	switch {
	case d == nil:
		return hermod.Change{Owner: account, Action: hermod.DefinitionDeleted, Target: event}, nil
	case standing == nil:
		return d.ChangeOf(nil), nil
	}
	was, err := definitionOf(standing)
	return d.ChangeOf(&was), err
}

// The items of the transaction that writes a definition.
const (
	ofDefinition = iota
	ofAccount
)

func (s *Store) definitionWrites(account, event string, standing item, d *hermod.Definition) []types.TransactWriteItem {
	condition, values := "attribute_not_exists(PK)", item(nil)
	version := int64(0)
	if standing != nil {
		r := reader{item: standing}
		version = r.int("v")
		condition, values = "v = :v", item{":v": number(version)}
	}
	table := aws.String(s.tables.Config)
	var write types.TransactWriteItem
	if d == nil {
		write.Delete = &types.Delete{
			TableName: table, Key: defKey(account, event).item(),
			ConditionExpression: &condition, ExpressionAttributeValues: values,
		}
	} else {
		row := definitionRow(d)
		row.number("v", version+1)
		write.Put = &types.Put{TableName: table, Item: row, ConditionExpression: &condition, ExpressionAttributeValues: values}
	}
	writes := []types.TransactWriteItem{ofDefinition: write, ofAccount: {Update: s.countDefinition(account, standing, d)}}
	return append(writes, s.bumpCopies(account)...)
}

// growth is by how much the account's definitions and their bytes grow.
func growth(standing item, d *hermod.Definition) (count, size int64) {
	if d != nil {
		count, size = 1, int64(d.Size())
	}
	if standing != nil {
		r := reader{item: standing}
		count, size = count-1, size-r.int("size")
	}
	return count, size
}

// countDefinition bumps the account and keeps count, within the limits where the
// definitions grow.
func (s *Store) countDefinition(account string, standing item, d *hermod.Definition) *types.Update {
	count, size := growth(standing, d)
	update := s.bump(account)
	update.UpdateExpression = aws.String("ADD v :one, " + defCount + " :count, " + defBytes + " :size")
	values := update.ExpressionAttributeValues
	values[":count"], values[":size"] = number(count), number(size)
	condition := "attribute_exists(PK)"
	if count > 0 {
		condition += " AND (attribute_not_exists(" + defCount + ") OR " + defCount + " <= :mostCount)"
		values[":mostCount"] = number(hermod.MaxDefinitions - count)
	}
	if size > 0 {
		condition += " AND (attribute_not_exists(" + defBytes + ") OR " + defBytes + " <= :mostSize)"
		values[":mostSize"] = number(hermod.MaxDefinitionBytes - size)
	}
	update.ConditionExpression = &condition
	return update
}

func number(n int64) *types.AttributeValueMemberN {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// noRoom says why the account's row did not meet its condition.
func (s *Store) noRoom(ctx context.Context, account string, standing item, d *hermod.Definition) error {
	row, err := s.get(ctx, s.tables.Config, ownerKey(account))
	if err != nil {
		return wrap("reading an owner", err)
	}
	if row == nil {
		return hermod.Errorf(hermod.CodeNotFound, "no such owner")
	}
	r := reader{item: row}
	count, size := growth(standing, d)
	err = hermod.CheckDefinitions(int(r.int(defCount)+count), int(r.int(defBytes)+size))
	// Where there is room again by now, the caller may as well be told to try again.
	return cmp.Or(r.err, err, error(hermod.Errorf(hermod.CodeUnavailable, "the account's definitions are being changed; try again")))
}

func definitionRow(d *hermod.Definition) item {
	row := defKey(d.Account, d.Type).item()
	row.text("description", d.Description)
	row.flag("internal", d.Internal)
	row.text("example", string(d.Example))
	row.text("schema", string(d.Schema))
	row.text("validation", string(d.Validation))
	row.time("created", d.CreatedAt)
	row.time("updated", d.UpdatedAt)
	row.number("size", int64(d.Size()))
	return row
}

func definitionOf(row item) (hermod.Definition, error) {
	r := reader{item: row}
	d := hermod.Definition{
		Account:     r.str("PK"),
		Type:        r.str("SK")[len(defPrefix):],
		Description: r.str("description"),
		Internal:    r.isSet("internal"),
		Validation:  hermod.Validation(r.str("validation")),
		CreatedAt:   r.at("created"),
		UpdatedAt:   r.at("updated"),
	}
	if text := r.str("example"); text != "" {
		d.Example = []byte(text)
	}
	if text := r.str("schema"); text != "" {
		d.Schema = []byte(text)
	}
	return d, r.err
}
