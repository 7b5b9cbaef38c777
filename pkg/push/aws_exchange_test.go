package push_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// requests are what a fake got, in order.
type requests struct {
	mu  sync.Mutex
	all []*awsRequest
}

func (rs *requests) add(r *awsRequest) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.all = append(rs.all, r)
}

func (rs *requests) list() []*awsRequest {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return append([]*awsRequest(nil), rs.all...)
}

func TestARoleIsTakenOnOnceForTheOwnerAndForSendingAlone(t *testing.T) {
	t.Parallel()
	url, got := awsServer(t, nil)
	ps := newPushers(t, awsOptions(t, url))
	s := awsSubscription(hermod.AWSSQS, `{"queueArn":"arn:aws:sqs:eu-west-1:123456789012:orders","roleArn":"`+roleARN+`"}`)
	for range 3 {
		succeed(t, ps, s, eventPayload())
	}
	all := got.list()
	if len(all) != 4 || all[0].host != "sts.eu-north-1.amazonaws.com" || all[1].host != "sqs.eu-west-1.amazonaws.com" {
		t.Fatalf("got %d requests, the first to %s", len(all), all[0].host)
	}
	form := all[0].form(t)
	var policy struct {
		Statement []struct{ Action, Resource any }
	}
	if err := json.Unmarshal([]byte(form.Get("Policy")), &policy); err != nil {
		t.Fatal(err)
	}
	want := "[{sqs:SendMessage arn:aws:sqs:eu-west-1:123456789012:orders} {[kms:GenerateDataKey kms:Decrypt] *}]"
	if fmt.Sprint(policy.Statement) != want || !strings.Contains(form.Get("Policy"), `"kms:ViaService":"sqs.eu-west-1.amazonaws.com"`) {
		t.Errorf("policy %s", form.Get("Policy"))
	}
	if form.Get("Action") != "AssumeRole" || form.Get("RoleArn") != roleARN || form.Get("ExternalId") != "a-spge-x" || s.Ref().ExternalID() != "a-spge-x" ||
		form.Get("RoleSessionName") != "hermod-s-a-spge-x-qWeRt" || form.Get("DurationSeconds") != "3600" {
		t.Errorf("asked for %v", form)
	}
	if !strings.Contains(all[0].authorization, "Credential=AKIAHERMOD/") || !strings.Contains(all[0].authorization, "/eu-north-1/sts/aws4_request") || all[0].token != "own-token-s3cret" {
		t.Errorf("signed %s", all[0].authorization)
	}
	for _, q := range all[1:] {
		if !strings.Contains(q.authorization, "Credential=ASIASESSION/") || !strings.Contains(q.authorization, "/eu-west-1/sqs/aws4_request") || q.token != "token-s3cret/+==" ||
			q.target != "AmazonSQS.SendMessage" || q.contentType != "application/x-amz-json-1.0" {
			t.Errorf("sent %+v", q)
		}
	}
}

func TestTheNameOfASessionIsOneThatSTSTakes(t *testing.T) {
	t.Parallel()
	url, got := awsServer(t, nil)
	ps := newPushers(t, awsOptions(t, url))
	for id, want := range map[string]string{
		"s-a b/c:ø-xyzab":                         "hermod-s-a-b-c---xyzab",
		"s-" + strings.Repeat("a", 99) + "-xyzab": strings.Repeat("a", 58) + "-xyzab",
	} {
		s := awsSubscription(hermod.AWSSQS, `{"queueArn":"arn:aws:sqs:eu-west-1:123456789012:orders","roleArn":"`+roleARN+`"}`)
		s.ID = id
		succeed(t, ps, s, eventPayload())
		all := got.list()
		if name := all[len(all)-2].form(t).Get("RoleSessionName"); name != want {
			t.Errorf("%s: %s", id, name)
		}
	}
}

func TestASessionIsRenewedBeforeItsEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	end := now.Add(time.Hour)
	var sessions int
	url, _ := awsServer(t, func(w http.ResponseWriter, r *awsRequest) {
		if strings.HasPrefix(r.host, "sts.") {
			sessions++
			_, _ = io.WriteString(w, sessionUntil("ASIA", end))
		}
	})
	o := awsOptions(t, url)
	clock := now
	o.Now = func() time.Time { return clock }
	ps := newPushers(t, o)
	s := awsSubscription(hermod.AWSSNS, `{"topicArn":"arn:aws:sns:eu-west-1:123456789012:orders","roleArn":"`+roleARN+`"}`)
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {54*time.Minute + 59*time.Second, 1}, {55 * time.Minute, 2}} {
		clock = now.Add(step.after)
		if step.want == 2 {
			end = clock.Add(time.Hour)
		}
		if succeed(t, ps, s, eventPayload()); sessions != step.want {
			t.Errorf("after %s: %d sessions, want %d", step.after, sessions, step.want)
		}
	}
}

