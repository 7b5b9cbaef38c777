//go:build cloud

package aws_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// A fault is what can go wrong at a step.
type fault struct {
	name string
	// lasting faults meet every later request of the operation too, until the
	// invocation ends: the SDK's retries are of no use.
	lasting bool
	// done says that the request is carried out all the same.
	done   bool
	strike func(w *wire, body []byte, act action) (*http.Response, error)
}

// An action is the request itself, or the push.
type action func() (*http.Response, error)

type object = map[string]any

// What can befall a step of any kind, and what befalls requests alone.
var (
	crashBefore = &fault{name: "crash before", strike: func(w *wire, _ []byte, _ action) (*http.Response, error) {
		w.die()
		return nil, errDead
	}}
	crashAfter = &fault{name: "crash after", strike: func(w *wire, _ []byte, act action) (*http.Response, error) {
		drop(act())
		w.die()
		return nil, errDead
	}}
	lost = &fault{name: "answer lost", done: true, strike: func(_ *wire, _ []byte, act action) (*http.Response, error) {
		drop(act())
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}}
	late = &fault{name: "answer too late", done: true, strike: func(_ *wire, _ []byte, act action) (*http.Response, error) {
		drop(act())
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}}
)

// outOfService is what everything meets in an outage: a refusal that the SDK does not try
// to heal, for the sake of the test's time.
var outOfService = refused("a service that is down", http.StatusBadRequest, object{"__type": "com.amazonaws.sqs#OverLimit"})

func drop(response *http.Response, err error) {
	if err == nil && response != nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}

// refused answers with an error of the service. The request has no effect.
func refused(name string, status int, body object) *fault {
	return &fault{name: "refused by " + name, strike: func(*wire, []byte, action) (*http.Response, error) {
		return answer(status, body), nil
	}}
}

// down is a refusal that lasts.
func down(f *fault) *fault {
	return &fault{name: strings.Replace(f.name, "refused", "kept off", 1), lasting: true, strike: f.strike}
}

func answer(status int, body object) *http.Response {
	h := http.Header{}
	var text []byte
	if body != nil {
		h.Set("Content-Type", "application/x-amz-json-1.0")
		text, _ = json.Marshal(body) // no member can fail
		kind, _ := body["__type"].(string)
		if service, code, ok := strings.Cut(kind, "#"); ok && strings.HasSuffix(service, ".sqs") {
			h.Set("X-Amzn-Query-Error", code+";Sender")
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	return &http.Response{
		StatusCode: status, Header: h, ContentLength: int64(len(text)), Body: io.NopCloser(bytes.NewReader(text)),
		Request: &http.Request{},
	}
}

func dynamoDB(kind string, more object) *fault {
	body := object{"__type": "com.amazonaws.dynamodb.v20120810#" + kind, "message": "a fault of the test"}
	for name, value := range more {
		body[name] = value
	}
	name := kind
	if reasons, ok := more["CancellationReasons"].([]object); ok {
		name += " of " + reasons[0]["Code"].(string) //nolint:forcetypeassert // just below
	}
	status := http.StatusBadRequest
	if kind == "InternalServerError" {
		status = http.StatusInternalServerError
	}
	return refused(name, status, body)
}

func cancelled(reason string) *fault {
	return dynamoDB("TransactionCanceledException", object{"CancellationReasons": []object{{"Code": reason}, {"Code": "None"}}})
}

func queue(kind string) *fault {
	return refused(kind, http.StatusBadRequest, object{"__type": "com.amazonaws.sqs#" + kind, "message": "a fault of the test"})
}

// refusals are the errors with which an operation may be answered, as AWS documents them.
func refusals(operation string) []*fault {
	all := []*fault{
		refused("500 without a body", http.StatusInternalServerError, nil), refused("503 without a body", http.StatusServiceUnavailable, nil),
	}
	service, call, _ := strings.Cut(operation, ".")
	call, _, _ = strings.Cut(call, "(")
	switch {
	case service == "SQS":
		return append(all, queue("RequestThrottled"), queue("OverLimit"), queue("ThrottlingException"))
	case call == "TransactWriteItems":
		return append(all, cancelled("ThrottlingError"), cancelled("TransactionConflict"), dynamoDB("TransactionInProgressException", nil))
	}
	all = append(all, dynamoDB("ProvisionedThroughputExceededException", nil), dynamoDB("ThrottlingException", nil),
		dynamoDB("RequestLimitExceeded", nil), dynamoDB("InternalServerError", nil))
	if call == "PutItem" || call == "UpdateItem" || call == "DeleteItem" {
		all = append(all, dynamoDB("TransactionConflictException", nil))
	}
	return all
}

// partial are the answers that say that a part was not done.
func partial(operation string) []*fault {
	switch call, _, _ := strings.Cut(operation, "("); call {
	case "SQS.SendMessageBatch":
		return []*fault{
			failedEntries("SendMessageBatch takes all and says no", true, false),
			failedEntries("SendMessageBatch takes none", false, false),
			failedEntries("SendMessageBatch refuses for good", false, true),
		}
	case "SQS.ChangeMessageVisibilityBatch", "SQS.DeleteMessageBatch":
		return []*fault{failedEntries("fails for each entry", false, false)}
	case "DynamoDB.BatchGetItem":
		return []*fault{{name: "a key unprocessed", strike: unprocessedKey}}
	case "DynamoDB.BatchWriteItem":
		return []*fault{{name: "an item unprocessed", strike: unprocessedItem}}
	}
	return nil
}

// faultsAt are those that befall a step: what is different at every step befalls all of
// them, and what a retry of the SDK heals befalls them in turn (package dynamo's own tests
// try each refusal on each operation). A crash after what only reads is one before the
// next step.
func faultsAt(role, operation string, turn int) []*fault {
	switch operation {
	case "Lambda.Return":
		return []*fault{crashBefore}
	case "Destination.Push":
		return []*fault{crashBefore, crashAfter, lost}
	}
	some := pick(turn, refusals(operation)...)
	faults := partial(operation)
	switch {
	case role == rolePoller: // it is Lambda's own
		return append(faults, lost, down(some))
	case reads(operation):
		return append(faults, pick(turn, crashBefore, some, down(some)))
	}
	return append(faults, crashBefore, crashAfter, pick(turn, lost, late, some), down(some))
}

func pick(turn int, of ...*fault) *fault { return of[turn%len(of)] }

func reads(operation string) bool {
	call, _, _ := strings.Cut(operation, "(")
	switch call {
	case "DynamoDB.Query", "DynamoDB.GetItem", "DynamoDB.BatchGetItem":
		return true
	}
	return false
}
