//go:build cloud

package aws_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
)

const (
	// maxReceives is how often a queue hands out a message. It is less than the
	// deployment's 10, for the sake of the emulator's time: with 6, the receives up to
	// the third stay in the queue, and from then on waits go by the due index.
	maxReceives = 6
	// visibility is six times a function's timeout, as in the deployment. Nobody waits
	// for it: see world.pass.
	visibility = 180 * time.Second
	// patience is how long an answer may take of an emulator that shares its machine.
	patience = time.Minute
)

// A lane is what one run after another has for itself: tables on dynoxide with the schema
// of the deployed ones, and queues on MiniStack.
type lane struct {
	dynamoDB, sqs aws.Config
	tables        dynamo.Tables
	// delivery and ingest are the URLs of the queues, and dead those of their dead
	// letters.
	delivery, ingest, deadDeliveries, deadIngest string
	suffix                                       string
	client                                       *sqs.Client
}

type name struct{ full, short string }

// names are those by which requests tell what they are about, the longer ones first.
func (l *lane) names() []name {
	return []name{
		{l.tables.Config, "config"}, {l.tables.Events, "events"}, {l.tables.Deliveries, "deliveries"},
		{"delivery-" + l.suffix, "delivery"}, {"ingest-" + l.suffix, "ingest"},
	}
}

// emulated is the configuration of a client of the emulator whose URL is in the variable.
func emulated(t testing.TB, variable string) aws.Config {
	t.Helper()
	url := os.Getenv(variable)
	if url == "" {
		t.Fatalf("%s is not set: run test/cloud/run.sh", variable)
	}
	environment := map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": url,
	}
	cfg, err := awscfg.Load(func(name string) string { return environment[name] }, awscfg.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	cfg.HTTPClient = awscfg.HTTPClient(patience)
	return cfg
}

// newLane makes a lane, which is gone after the test.
func newLane(t *testing.T, schemas map[string]*types.TableDescription) (*lane, error) {
	t.Helper()
	l := &lane{
		dynamoDB: emulated(t, "HERMOD_DYNOXIDE_URL"), sqs: emulated(t, "AWS_ENDPOINT_URL"), suffix: rand.Text(),
	}
	l.client = sqs.NewFromConfig(l.sqs)
	l.tables = dynamo.Tables{Config: "config-" + l.suffix, Events: "events-" + l.suffix, Deliveries: "deliveries-" + l.suffix}
	db := dynamodb.NewFromConfig(l.dynamoDB)
	for name, schema := range map[string]string{
		l.tables.Config: "ConfigTable", l.tables.Events: "EventsTable", l.tables.Deliveries: "DeliveriesTable",
	} {
		if err := createTable(t, db, name, schemas[schema]); err != nil {
			return nil, fmt.Errorf("creating a table: %w", err)
		}
	}
	var err error
	if l.delivery, l.deadDeliveries, err = l.createQueue(t, "delivery-"+l.suffix); err != nil {
		return nil, fmt.Errorf("creating a queue: %w", err)
	}
	if l.ingest, l.deadIngest, err = l.createQueue(t, "ingest-"+l.suffix); err != nil {
		return nil, fmt.Errorf("creating a queue: %w", err)
	}
	return l, nil
}

// deployed describes the tables of the deployed stack.
func deployed(t *testing.T) map[string]*types.TableDescription {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("HERMOD_STACK_OUTPUTS"))
	if err != nil {
		t.Fatalf("HERMOD_STACK_OUTPUTS names no file; run test/cloud/run.sh: %v", err)
	}
	outputs := map[string]string{}
	if err := json.Unmarshal(text, &outputs); err != nil {
		t.Fatal(err)
	}
	db := dynamodb.NewFromConfig(emulated(t, "AWS_ENDPOINT_URL"))
	schemas := map[string]*types.TableDescription{}
	for _, table := range []string{"ConfigTable", "EventsTable", "DeliveriesTable"} {
		out, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(outputs[table])})
		if err != nil {
			t.Fatal(err)
		}
		schemas[table] = out.Table
	}
	return schemas
}

func createTable(t *testing.T, db *dynamodb.Client, name string, schema *types.TableDescription) error {
	t.Helper()
	in := &dynamodb.CreateTableInput{
		TableName: aws.String(name), BillingMode: types.BillingModePayPerRequest,
		KeySchema: schema.KeySchema, AttributeDefinitions: schema.AttributeDefinitions,
	}
	for _, ix := range schema.GlobalSecondaryIndexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: ix.IndexName, KeySchema: ix.KeySchema, Projection: ix.Projection,
		})
	}
	if _, err := db.CreateTable(t.Context(), in); err != nil {
		return err
	}
	cleanup(t, func(ctx context.Context) error {
		_, err := db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(name)})
		return err
	})
	return dynamodb.NewTableExistsWaiter(db).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(name)}, patience)
}

func cleanup(t *testing.T, end func(ctx context.Context) error) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := end(ctx); err != nil {
			t.Error(err)
		}
	})
}

// createQueue makes a queue with dead letters of its own.
func (l *lane) createQueue(t *testing.T, name string) (url, dead string, err error) {
	t.Helper()
	create := func(name string, attributes map[string]string) (string, error) {
		out, err := l.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: attributes})
		if err != nil {
			return "", err
		}
		cleanup(t, func(ctx context.Context) error {
			_, err := l.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
			return err
		})
		return *out.QueueUrl, nil
	}
	if dead, err = create("dead-"+name, nil); err != nil {
		return "", "", err
	}
	out, err := l.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &dead, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", "", err
	}
	redrive, err := json.Marshal(object{"deadLetterTargetArn": out.Attributes["QueueArn"], "maxReceiveCount": maxReceives})
	if err != nil {
		return "", "", err
	}
	url, err = create(name, map[string]string{
		"VisibilityTimeout": strconv.Itoa(int(visibility / time.Second)), "RedrivePolicy": string(redrive),
	})
	return url, dead, err
}
