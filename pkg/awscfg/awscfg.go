// Package awscfg makes the configuration of the AWS clients by hand. The SDK's
// own loader knows profiles, roles and instance metadata, none of which a Lambda
// function needs, and adds 1.9 MB to every function.
package awscfg

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// A Service is an AWS service as the names of environment variables spell it.
type Service string

// The services Hermod calls.
const (
	DynamoDB Service = "DYNAMODB"
	SQS      Service = "SQS"
	KMS      Service = "KMS"
	S3       Service = "S3"
	STS      Service = "STS"
)

// What bounds a request. One attempt takes RequestTimeout at most, and a call
// MaxAttempts attempts with at most MaxBackoff between two of them; the context of
// the call bounds it further.
const (
	DialTimeout    = 2 * time.Second
	RequestTimeout = 5 * time.Second
	MaxAttempts    = 4
	MaxBackoff     = time.Second
)

// connections is how many idle connections a client keeps: a batch of 100 events
// is put by that many requests at a time, and a new connection costs a handshake.
const connections = 64

// Load makes the configuration of one service's client from the environment:
// AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, which
// Lambda sets. AWS_ENDPOINT_URL_<SERVICE>, or else AWS_ENDPOINT_URL, points the
// client at an emulator.
//
// The credentials are read once. Lambda gives a sandbox its credentials when it
// starts it and retires the sandbox before they expire, so there is nothing to
// refresh.
func Load(getenv func(string) string, service Service) (aws.Config, error) {
	credentials := aws.Credentials{
		AccessKeyID:     getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	cfg := aws.Config{
		Region: getenv("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil
		}),
		HTTPClient: HTTPClient(RequestTimeout),
		Retryer:    func() aws.Retryer { return NewRetryer() },
	}
	switch {
	case cfg.Region == "":
		return aws.Config{}, errors.New("AWS_REGION is not set")
	case !credentials.HasKeys():
		return aws.Config{}, errors.New("AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set")
	}
	endpoint := getenv("AWS_ENDPOINT_URL_" + string(service))
	if endpoint == "" {
		endpoint = getenv("AWS_ENDPOINT_URL")
	}
	if endpoint != "" {
		cfg.BaseEndpoint = aws.String(endpoint)
	}
	return cfg, nil
}

// NewRetryer makes the SDK's standard retryer with the bounds above, changed by
// the options.
func NewRetryer(options ...func(*retry.StandardOptions)) aws.Retryer {
	bounded := func(o *retry.StandardOptions) {
		o.MaxAttempts = MaxAttempts
		o.MaxBackoff = MaxBackoff
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(unreadable))
	}
	return retry.NewStandard(append([]func(*retry.StandardOptions){bounded}, options...)...)
}

// HTTPClient makes the client of a configuration, with another bound on one attempt:
// an emulator on a busy machine is slower than AWS.
func HTTPClient(requestTimeout time.Duration) aws.HTTPClient {
	return wholeBodies{awshttp.NewBuildableClient().
		WithTimeout(requestTimeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = DialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = DialTimeout
			t.MaxIdleConnsPerHost = connections
		})}
}
