package dynamo

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	c, err := s.credential(ctx, id)
	if err != nil {
		return nil, err
	}
	if c == nil || c.Forgotten(s.now()) {
		return nil, errNoCredential()
	}
	return c, nil
}

func errNoCredential() error { return hermod.Errorf(hermod.CodeNotFound, "no such credential") }

// credential reads the row of a credential, nil for none.
func (s *Store) credential(ctx context.Context, id string) (*hermod.Credential, error) {
	row, err := s.get(ctx, s.tables.Config, credentialKey(id))
	if err != nil || row == nil {
		return nil, wrap("reading a credential", err)
	}
	return credentialOf(row)
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

// credentialTries is how often a change is tried again that another one of the same
// credential came before.
const credentialTries = 5

// PutCredential writes or replaces a credential, with the pointer of its account.
func (s *Store) PutCredential(ctx context.Context, c *hermod.Credential) error {
	for range credentialTries {
		was, err := s.credential(ctx, c.ID)
		if err != nil {
			return err
		}
		err = s.change(ctx, c.ChangeOf(was), s.credentialWrites(c, was)...)
		if failedCondition(err) < 0 {
			return wrap("putting a credential", err)
		}
	}
	return hermod.Errorf(hermod.CodeUnavailable, "the credential is being changed by others; try again")
}

// credentialWrites put c where was stood, nil for nothing: on the condition that what the
// audit log will say of it is so.
func (s *Store) credentialWrites(c, was *hermod.Credential) []types.TransactWriteItem {
	row := credentialKey(c.ID).item()
	row.text("n", c.Name)
	row.text("t", c.Tenant)
	row.binary("h", c.SecretHash)
	row.text("a", c.Account)
	row.text("org", c.Organization)
	row.list("sc", len(c.Scopes), func(i int) string { return c.Scopes[i] })
	row.time("at", c.CreatedAt)
	row.time("rv", c.RevokedAt)
	row.retain(c.RetainUntil())
	put := &types.Put{TableName: aws.String(s.tables.Config), Item: row, ConditionExpression: aws.String(credentialStands(was))}
	writes := []types.TransactWriteItem{{Put: put}}
	if c.Account != "" {
		pointer := credentialPointerKey(c.Account, c.ID).item()
		pointer.retain(c.RetainUntil())
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{TableName: aws.String(s.tables.Config), Item: pointer}})
	}
	return writes
}

// credentialStands is the condition that the credential is there or not, and revoked or
// not, as it was read.
func credentialStands(was *hermod.Credential) string {
	switch {
	case was == nil:
		return "attribute_not_exists(PK)"
	case was.RevokedAt.IsZero():
		return "attribute_exists(PK) AND attribute_not_exists(rv)"
	default:
		return "attribute_exists(rv)"
	}
}

// RenameCredential changes the name of a credential that is not revoked, and nothing
// else of it; CodeNotFound. The name must not be empty.
func (s *Store) RenameCredential(ctx context.Context, id, name string) error {
	c, err := s.credential(ctx, id)
	if err != nil {
		return err
	}
	if c == nil || !c.RevokedAt.IsZero() {
		return errNoCredential()
	}
	err = s.change(ctx, c.RenameChange(), types.TransactWriteItem{Update: &types.Update{
		TableName:                 aws.String(s.tables.Config),
		Key:                       credentialKey(id).item(),
		UpdateExpression:          aws.String("SET n = :n"),
		ConditionExpression:       aws.String(credentialStands(c)),
		ExpressionAttributeValues: item{":n": &types.AttributeValueMemberS{Value: name}},
	}})
	if failedCondition(err) >= 0 {
		return errNoCredential()
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
	change := hermod.Change{Owner: hermod.EveryOwner, Action: hermod.SigningKeyCreated, Target: k.ID}
	err := s.change(ctx, change, s.putAbsent(row))
	if failedCondition(err) >= 0 {
		return hermod.Errorf(hermod.CodeConflict, "the signing key exists already")
	}
	return wrap("putting a signing key", err)
}

// DeleteSigningKey deletes a key. One that is not there is no error.
func (s *Store) DeleteSigningKey(ctx context.Context, id string) error {
	change := hermod.Change{Owner: hermod.EveryOwner, Action: hermod.SigningKeyDeleted, Target: id}
	err := s.change(ctx, change, types.TransactWriteItem{Delete: &types.Delete{
		TableName: aws.String(s.tables.Config), Key: signingKeyKey(id).item(), ConditionExpression: aws.String("attribute_exists(PK)"),
	}})
	if failedCondition(err) >= 0 {
		return nil
	}
	return wrap("deleting a signing key", err)
}
