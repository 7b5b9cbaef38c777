package s3_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
	"hermod/pkg/s3"
)

var now = time.Date(2026, 4, 14, 7, 4, 37, 0, time.UTC)

// A cloud answers puts by their number, with a status; 0 is a lost connection.
type cloud struct {
	statuses []int
	puts     []*http.Request
	bodies   []string
}

func (c *cloud) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.puts, c.bodies = append(c.puts, r), append(c.bodies, string(body))
	status := c.statuses[len(c.puts)-1]
	if status == 0 {
		return nil, errors.New("connection reset by peer")
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader("<Error/>")), Request: r}, nil
}

func bucket(t *testing.T, endpoint string, statuses ...int) (*s3.Bucket, *cloud) {
	t.Helper()
	cfg, err := awscfg.Load(func(name string) string {
		return map[string]string{
			"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET", "AWS_SESSION_TOKEN": "to/k+en=",
			"AWS_ENDPOINT_URL": endpoint,
		}[name]
	}, awscfg.S3)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{statuses: statuses}
	cfg.HTTPClient = aws.HTTPClient(c)
	return s3.New(cfg, "bucket", func() time.Time { return now }), c
}

const name, content = "a-spge-1/0 ä.csv", "id,type\r\n1,x\r\n"

func TestAFileIsPutAndItsAddressSigned(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]struct{ host, path string }{
		"":                      {"bucket.s3.eu-north-1.amazonaws.com", "/a-spge-1/0%20%C3%A4.csv"},
		"http://127.0.0.1:4566": {"127.0.0.1:4566", "/bucket/a-spge-1/0%20%C3%A4.csv"},
	} {
		b, c := bucket(t, endpoint, http.StatusOK)
		file := bytes.NewReader([]byte(content))
		address, err := b.Put(t.Context(), name, file, int64(len(content)), "events.csv")
		if err != nil {
			t.Fatal(err)
		}
		put := c.puts[0]
		if put.Method != http.MethodPut || put.URL.Host != want.host || c.bodies[0] != content || put.ContentLength != int64(len(content)) {
			t.Errorf("%s %s %q of %d bytes", put.Method, put.URL, c.bodies[0], put.ContentLength)
		}
		sum := sha256.Sum256([]byte(content))
		if got := put.Header.Get("X-Amz-Content-Sha256"); got != hex.EncodeToString(sum[:]) {
			t.Errorf("the hash of the body is %s", got)
		}
		got, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		query := got.Query()
		signature := query.Get("X-Amz-Signature")
		if got.Host != want.host || got.EscapedPath() != want.path ||
			query.Get("X-Amz-Expires") != "300" || query.Get("X-Amz-Security-Token") != "to/k+en=" ||
			query.Get("response-content-disposition") != `attachment; filename="events.csv"` {
			t.Errorf("address %s", address)
		}
		if want := presigned(want.host, want.path, query); signature != want {
			t.Errorf("the address has the signature %s, want %s", signature, want)
		}
	}
}

// presigned is the signature of a GET by its query, as AWS documents it (Signature
// Version 4, "Authenticating Requests: Using Query Parameters"), written again here.
func presigned(host, path string, query url.Values) string {
	var params []string
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	for _, key := range slices.Sorted(maps.Keys(query)) {
		if key != "X-Amz-Signature" {
			params = append(params, escape(key)+"="+escape(query.Get(key)))
		}
	}
	canonical := strings.Join([]string{"GET", path, strings.Join(params, "&"), "host:" + host, "", "host", "UNSIGNED-PAYLOAD"}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	scope := "20260414/eu-north-1/s3/aws4_request"
	text := strings.Join([]string{"AWS4-HMAC-SHA256", "20260414T070437Z", scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4SECRET")
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func TestAPutIsTriedAgainWhereThatMayHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		statuses []int
		want     hermod.Code
		puts     int
	}{
		{[]int{http.StatusOK}, "", 1},
		{[]int{http.StatusServiceUnavailable, http.StatusOK}, "", 2},
		{[]int{0, http.StatusTooManyRequests, http.StatusOK}, "", 3},
		{[]int{500, 500, 500, 200}, hermod.CodeUnavailable, 3},
		{[]int{http.StatusForbidden, http.StatusOK}, hermod.CodeInternal, 1},
		{[]int{http.StatusMovedPermanently, http.StatusOK}, hermod.CodeInternal, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, s := bucket(t, "", c.statuses...)
			address, err := b.Put(t.Context(), name, strings.NewReader(content), int64(len(content)), "events.csv")
			if hermod.CodeOf(err) != c.want || len(s.puts) != c.puts || (address != "") != (err == nil) {
				t.Errorf("%v: %d puts, %q, %v", c.statuses, len(s.puts), address, err)
			}
			for _, body := range s.bodies {
				if body != content {
					t.Errorf("%v: a try sent %q", c.statuses, body)
				}
			}
		})
	}
}
