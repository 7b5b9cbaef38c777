// Package s3 keeps files in a bucket of S3 for a short while. It needs one request
// and one kind of address, which do not take the SDK's client: that would add a third
// to a function that has the client of DynamoDB already, whose signer this uses.
package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
)

const (
	// service is the name that signatures are made for.
	service = "s3"
	// addressLife is how long an address can be used.
	addressLife = 5 * time.Minute
	// unsigned stands for the hash of a body that an address does not know (Signature
	// Version 4, "Authenticating Requests: Using Query Parameters").
	unsigned = "UNSIGNED-PAYLOAD"
	// tries is how often a file is sent while S3 does not take it.
	tries = 3
)

// A Bucket is one bucket of S3.
type Bucket struct {
	cfg    aws.Config
	name   string
	now    func() time.Time
	signer *v4.Signer
}

// New makes the Bucket of a name. The configuration says where: its BaseEndpoint, or
// AWS in its region.
func New(cfg aws.Config, name string, now func() time.Time) *Bucket {
	// Paths of S3 are escaped once, those of other services twice.
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return &Bucket{cfg: cfg, name: name, now: now, signer: signer}
}

// Put keeps a file of so many bytes under a name, and answers an address at which
// whoever has it can fetch the file during the next five minutes, as an attachment
// with the file name. It fails with CodeUnavailable where another try may help.
func (b *Bucket) Put(ctx context.Context, name string, file io.ReadSeeker, size int64, attachment string) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("reading the file: %w", err)
	}
	digest := hex.EncodeToString(hash.Sum(nil))
	for try := 1; ; try++ {
		again, err := b.put(ctx, name, file, size, digest)
		switch {
		case err == nil:
			return b.address(ctx, name, attachment)
		case !again:
			return "", fmt.Errorf("putting a file into the bucket: %w", err)
		case try == tries:
			return "", &hermod.Error{Code: hermod.CodeUnavailable, Message: "the export cannot be kept at the moment; try again", Err: err}
		}
		if err := b.pause(ctx, try, err); err != nil {
			return "", err
		}
	}
}

// put sends the file once, and reports whether another try may help.
func (b *Bucket) put(ctx context.Context, name string, file io.ReadSeeker, size int64, digest string) (again bool, err error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return false, fmt.Errorf("reading the file again: %w", err)
	}
	target, err := b.url(name)
	if err != nil {
		return false, err
	}
	// The client closes a body that can be closed, and the file is needed again.
	q, err := http.NewRequestWithContext(ctx, http.MethodPut, target.String(), io.NopCloser(file))
	if err != nil {
		return false, fmt.Errorf("making the request: %w", err)
	}
	q.ContentLength = size
	q.Header.Set("Content-Type", "text/csv; charset=utf-8")
	q.Header.Set("X-Amz-Content-Sha256", digest)
	credentials, err := b.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the credentials: %w", err)
	}
	if err := b.signer.SignHTTP(ctx, credentials, q, digest, service, b.cfg.Region, b.now()); err != nil {
		return false, fmt.Errorf("signing the request: %w", err)
	}
	answer, err := b.cfg.HTTPClient.Do(q)
	if err != nil {
		return true, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxErrorText))
	if answer.StatusCode != http.StatusOK {
		again = answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests
		return again, fmt.Errorf("S3 answered %s: %.*s", answer.Status, maxErrorText, text)
	}
	return true, err
}

// maxErrorText bounds what is read of an answer, which has no body where all went well.
const maxErrorText = 512

// pause waits before another try, as the SDK would.
func (b *Bucket) pause(ctx context.Context, try int, cause error) error {
	delay, err := awscfg.NewRetryer().RetryDelay(try, cause)
	if err != nil {
		return fmt.Errorf("finding the pause before another try: %w", err)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return awscfg.Wrap("putting a file into the bucket", ctx.Err())
	case <-timer.C:
		return nil
	}
}

// address is that of a file, signed by its query.
func (b *Bucket) address(ctx context.Context, name, attachment string) (string, error) {
	target, err := b.url(name)
	if err != nil {
		return "", err
	}
	query := url.Values{}
	query.Set("X-Amz-Expires", strconv.Itoa(int(addressLife.Seconds())))
	query.Set("response-content-disposition", `attachment; filename="`+attachment+`"`)
	target.RawQuery = query.Encode()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return "", fmt.Errorf("making the address: %w", err)
	}
	credentials, err := b.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the credentials: %w", err)
	}
	signed, _, err := b.signer.PresignHTTP(ctx, credentials, q, unsigned, service, b.cfg.Region, b.now())
	if err != nil {
		return "", fmt.Errorf("signing the address: %w", err)
	}
	return signed, nil
}

// url is where a file is: under the bucket's own host name on AWS, and under its path
// at another endpoint.
func (b *Bucket) url(name string) (*url.URL, error) {
	if b.cfg.BaseEndpoint == nil {
		host := fmt.Sprintf("%s.s3.%s.amazonaws.com", b.name, b.cfg.Region)
		return &url.URL{Scheme: "https", Host: host, Path: "/" + name}, nil
	}
	base, err := url.Parse(*b.cfg.BaseEndpoint)
	if err != nil {
		return nil, fmt.Errorf("reading the endpoint of S3: %w", err)
	}
	return base.JoinPath(b.name, name), nil
}
