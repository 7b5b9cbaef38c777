package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
)

// AWS is who Hermod is on AWS, where it takes on the roles of subscribers. Nil is
// nobody.
type AWS struct {
	region      string
	partition   awsPartition
	credentials aws.CredentialsProvider
	prefix      string
}

// maxRolePrefix leaves room for names: that of a role has 64 characters at most.
const maxRolePrefix = 32

// NewAWS makes Hermod's identity on AWS of a region, whose STS is asked, and
// credentials that may assume the roles whose names begin with the prefix: 1 to 32
// characters of a role's name. Only such roles are ever asked for, so that the grant to
// Hermod can be as narrow, and no role can be taken on that was not made for this.
func NewAWS(region string, credentials aws.CredentialsProvider, rolePrefix string) (*AWS, error) {
	partition, ok := awsPartitionOf(region)
	switch {
	case !ok:
		return nil, fmt.Errorf("%q is no region of AWS", region)
	case credentials == nil:
		return nil, errors.New("there are no credentials")
	case !awsName(rolePrefix, maxRolePrefix, awsRoleMore):
		return nil, fmt.Errorf("the prefix of roles must be 1 to %d letters, digits and %s", maxRolePrefix, awsRoleMore)
	}
	return &AWS{region: region, partition: partition, credentials: credentials, prefix: rolePrefix}, nil
}

// RolePrefix is how the names of roles begin that may be asked for; "" for nobody.
func (w *AWS) RolePrefix() string {
	if w == nil {
		return ""
	}
	return w.prefix
}

// The names of roles: their length, and what they have beside letters and digits.
const (
	maxAWSRole  = 64
	awsRoleMore = "_+=,.@-"
)

// awsRole are the members of a typeConfiguration that all types of AWS share. Unknown
// members are tolerated.
type awsRole struct {
	RoleARN string `json:"roleArn"`
	// ExternalID is not the subscriber's to choose: see hermod.Ref.
	ExternalID string `json:"externalId"`
}

// An awsTarget is a resource of one service of AWS.
type awsTarget struct {
	// arn is the resource's. Its service, region and partition make the endpoint, and
	// no other part of a configuration does.
	arn awsARN
	// url is the resource as results show it.
	url string
	// action is what sending takes, as in sqs:SendMessage.
	action string
	// operation is X-Amz-Target; "" for the query protocol, which has it in the body.
	operation string
	// version is of the JSON protocol: 1.0 or 1.1; "" for the query protocol.
	version string
	// encrypts says that the service encrypts what it takes with a key of KMS that the
	// sender must be allowed to use, where the resource has one.
	encrypts bool
	// message makes the body of a request.
	message func(p *deliver.Payload) []byte
	// refused reads the error code out of a success's body, for a service that hides
	// some there; nil for one that does not.
	refused func(body []byte) (code, message string)
}

// awsKind opens the resources of one service.
type awsKind struct {
	exchanger *exchanger
	now       func() time.Time
	as        *AWS
	// read reads a configuration and complains of what is wrong. Of a faulty one it may
	// give anything.
	read func(configuration json.RawMessage, f *faults) (awsTarget, awsRole, error)
}

func (k *awsKind) open(ref hermod.Ref, configuration json.RawMessage) (place, error) {
	if k.as == nil {
		return nil, hermod.InvalidFields(hermod.FieldError{Name: "type", Reason: "is not configured here"})
	}
	var f faults
	target, role, err := k.read(configuration, &f)
	if err != nil {
		return nil, err
	}
	if len(f) == 0 && target.arn.partition.name != k.as.partition.name {
		f.add("roleArn", "must be in the partition "+k.as.partition.name+", as is Hermod, and so must be what it sends to")
	}
	k.as.checkRole(&role, &f)
	if err := f.err(); err != nil {
		return nil, err
	}
	return &awsPlace{
		exchanger: k.exchanger, now: k.now, target: target, endpoint: awsEndpoint(target.arn.host()),
		sessions: newTokenKeeper[*aws.Credentials](),
		assume: assumption{
			as: k.as, exchanger: k.exchanger, now: k.now, role: role.RoleARN, externalID: ref.ExternalID(),
			session: awsSessionName(ref.ID), policy: awsSessionPolicy(&target),
		},
	}, nil
}

