package awscfg

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A wholeBodies client sends the body of a request from memory.
//
// The SDK hides its bodies in a type of its own and closes it as soon as the
// answer's header is there. net/http may then still be at the end of that body; it
// takes the close for a failed write and drops the connection, with the answer's
// body on it. The SDK tries again, and SQS has a message twice. It happens where
// the answer is very quick or the CPU very busy. A body net/http knows to be in
// memory is not read after it was sent, and leaves in one packet with its header.
type wholeBodies struct{ client aws.HTTPClient }

func (w wholeBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return w.client.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the body of a request: %w", err)
	}
	whole := r.WithContext(r.Context()) // a shallow copy: the SDK keeps its own body
	whole.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	whole.Body, _ = whole.GetBody()
	return w.client.Do(whole)
}
