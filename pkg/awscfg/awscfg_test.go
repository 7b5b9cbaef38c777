package awscfg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
)

func environment(more map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := more[name]; ok {
			return value
		}
		return map[string]string{
			"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token",
		}[name]
	}
}

func TestEnvironmentOfLambdaIsRead(t *testing.T) {
	t.Parallel()
	cfg, err := awscfg.Load(environment(nil), awscfg.SQS)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessKeyID != "id" || got.SecretAccessKey != "secret" || got.SessionToken != "token" || cfg.Region != "eu-north-1" {
		t.Errorf("got region %q and key %q", cfg.Region, got.AccessKeyID)
	}
	if cfg.BaseEndpoint != nil {
		t.Errorf("got endpoint %q, want AWS's own", *cfg.BaseEndpoint)
	}
	if got := cfg.Retryer().MaxAttempts(); got != awscfg.MaxAttempts {
		t.Errorf("got %d attempts, want %d", got, awscfg.MaxAttempts)
	}
}

func TestEndpointOfAServiceGoesBeforeTheCommonOne(t *testing.T) {
	t.Parallel()
	env := environment(map[string]string{"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_DYNAMODB": "http://tables"})
	for service, want := range map[awscfg.Service]string{awscfg.DynamoDB: "http://tables", awscfg.SQS: "http://all"} {
		cfg, err := awscfg.Load(env, service)
		if err != nil {
			t.Fatal(err)
		}
		if got := aws.ToString(cfg.BaseEndpoint); got != want {
			t.Errorf("%s: got %q, want %q", service, got, want)
		}
	}
}

func TestMissingSettingIsNamed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if _, err := awscfg.Load(environment(map[string]string{name: ""}), awscfg.KMS); err == nil {
			t.Errorf("without %s there was no error", name)
		}
	}
}

func TestErrorsSayWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	status := func(code int) error {
		return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: errors.New("x"),
		}}
	}
	api := func(code string, fault smithy.ErrorFault) error {
		return &smithy.OperationError{Err: &smithy.GenericAPIError{Code: code, Fault: fault}}
	}
	unanswered := func(cause error) error {
		return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{}}, Err: cause,
		}}
	}
	for name, c := range map[string]struct {
		err  error
		want hermod.Code
	}{
		"status 500":         {status(500), hermod.CodeUnavailable},
		"status 503":         {status(503), hermod.CodeUnavailable},
		"status 429":         {status(429), hermod.CodeUnavailable},
		"status 400":         {status(400), hermod.CodeInternal},
		"throttling":         {api("ThrottlingException", smithy.FaultClient), hermod.CodeUnavailable},
		"throughput":         {api("ProvisionedThroughputExceededException", smithy.FaultClient), hermod.CodeUnavailable},
		"the service's":      {api("InternalServerError", smithy.FaultServer), hermod.CodeUnavailable},
		"a bad request":      {api("ValidationException", smithy.FaultClient), hermod.CodeInternal},
		"access denied":      {api("AccessDeniedException", smithy.FaultClient), hermod.CodeInternal},
		"deadline":           {fmt.Errorf("x: %w", context.DeadlineExceeded), hermod.CodeUnavailable},
		"cancelled":          {context.Canceled, hermod.CodeUnavailable},
		"no connection":      {&smithyhttp.RequestSendError{Err: errors.New("refused")}, hermod.CodeUnavailable},
		"connection lost":    {unanswered(&smithyhttp.RequestSendError{Err: errors.New("reset by peer")}), hermod.CodeUnavailable},
		"answer cut off":     {unanswered(&smithy.DeserializationError{Err: io.ErrUnexpectedEOF}), hermod.CodeUnavailable},
		"request not made":   {unanswered(errors.New("x")), hermod.CodeInternal},
		"network timeout":    {&net.DNSError{IsTimeout: true}, hermod.CodeUnavailable},
		"one with a code":    {hermod.Errorf(hermod.CodeConflict, "x"), hermod.CodeConflict},
		"anything else":      {errors.New("x"), hermod.CodeInternal},
		"nothing at all":     {nil, ""},
		"a code, and a 500":  {&hermod.Error{Code: hermod.CodeInvalid, Err: status(500)}, hermod.CodeInvalid},
		"deep in the chains": {fmt.Errorf("a: %w", fmt.Errorf("b: %w", status(502))), hermod.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := awscfg.Wrap("doing", c.err)
			if got := hermod.CodeOf(err); got != c.want {
				t.Errorf("got %v of code %q, want %q", err, got, c.want)
			}
			if c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("%v lost its cause", err)
			}
		})
	}
}
