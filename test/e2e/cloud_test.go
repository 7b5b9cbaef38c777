//go:build cloud

package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	bridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hermod/pkg/awscfg"
	"hermod/pkg/dynamo"
	"hermod/pkg/provision"
	"hermod/test/e2e"
	"hermod/test/vault"
)

// outputs are those of the deployed stack.
type outputs struct {
	ConfigTable, EventsTable, DeliveriesTable string
	IngestQueueURL                            string `json:"IngestQueueUrl"`
	IngestDeadLetterQueueURL                  string `json:"IngestDeadLetterQueueUrl"`
	DeadLetterQueueURL                        string `json:"DeadLetterQueueUrl"`
	DeliveryQueueURL                          string `json:"DeliveryQueueUrl"`
	EventBusName                              string
	SignlyURL                                 string `json:"SignlyUrl"`
	TeliaURL                                  string `json:"TeliaUrl"`
	UniversignURL                             string `json:"UniversignUrl"`
}

func TestDeployedTemplate(t *testing.T) {
	t.Parallel()
	secrets := &vault.Vault{}
	t.Cleanup(func() { wantNoLeaks(t, secrets, functionLogs(t)) }) // runs last
	target := deployed(t)
	target.Vault = secrets
	t.Run("redrives", func(t *testing.T) {
		t.Parallel()
		e2e.RunRedrive(t, target)
	})
	e2e.Run(t, target)
}

// functionLogs are what all functions have logged so far.
func functionLogs(t *testing.T) []byte {
	t.Helper()
	logs, err := exec.CommandContext(context.WithoutCancel(t.Context()), "python", "../cloud/logs.py").Output()
	if err != nil {
		t.Errorf("reading the functions' logs: %v", err)
	}
	return logs
}

// deployed is the stack that test/cloud/run.sh deployed.
func deployed(t *testing.T) e2e.Target {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("HERMOD_STACK_OUTPUTS"))
	if err != nil {
		t.Fatalf("HERMOD_STACK_OUTPUTS names no file; run test/cloud/run.sh: %v", err)
	}
	var out outputs
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	cfg, err := awscfg.Load(os.Getenv, awscfg.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}
	store := dynamo.New(cfg, dynamo.Tables{Config: out.ConfigTable, Events: out.EventsTable, Deliveries: out.DeliveriesTable},
		time.Now, func(p []byte) { _, _ = rand.Read(p) })
	if err := provision.ApplyLocal(t.Context(), store, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, s := range e2e.Siblings() {
		if err := provision.ApplySecret(t.Context(), store, s, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	queues, bus := sqs.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg)
	hosts := map[string]string{"signly": out.SignlyURL, "telia": out.TeliaURL, "universign": out.UniversignURL}
	return e2e.Target{
		BaseURL: front(t, os.Getenv("HERMOD_CLOUD_FRONT"), os.Getenv("HERMOD_CLOUD_API")),
		OwnHost: func(t *testing.T, dialect string) (string, string) {
			return front(t, "127.0.0.1:0", hosts[dialect]), ""
		},
		Clouds:   e2e.NewClouds(t, os.Getenv("HERMOD_CLOUD_CLOUDS")),
		Patience: 3 * time.Minute,
		SendIngest: func(ctx context.Context, body []byte) error {
			_, err := queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &out.IngestQueueURL, MessageBody: aws.String(string(body))})
			return err
		},
		PutBusEvent: func(ctx context.Context, source, detailType string, detail []byte) error {
			_, err := bus.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []bridgetypes.PutEventsRequestEntry{{
				EventBusName: &out.EventBusName, Source: &source, DetailType: &detailType, Detail: aws.String(string(detail)),
			}}})
			return err
		},
		IngestDeadLetters: deadLetters(queues, out.IngestDeadLetterQueueURL),
		DeadLetters:       deadLetters(queues, out.DeadLetterQueueURL),
		Redrive:           redrive(queues, out.DeadLetterQueueURL, out.DeliveryQueueURL),
	}
}

// deadLetters looks through a queue without keeping what it finds: a message is
// visible again at once.
func deadLetters(client *sqs.Client, url string) func(context.Context) ([][]byte, error) {
	return func(ctx context.Context) ([][]byte, error) {
		var bodies [][]byte
		for range 10 {
			got, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
				QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 1,
			})
			if err != nil {
				return nil, err
			}
			for _, m := range got.Messages {
				bodies = append(bodies, []byte(aws.ToString(m.Body)))
			}
		}
		return bodies, nil
	}
}

// redriveAge is how old a message must be to pass for one that was moved back: see
// pkg/sqs.
const redriveAge = 30 * time.Second

// redrive stands in for StartMessageMoveTask, which the emulator lacks. Like it, it
// sends a new message with the body and the attributes of the old one.
func redrive(client *sqs.Client, from, to string) func(context.Context, string) error {
	return func(ctx context.Context, eventID string) error {
		for ctx.Err() == nil {
			got, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
				QueueUrl: &from, MaxNumberOfMessages: 10, VisibilityTimeout: 1, WaitTimeSeconds: 1,
				MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
			})
			if err != nil {
				return err
			}
			for _, m := range got.Messages {
				sent, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
				if err != nil {
					return err
				}
				if !strings.Contains(*m.Body, eventID) || time.Since(time.UnixMilli(sent)) < redriveAge {
					continue
				}
				if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{
					QueueUrl: &to, MessageBody: m.Body, MessageAttributes: m.MessageAttributes,
				}); err != nil {
					return err
				}
				_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &from, ReceiptHandle: m.ReceiptHandle})
				return err
			}
		}
		return ctx.Err()
	}
}

// front stands before the API as its own domain name does on AWS: the emulator
// serves an API under a path, and a link that Hermod makes from the request's host
// would lack it.
func front(t *testing.T, address, api string) string {
	t.Helper()
	behind, err := url.Parse(api)
	if err != nil {
		t.Fatalf("HERMOD_CLOUD_API is no URL; run test/cloud/run.sh: %v", err)
	}
	return e2e.ServeAt(t, address, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		r.Out.Host = r.In.Host
	}}).URL
}
