package push

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"hermod/pkg/deliver"
)

// How long a session is asked for, which is the longest that a role taken on from a
// role may have, and how long before its end the next one is made.
const (
	awsSession = time.Hour
	awsRenew   = 5 * time.Minute
)

// awsForm is the content type of the query protocol.
const awsForm = "application/x-www-form-urlencoded; charset=utf-8"

// An assumption takes on a subscriber's role (STS API reference, "AssumeRole").
type assumption struct {
	as                        *AWS
	exchanger                 *exchanger
	now                       func() time.Time
	role, externalID, session string
	// policy is all that the session may do, whatever the role may.
	policy string
}

// renew makes a session. What AWS says about it is not shown: it names Hermod's own
// role, and a refused signature quotes what was signed.
func (s *assumption) renew(ctx context.Context) (token[*aws.Credentials], deliver.Result) {
	var none token[*aws.Credentials]
	host := "sts." + s.as.region + s.as.partition.suffix
	body := url.Values{
		"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "DurationSeconds": {"3600"},
		"RoleArn": {s.role}, "RoleSessionName": {s.session}, "ExternalId": {s.externalID}, "Policy": {s.policy},
	}
	r := request{url: awsEndpoint(host), header: http.Header{"Content-Type": {awsForm}}, body: []byte(body.Encode()), keep: maxAnswer}
	own, err := s.as.credentials.Retrieve(ctx)
	if err == nil {
		err = awsSign(ctx, &r, own, "sts", s.as.region, s.now())
	}
	if err != nil {
		return none, awsUnsigned("https://" + host + "/")
	}
	a := s.exchanger.do(ctx, r)
	if a.Class != "" {
		s.judge(&a)
		return none, a.Result
	}
	session, until, ok := parseAWSSession(string(a.body))
	if !ok {
		return none, failure(deliver.ClassProtocol, "the answer of AWS to the request for the role was not understood")
	}
	return token[*aws.Credentials]{session, until.Add(-awsRenew)}, deliver.Result{}
}

// judge sharpens what STS answered. That it does not know Hermod is no fault of the
// subscriber's, who cannot mend it: it is tried again.
func (s *assumption) judge(a *answer) {
	code := awsCode(a)
	a.Response = ""
	switch {
	case a.StatusCode == 0:
	case code == "AccessDenied":
		a.refuseCredential()
		a.Message = "AWS does not let Hermod take on the role: it must exist, and its trust policy must allow sts:AssumeRole to the AWS account of Hermod" +
			" with the external id " + s.externalID
	case awsThrottled(code):
		a.throttle()
	case awsExpired(code), containsAny(code, "InvalidClientTokenId", "UnrecognizedClient", "Signature", "RequestExpired", "MissingAuthenticationToken"):
		a.Message = "AWS does not take Hermod's own credentials, which is not yours to mend (" + code + ")"
	case code != "":
		a.Message += ": " + code
	}
}

// parseAWSSession reads the answer to AssumeRole. What it holds needs no unescaping:
// base64, letters and digits, and a date.
func parseAWSSession(body string) (session *aws.Credentials, until time.Time, ok bool) {
	until, err := time.Parse(time.RFC3339, between(body, "<Expiration>", "</Expiration>"))
	session = &aws.Credentials{
		AccessKeyID:     between(body, "<AccessKeyId>", "</AccessKeyId>"),
		SecretAccessKey: between(body, "<SecretAccessKey>", "</SecretAccessKey>"),
		SessionToken:    between(body, "<SessionToken>", "</SessionToken>"),
	}
	return session, until, err == nil && session.HasKeys() && session.SessionToken != ""
}

// between gives what stands between two texts; "" where they are not there.
func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, ok := strings.Cut(s, after)
	if !ok {
		return ""
	}
	return strings.TrimSpace(s)
}

// maxAWSSessionName bounds the name of a session, which the subscriber's own log of
// AWS shows.
const maxAWSSessionName = 64

// awsSessionName makes a session's name of a subscription's id: its end, where it is
// too long, is what tells the subscriptions of an owner apart.
func awsSessionName(subscription string) string {
	name := "hermod-" + strings.Map(func(r rune) rune {
		if awsName(string(r), 1, awsRoleMore) {
			return r
		}
		return '-'
	}, subscription)
	return name[max(0, len(name)-maxAWSSessionName):]
}

// awsSessionPolicy allows a session to send to the target and nothing else, whatever
// the role may do, so that a role that is too wide does no harm here.
func awsSessionPolicy(t *awsTarget) string {
	type statement struct {
		Effect    string
		Action    any
		Resource  string
		Condition any `json:",omitempty"`
	}
	statements := []statement{{Effect: "Allow", Action: t.action, Resource: t.arn.String()}}
	if t.encrypts {
		via := map[string]map[string]string{"StringEquals": {"kms:ViaService": t.arn.host()}}
		statements = append(statements, statement{Effect: "Allow", Action: []string{"kms:GenerateDataKey", "kms:Decrypt"}, Resource: "*", Condition: via})
	}
	policy, _ := json.Marshal(struct { // of texts: it cannot fail
		Version   string
		Statement []statement
	}{"2012-10-17", statements})
	return string(policy)
}

// awsSign signs a request (Signature Version 4): its header gets what shows who sends.
func awsSign(ctx context.Context, r *request, as aws.Credentials, service, region string, now time.Time) error {
	hash := sha256.Sum256(r.body)
	signed := &http.Request{Method: http.MethodPost, URL: r.url, Host: r.url.Host, Header: r.header, ContentLength: int64(len(r.body))}
	return v4.NewSigner().SignHTTP(ctx, as, signed, hex.EncodeToString(hash[:]), service, region, now)
}

// awsUnsigned says that a request could not be signed. It is no fault of the
// destination's: the attempt is put off, not counted.
func awsUnsigned(target string) deliver.Result {
	r := failure(deliver.ClassInterrupted, "Hermod has no credentials of AWS at hand")
	r.Target = target
	return r
}
