package dynamo

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// A credential has a partition of its own, since it is found before its account is
// known. A pointer among the rows of the account, without attributes, lists it.
const credentialPrefix = "credential#" //nolint:gosec // it begins keys, and opens nothing

func credentialKey(id string) key                 { return key{credentialPrefix + id, "credential"} }
func credentialPointerKey(account, id string) key { return key{account, credentialPrefix + id} }

// Credential finds a credential by its id; CodeNotFound.
func (s *Store) Credential(ctx context.Context, id string) (*hermod.Credential, error) {
	row, err := s.get(ctx, s.tables.Config, credentialKey(id))
	if err != nil {
		return nil, wrap("reading a credential", err)
	}
	var c *hermod.Credential
	if row != nil {
		if c, err = credentialOf(row); err != nil {
			return nil, err
		}
	}
	if c == nil || c.Forgotten(s.now()) {
		return nil, hermod.Errorf(hermod.CodeNotFound, "no such credential")
	}
	return c, nil
}

// Credentials are the account's, revoked ones included, in the order of their ids.
// One that no PutCredential has written since accounts list theirs is missing.
func (s *Store) Credentials(ctx context.Context, account string) ([]*hermod.Credential, error) {
	keys, err := collectConfig(ctx, s, account, credentialPrefix, func(it item) (key, error) {
		return credentialKey(strings.TrimPrefix(it.str("SK"), credentialPrefix)), nil
	})
	if err != nil {
		return nil, wrap("listing credentials", err)
	}
	rows, err := s.getAll(ctx, s.tables.Config, keys)
	if err != nil {
		return nil, wrap("reading credentials", err)
	}
	var all []*hermod.Credential
	for _, row := range rows {
		c, err := credentialOf(row)
		if err != nil {
			return nil, err
		}
		if c.Account == account && !c.Forgotten(s.now()) { // else it has moved, and its pointer here was left behind
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *hermod.Credential) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// PutCredential writes or replaces a credential, with the pointer of its account.
func (s *Store) PutCredential(ctx context.Context, c *hermod.Credential) error {
	row := credentialKey(c.ID).item()
	row.text("n", c.Name)
	row.text("t", c.Tenant)
	row.binary("h", c.SecretHash)
	row.text("a", c.Account)
	row.text("org", c.Organization)
	row.list("sc", len(c.Scopes), func(i int) string { return c.Scopes[i] })
	row.time("at", c.CreatedAt)
	row.time("rv", c.RevokedAt)
	rows := []item{row}
	if c.Account != "" {
		rows = append(rows, credentialPointerKey(c.Account, c.ID).item())
	}
	puts := make([]types.TransactWriteItem, len(rows))
	for i := range rows {
		rows[i].retain(c.RetainUntil())
		puts[i].Put = &types.Put{TableName: aws.String(s.tables.Config), Item: rows[i]}
	}
	_, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: puts},
		func(o *dynamodb.Options) { o.Retryer = s.patient })
	return wrap("putting a credential", err)
}

// RenameCredential changes the name of a credential that is not revoked, and nothing
// else of it; CodeNotFound. The name must not be empty.
func (s *Store) RenameCredential(ctx context.Context, id, name string) error {
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 aws.String(s.tables.Config),
		Key:                       credentialKey(id).item(),
		UpdateExpression:          aws.String("SET n = :n"),
		ConditionExpression:       aws.String("attribute_exists(PK) AND attribute_not_exists(rv)"),
		ExpressionAttributeValues: item{":n": &types.AttributeValueMemberS{Value: name}},
	})
	if _, gone := errors.AsType[*types.ConditionalCheckFailedException](err); gone {
		return hermod.Errorf(hermod.CodeNotFound, "no such credential")
	}
	return wrap("renaming a credential", err)
}

func credentialOf(row item) (*hermod.Credential, error) {
	r := reader{item: row}
	return &hermod.Credential{
		ID:           strings.TrimPrefix(r.str("PK"), credentialPrefix),
		Name:         r.str("n"),
		Tenant:       r.str("t"),
		SecretHash:   r.bytes("h"),
		Account:      r.str("a"),
		Organization: r.str("org"),
		Scopes:       r.strs("sc"),
		CreatedAt:    r.at("at"),
		RevokedAt:    r.at("rv"),
	}, r.err
}

const signingKeysPK = "signing-keys"

func signingKeyKey(id string) key { return key{signingKeysPK, id} }

// SigningKeys are all keys, the newest first.
func (s *Store) SigningKeys(ctx context.Context) ([]hermod.SigningKey, error) {
	keys, err := collectConfig(ctx, s, signingKeysPK, "", func(it item) (hermod.SigningKey, error) {
		r := reader{item: it}
		return hermod.SigningKey{
			ID: r.str("SK"), Use: r.str("use"), Public: r.bytes("pub"), Sealed: r.bytes("sealed"), CreatedAt: r.at("at"),
		}, r.err
	})
	if err != nil {
		return nil, wrap("reading signing keys", err)
	}
	// An owner of the partition's name, which nothing forbids, would have rows here.
	keys = slices.DeleteFunc(keys, func(k hermod.SigningKey) bool { return len(k.Public) == 0 })
	slices.SortStableFunc(keys, func(a, b hermod.SigningKey) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return keys, nil
}

// PutSigningKey puts a key if absent; CodeConflict.
func (s *Store) PutSigningKey(ctx context.Context, k hermod.SigningKey) error {
	row := signingKeyKey(k.ID).item()
	row.text("use", k.Use)
	row.binary("pub", k.Public)
	row.binary("sealed", k.Sealed)
	row.time("at", k.CreatedAt)
	standing, err := s.putNew(ctx, s.tables.Config, row)
	if err != nil {
		return wrap("putting a signing key", err)
	}
	if standing != nil {
		return hermod.Errorf(hermod.CodeConflict, "the signing key exists already")
	}
	return nil
}

// DeleteSigningKey deletes a key. One that is not there is no error.
func (s *Store) DeleteSigningKey(ctx context.Context, id string) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: aws.String(s.tables.Config), Key: signingKeyKey(id).item(),
	})
	return wrap("deleting a signing key", err)
}
