//go:build cloud

package oracle_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// An awsAccount is an account on the emulator, which enforces IAM: trust policies and
// session policies too.
type awsAccount struct {
	AccessKey, SecretKey            string
	Role, Open, Narrow              string
	Plain, FIFO, Topic, Bus, Stream string
	*program                        `json:"-"`
	pushers                         *push.Pushers
	made                            int // subscriptions
	mu                              sync.Mutex
	secrets                         map[string][2]string // of sessions, by their access key: secret and token
	requests                        []map[string]any
}

// awsOwner is whose subscriptions push there.
const awsOwner = "a-spge-LocalAccount00000001"

func startAccount(t *testing.T) *awsAccount {
	t.Helper()
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		t.Fatal("AWS_ENDPOINT_URL is not set: start MiniStack and put its URL there (make test-cloud does)")
	}
	a := &awsAccount{program: startPython(t, "aws.py", endpoint, awsOwner), secrets: map[string][2]string{}}
	a.read(t, a)
	as, err := push.NewAWS("us-east-1", aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: a.AccessKey, SecretAccessKey: a.SecretKey}, nil
	}), "hermod-")
	if err != nil {
		t.Fatal(err)
	}
	a.secrets[a.AccessKey] = [2]string{a.SecretKey, ""}
	endpoints, err := push.ParseEndpoints("amazonaws.com=" + a.listenBefore(t, endpoint))
	if err != nil {
		t.Fatal(err)
	}
	a.pushers = push.New(push.Options{Policy: push.Local(), Endpoints: endpoints, AWS: as})
	t.Cleanup(a.pushers.CloseIdle)
	return a
}

// startPython runs a script of this directory by the Python that has the SDK.
func startPython(t *testing.T, script string, args ...string) *program {
	t.Helper()
	command := exec.CommandContext(t.Context(), "python3", append([]string{script}, args...)...)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = command.Wait() // the test's context has ended it
	})
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return &program{in: in, out: lines}
}

// listenBefore is a server that hands requests on to the emulator and keeps what the
// judge of signatures needs.
func (a *awsAccount) listenBefore(t *testing.T, endpoint string) string {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}, ModifyResponse: a.keepSession}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.Header.Get("Authorization") != "" {
			headers := map[string]string{"host": r.Host, "content-length": fmt.Sprint(r.ContentLength)}
			for name, values := range r.Header {
				headers[name] = strings.Join(values, ",")
			}
			a.mu.Lock()
			a.requests = append(a.requests, map[string]any{"method": r.Method, "path": r.URL.Path, "headers": headers, "body": body})
			a.mu.Unlock()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

var sessionPattern = regexp.MustCompile(`(?s)<AccessKeyId>(.*?)</AccessKeyId>.*<SecretAccessKey>(.*?)</SecretAccessKey>.*<SessionToken>(.*?)</SessionToken>`)

func (a *awsAccount) keepSession(r *http.Response) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if m := sessionPattern.FindSubmatch(body); m != nil {
		a.mu.Lock()
		a.secrets[string(m[1])] = [2]string{string(m[2]), string(m[3])}
		a.mu.Unlock()
	}
	return nil
}

func (a *awsAccount) ask(t *testing.T, question map[string]any, answer any) {
	t.Helper()
	if err := json.NewEncoder(a.in).Encode(question); err != nil {
		t.Fatal(err)
	}
	a.read(t, answer)
}

// An arrival is a message or a record.
type arrival struct {
	Body, Group, Once string
	Attributes, Types map[string]string
}

// arrived is what has come to one of the destinations since it was last asked.
func (a *awsAccount) arrived(t *testing.T, name string) arrival {
	t.Helper()
	var all []arrival
	if a.ask(t, map[string]any{"read": name}, &all); len(all) != 1 {
		t.Fatalf("%s: %+v", name, all)
	}
	return all[0]
}

func (a *awsAccount) to(kind, owner, role, configuration string) *hermod.Subscription {
	a.made++
	return &hermod.Subscription{
		ID: fmt.Sprintf("s-%s-%d", owner, a.made), Owner: owner, Type: kind, Version: 1,
		Secrets: hermod.Secrets{Configuration: json.RawMessage(fmt.Sprintf(`{%s,"roleArn":%q}`, configuration, role))},
	}
}

