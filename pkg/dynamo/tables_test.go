//go:build cloud

package dynamo_test

import (
	"context"
	"crypto/rand"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
)

// An emulator is one of the two DynamoDBs nobody here wrote.
type emulator struct {
	name     string
	variable string // names its URL
}

// What the emulators do differently from AWS, as far as these tests saw it:
//
//   - An index is up to date with the write; on AWS it is a moment later. The suite
//     polls where it reads an index.
//   - Transactions on one row follow each other; on AWS they cancel each other with
//     TransactionConflict. Nothing is throttled, and no batch is left undone.
//     retry_test.go shows these with answers as AWS documents them.
//   - Rows past their time to live stay.
var emulators = []emulator{
	{name: "dynoxide", variable: "HERMOD_DYNOXIDE_URL"},
	{name: "MiniStack", variable: "AWS_ENDPOINT_URL"},
}

// config is the configuration for the emulator.
func (e emulator) config(t *testing.T) aws.Config {
	t.Helper()
	url := os.Getenv(e.variable)
	if url == "" {
		t.Fatalf("%s is not set: start %s and put its URL there (make test-cloud does)", e.variable, e.name)
	}
	cfg, err := awscfg.Load(func(name string) string {
		return map[string]string{
			"AWS_REGION":            "us-east-1",
			"AWS_ACCESS_KEY_ID":     "test",
			"AWS_SECRET_ACCESS_KEY": "test",
			"AWS_ENDPOINT_URL":      url,
		}[name]
	}, awscfg.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	cfg.HTTPClient = awscfg.HTTPClient(patience)
	return cfg
}

// patience is how long an answer may take of an emulator that shares its machine
// with every other test.
const patience = time.Minute

// createTables creates the three tables as template.yaml has them, under names of
// their own, and deletes them after the test.
func createTables(t *testing.T, cfg aws.Config) dynamo.Tables {
	t.Helper()
	suffix := "-" + rand.Text()
	tables := dynamo.Tables{Config: "config" + suffix, Events: "events" + suffix, Deliveries: "deliveries" + suffix}
	db := dynamodb.NewFromConfig(cfg)
	createTable(t, db, tables.Config)
	createTable(t, db, tables.Events,
		index{"by-type", "typePK", "typeSK", types.ProjectionTypeKeysOnly, nil},
		index{"by-organization", "orgPK", "SK", types.ProjectionTypeKeysOnly, nil},
		index{"by-organization-type", "orgTypePK", "typeSK", types.ProjectionTypeKeysOnly, nil},
		index{"by-subject", "subjectPK", "SK", types.ProjectionTypeInclude, []string{"u", "ttl", "tn"}})
	createTable(t, db, tables.Deliveries,
		index{"failures", "failuresPK", "SK", types.ProjectionTypeKeysOnly, nil},
		index{"due", "duePK", "dueSK", types.ProjectionTypeAll, nil},
		index{"dead", "deadPK", "deadSK", types.ProjectionTypeKeysOnly, nil})
	return tables
}

type index struct {
	name, pk, sk string
	projection   types.ProjectionType
	attributes   []string // beside the keys
}

func createTable(t *testing.T, db *dynamodb.Client, name string, indexes ...index) {
	t.Helper()
	in := &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		KeySchema:   schema("PK", "SK"),
	}
	attributes := map[string]bool{"PK": true, "SK": true}
	for _, ix := range indexes {
		attributes[ix.pk], attributes[ix.sk] = true, true
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(ix.name), KeySchema: schema(ix.pk, ix.sk),
			Projection: &types.Projection{ProjectionType: ix.projection, NonKeyAttributes: ix.attributes},
		})
	}
	for a := range attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(a), AttributeType: types.ScalarAttributeTypeS,
		})
	}
	if _, err := db.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(name)}); err != nil {
			t.Error(err)
		}
	})
	described := &dynamodb.DescribeTableInput{TableName: aws.String(name)}
	if err := dynamodb.NewTableExistsWaiter(db).Wait(t.Context(), described, 30*time.Second); err != nil {
		t.Fatal(err)
	}
}

func schema(pk, sk string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String(pk), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(sk), KeyType: types.KeyTypeRange},
	}
}

// open makes a store on fresh tables.
func open(t *testing.T, cfg aws.Config, shards dynamo.Shards) *dynamo.Store {
	t.Helper()
	tables := createTables(t, cfg)
	tables.Shards = shards
	return dynamo.New(cfg, tables, time.Now, fillRandom).WithPutTimeout(patience).WithUsagePage(usagePage)
}

// usagePage makes pages of used units that the suite's logs fill.
const usagePage = 20

func fillRandom(b []byte) { _, _ = rand.Read(b) } // never fails, see crypto/rand