// checkRole judges the members that all types share.
func (w *AWS) checkRole(role *awsRole, f *faults) {
	if role.ExternalID != "" {
		f.add("externalId", "must not be given: it is the id of the subscription's owner, so that nobody else can use the role")
	}
	want := "must be the ARN of a role without a path whose name begins with " + w.prefix +
		", as in arn:" + w.partition.name + ":iam::123456789012:role/" + w.prefix + "events"
	begin := "arn:" + w.partition.name + ":iam::"
	account, name, _ := strings.Cut(strings.TrimPrefix(role.RoleARN, begin), ":role/")
	switch {
	case role.RoleARN == "":
		f.add("roleArn", "is required")
	case !strings.HasPrefix(role.RoleARN, begin), !awsAccount(account), !awsName(name, maxAWSRole, awsRoleMore), !strings.HasPrefix(name, w.prefix):
		f.add("roleArn", want)
	}
}

// awsEndpoint is the URL of a service's endpoint.
func awsEndpoint(host string) *url.URL { return &url.URL{Scheme: "https", Host: host, Path: "/"} }

// An awsPlace is a resource of AWS, and the role by which Hermod may send to it.
type awsPlace struct {
	exchanger *exchanger
	now       func() time.Time
	target    awsTarget
	endpoint  *url.URL
	assume    assumption
	sessions  *tokenKeeper[*aws.Credentials]
}

// push sends one message. A session that AWS says has ended early, by its clock or
// because the role was revoked, is replaced once.
func (p *awsPlace) push(ctx context.Context, payload deliver.Payload) deliver.Result {
	body := p.target.message(&payload)
	for renewed := false; ; renewed = true {
		session, failed := p.sessions.get(ctx, p.now, p.assume.renew)
		if !failed.Succeeded() {
			failed.Target = p.target.url
			return failed
		}
		a, code := p.send(ctx, session, body)
		if !renewed && awsExpired(code) {
			p.sessions.forget()
			continue
		}
		return a.Result
	}
}

// send makes the exchange and gives the error code that AWS answered; "" for none.
func (p *awsPlace) send(ctx context.Context, session *aws.Credentials, body []byte) (answer, string) {
	r := request{url: p.endpoint, target: p.target.url, body: body, header: http.Header{"Content-Type": {awsForm}}}
	if p.target.version != "" {
		r.header = http.Header{"Content-Type": {"application/x-amz-json-" + p.target.version}, "X-Amz-Target": {p.target.operation}}
	}
	if p.target.refused != nil {
		r.keep = maxAnswer
	}
	if err := awsSign(ctx, &r, *session, p.target.arn.service, p.target.arn.region, p.now()); err != nil {
		return answer{Result: awsUnsigned(p.target.url)}, ""
	}
	a := p.exchanger.do(ctx, r)
	code := awsCode(&a)
	if p.target.refused != nil && a.Class == "" {
		code, a.Response = p.target.refused(a.body)
	}
	awsJudge(&a, code)
	return a, code
}

// probe looks whether the endpoint is there and whether AWS lets Hermod into the role:
// both harm nothing. To look at the queue itself would take more rights than sending
// does.
func (p *awsPlace) probe(ctx context.Context) []deliver.Finding {
	_, findings, arrived := p.exchanger.reach(ctx, request{method: http.MethodHead, url: p.endpoint})
	if !arrived {
		return findings
	}
	const role, external = "role", "external id"
	_, refused := p.assume.renew(ctx)
	if !refused.Succeeded() {
		return append(findings, failed(role, refused.Message))
	}
	findings = append(findings, passed(role, "AWS lets Hermod take it on"))
	other := p.assume
	other.externalID += "-other"
	if _, refused = other.renew(ctx); refused.Succeeded() {
		findings = append(findings, unknown(external, "the role lets Hermod in whatever the external id: make its trust policy ask for sts:ExternalId "+p.assume.externalID+
			", or other customers can have Hermod use the role"))
	} else if refused.Permanent == hermod.ReasonCredential {
		findings = append(findings, passed(external, "the role asks for it"))
	}
	return append(findings, unknown("permission", "whether "+p.target.url+" is there and the role may do "+p.target.action+" is not known: no event was sent; a mocked event tells"))
}
