package awscfg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"hermod/pkg/hermod"
)

// Wrap says what was being done when err happened. What another try may heal
// (throttling, a fault of the service, a timeout, no connection) becomes an Error
// of CodeUnavailable; an Error that has a code already keeps it.
func Wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s: %w", doing, err)
	if _, coded := errors.AsType[*hermod.Error](err); coded || !Temporary(err) {
		return wrapped
	}
	return &hermod.Error{Code: hermod.CodeUnavailable, Message: "a service Hermod needs is not answering; try again", Err: wrapped}
}

// Temporary reports whether err may be gone at another try.
func Temporary(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && (throttled(api.ErrorCode()) || api.ErrorFault() == smithy.FaultServer) {
		return true
	}
	if unreadable(err) == aws.TrueTernary {
		return true
	}
	// The SDK makes an answer of status 0 of a request that was not answered.
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok && answer.HTTPStatusCode() != 0 {
		status := answer.HTTPStatusCode()
		return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return true
	}
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout()
}

// unreadable reports whether the answer broke off, or was none. The SDK takes that for
// final unless it knows the network's error. What was asked for may have been done.
func unreadable(err error) aws.Ternary {
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// throttled holds the codes of the three services' errors that ask the caller to
// slow down. They come with status 400.
func throttled(code string) bool {
	switch code {
	case "ProvisionedThroughputExceededException", "ThrottlingException", "Throttling", "RequestLimitExceeded",
		"RequestThrottled", "LimitExceededException", "TransactionInProgressException", "TransactionConflictException",
		"KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException", "OverLimit":
		return true
	}
	return false
}