// Each step needs the one before: what was sent is what is read and judged.
func TestTheServicesOfAWSTakeWhatHermodSendsThem(t *testing.T) { //nolint:paralleltest // one account, one line at a time
	a := startAccount(t)
	native, binary := encoded(t, hermod.NativeFormat), encoded(t, hermod.CloudEventsBinary)
	send := func(kind, configuration string, p deliver.Payload) {
		t.Helper()
		s := a.to(kind, awsOwner, a.Role, configuration)
		if r := a.pushers.Push(t.Context(), s, p); !r.Succeeded() {
			t.Fatalf("%s: %+v", kind, r)
		}
	}
	id := cloudEvent().ID.String()
	send(hermod.AWSSQS, `"queueArn":"`+a.Plain+`"`, native)
	got := a.arrived(t, "plain")
	if got.Body != string(native.Body) || got.Attributes["sender"] != "signature-api" || got.Attributes["eventName"] != "order.completed" ||
		got.Attributes["eventId"] != id || got.Attributes["tags"] != "one,two" {
		t.Errorf("SQS: %+v", got)
	}
	send(hermod.AWSSQS, `"queueArn":"`+a.FIFO+`"`, native)
	if got := a.arrived(t, "fifo"); got.Body != string(native.Body) || got.Group != "a-1" || got.Once != id {
		t.Errorf("SQS in order: %+v", got)
	}
	send(hermod.AWSSNS, `"topicArn":"`+a.Topic+`"`, native)
	if got := a.arrived(t, "topic"); got.Body != string(native.Body) || got.Attributes["tags"] != `["one","two"]` || got.Types["tags"] != "String.Array" {
		t.Errorf("SNS: %+v", got)
	}
	send(hermod.AWSEventBridge, `"eventBusArn":"`+a.Bus+`"`, native)
	var entry struct {
		Source     string          `json:"source"`
		DetailType string          `json:"detail-type"`
		Detail     json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal([]byte(a.arrived(t, "bus").Body), &entry); err != nil || entry.Source != "signature-api" || entry.DetailType != "order.completed" || !sameJSON(entry.Detail, native.Body) {
		t.Errorf("EventBridge: %+v, %v", entry, err)
	}
	send(hermod.AWSKinesis, `"streamArn":"`+a.Stream+`"`, native)
	if got := a.arrived(t, "stream"); got.Body != string(native.Body) || got.Group != id {
		t.Errorf("Kinesis: %+v", got)
	}
	send(hermod.AWSSQS, `"queueArn":"`+a.Plain+`"`, binary)
	if got := a.arrived(t, "plain"); got.Body != string(binary.Body) || got.Attributes["ce-type"] != "signature-api:order.completed" || len(got.Attributes) != 10 {
		t.Errorf("a CloudEvent: %+v", got)
	}
	a.refuses(t, native)
	a.probes(t)
	a.verifies(t)
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

// refuses tries what must not be: by IAM as the emulator enforces it.
func (a *awsAccount) refuses(t *testing.T, p deliver.Payload) {
	t.Helper()
	missing := strings.Replace(a.Plain, "plain", "missing", 1)
	for name, tt := range map[string]struct {
		s      *hermod.Subscription
		class  string
		reason hermod.Reason
	}{
		"another owner by the role":      {a.to(hermod.AWSSQS, "a-another", a.Role, `"queueArn":"`+a.Plain+`"`), deliver.ClassCredential, hermod.ReasonCredential},
		"a role that may not publish":    {a.to(hermod.AWSSNS, awsOwner, a.Narrow, `"topicArn":"`+a.Topic+`"`), deliver.ClassCredential, hermod.ReasonCredential},
		"a role that may not put":        {a.to(hermod.AWSKinesis, awsOwner, a.Narrow, `"streamArn":"`+a.Stream+`"`), deliver.ClassCredential, hermod.ReasonCredential},
		"a role that may not put events": {a.to(hermod.AWSEventBridge, awsOwner, a.Narrow, `"eventBusArn":"`+a.Bus+`"`), deliver.ClassCredential, hermod.ReasonCredential},
		"no such role":                   {a.to(hermod.AWSSQS, awsOwner, a.Role+"x", `"queueArn":"`+a.Plain+`"`), deliver.ClassCredential, hermod.ReasonCredential},
		"no such queue":                  {a.to(hermod.AWSSQS, awsOwner, a.Role, `"queueArn":"`+missing+`"`), deliver.ClassNotFound, hermod.ReasonNotFound},
	} {
		r := a.pushers.Push(t.Context(), tt.s, p)
		if r.Class != tt.class || r.Permanent != tt.reason {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func (a *awsAccount) probes(t *testing.T) {
	t.Helper()
	for role, want := range map[string]deliver.Verdict{a.Role: deliver.Passed, a.Open: deliver.Unknown} {
		verdicts := map[string]deliver.Verdict{}
		for _, f := range a.pushers.Probe(t.Context(), a.to(hermod.AWSSQS, awsOwner, role, `"queueArn":"`+a.Plain+`"`)) {
			verdicts[f.Name] = f.Verdict
		}
		if got, there := verdicts["external id"]; !there || got != want || verdicts["role"] != deliver.Passed {
			t.Errorf("%s: %v", role, verdicts)
		}
	}
}

// verifies has the SDK sign each request anew.
func (a *awsAccount) verifies(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	services := map[string]int{}
	for _, q := range a.requests {
		authorization := q["headers"].(map[string]string)["Authorization"]
		key, _, _ := strings.Cut(strings.SplitN(authorization, "Credential=", 2)[1], "/")
		secret, known := a.secrets[key]
		q["accessKey"], q["secretKey"], q["token"] = key, secret[0], secret[1]
		var verdict struct {
			OK        bool
			Want, Got string
			Service   string
		}
		a.ask(t, map[string]any{"verify": q}, &verdict)
		services[verdict.Service]++
		if !known || !verdict.OK {
			t.Errorf("%s: %+v", verdict.Service, verdict)
		}
	}
	for _, service := range []string{"sts", "sqs", "sns", "events", "kinesis"} {
		if services[service] == 0 {
			t.Errorf("no request to %s was judged: %v", service, services)
		}
	}
}