func TestASessionThatHasEndedEarlyIsReplacedWithinThePush(t *testing.T) {
	t.Parallel()
	sessions := 0
	url, got := awsServer(t, func(w http.ResponseWriter, r *awsRequest) {
		if strings.HasPrefix(r.host, "sts.") {
			sessions++
			_, _ = io.WriteString(w, sessionUntil(fmt.Sprintf("ASIA%d", sessions), time.Now().Add(time.Hour)))
		} else if strings.Contains(r.authorization, "ASIA1/") {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>")
		}
	})
	ps := newPushers(t, awsOptions(t, url))
	s := awsSubscription(hermod.AWSSNS, `{"topicArn":"arn:aws:sns:eu-west-1:123456789012:orders","roleArn":"`+roleARN+`"}`)
	succeed(t, ps, s, eventPayload())
	succeed(t, ps, s, eventPayload())
	if n := len(got.list()); n != 5 || sessions != 2 {
		t.Errorf("%d requests and %d sessions", n, sessions)
	}
}

func TestWhatSTSRefusesIsTheSubscribersOrNot(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]struct {
		status int
		class  string
		reason hermod.Reason
		says   string
	}{
		"AccessDenied":          {403, "bad_credential", hermod.ReasonCredential, "with the external id a-spge-x"},
		"InvalidClientTokenId":  {403, "http_4xx", "", "Hermod's own credentials"},
		"ExpiredToken":          {403, "http_4xx", "", "Hermod's own credentials"},
		"SignatureDoesNotMatch": {403, "http_4xx", "", "Hermod's own credentials"},
		"Throttling":            {400, "throttled", "", "pause"},
		"ValidationError":       {400, "http_4xx", "", "ValidationError"},
		"RegionDisabled":        {403, "http_4xx", "", "RegionDisabled"},
		"ServiceUnavailable":    {503, "http_5xx", "", ""},
		"none":                  {200, "protocol", "", "was not understood"},
	} {
		url, _ := awsServer(t, func(w http.ResponseWriter, _ *awsRequest) {
			w.WriteHeader(want.status)
			_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>"+code+"</Code><Message>own-token-s3cret</Message></Error></ErrorResponse>")
		})
		ps := newPushers(t, awsOptions(t, url))
		s := awsSubscription(hermod.AWSKinesis, `{"streamArn":"arn:aws:kinesis:eu-west-1:123456789012:stream/orders","roleArn":"`+roleARN+`"}`)
		r := ps.Push(t.Context(), s, eventPayload())
		if r.Class != want.class || r.Permanent != want.reason || !strings.Contains(r.Message, want.says) || r.Target != "arn:aws:kinesis:eu-west-1:123456789012:stream/orders" {
			t.Errorf("%s: %+v", code, r)
		}
		discreet(t, r)
		found := ps.Probe(t.Context(), s)
		if last := found[len(found)-1]; last.Name != "role" || last.Verdict != deliver.Failed || last.Message != r.Message {
			t.Errorf("%s: %+v", code, found)
		}
		discreet(t, found)
	}
}

func TestAProbeTellsOfARoleThatIsOpenToOthers(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]bool{"asks for the external id": false, "does not": true} {
		url, got := awsServer(t, func(w http.ResponseWriter, r *awsRequest) {
			switch {
			case !strings.HasPrefix(r.host, "sts."):
				w.WriteHeader(http.StatusNotFound)
			case open || r.form(t).Get("ExternalId") == "a-spge-x":
				_, _ = io.WriteString(w, sessionUntil("ASIA", time.Now().Add(time.Hour)))
			default:
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")
			}
		})
		ps := newPushers(t, awsOptions(t, url))
		s := awsSubscription(hermod.AWSSQS, `{"queueArn":"arn:aws:sqs:eu-west-1:123456789012:orders","roleArn":"`+roleARN+`"}`)
		verdicts := map[string]deliver.Verdict{}
		for _, f := range ps.Probe(t.Context(), s) {
			verdicts[f.Name] = f.Verdict
		}
		want := map[bool]deliver.Verdict{true: deliver.Unknown, false: deliver.Passed}[open]
		if v, there := verdicts["external id"]; !there || v != want || verdicts["role"] != deliver.Passed || verdicts["permission"] != deliver.Unknown {
			t.Errorf("%s: %v", name, verdicts)
		}
		for _, r := range got.list() {
			if strings.Contains(r.target, "Send") {
				t.Errorf("%s: an event was sent", name)
			}
		}
	}
}
