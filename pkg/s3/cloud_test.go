//go:build cloud

package s3_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"hermod/pkg/awscfg"
	"hermod/pkg/s3"
)

func TestAFileIsFetchedByItsAddressAlone(t *testing.T) {
	t.Parallel()
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		t.Fatal("AWS_ENDPOINT_URL is not set: start MiniStack and put its URL there (make test-cloud does)")
	}
	cfg, err := awscfg.Load(func(name string) string {
		return map[string]string{
			"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": endpoint,
		}[name]
	}, awscfg.S3)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const name = "hermod-exports-test"
	create, err := http.NewRequestWithContext(ctx, http.MethodPut, endpoint+"/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	empty := sha256.Sum256(nil)
	hash := hex.EncodeToString(empty[:])
	create.Header.Set("X-Amz-Content-Sha256", hash)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, create, hash, "s3", cfg.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	if status, _ := do(t, create); status != http.StatusOK && status != http.StatusConflict {
		t.Fatalf("creating the bucket: %d", status)
	}

	content := strings.Repeat("id,type\r\n", 100_000)
	address, err := s3.New(cfg, name, time.Now).Put(ctx, "a-spge-1/0a1b.csv", strings.NewReader(content), int64(len(content)), "events.csv")
	if err != nil {
		t.Fatal(err)
	}
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, text := do(t, get); status != http.StatusOK || text != content {
		t.Errorf("%d, %d bytes", status, len(text))
	}
}

func do(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}
