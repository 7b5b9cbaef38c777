package template_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestEachDialectHasAHostOfItsOwn: an API beside the shared one, all of which goes to the dialect's function, and a name under the
// domain where one is given.
func TestEachDialectHasAHostOfItsOwn(t *testing.T) {
	tpl := load(t)
	functions := tpl.functions(t)
	for logical, name := range map[string]string{"Signly": "signly", "Telia": "telia", "Universign": "universign"} {
		if tpl.Resources[logical+"Api"].Type != "AWS::Serverless::HttpApi" {
			t.Errorf("%s has no API of its own", name)
		}
		whole := 0
		for _, source := range events(functions[name], "HttpApi") {
			if refers(at(source, "ApiId")) == logical+"Api" {
				whole++
				wants(t, name+": path on its own host", at(source, "Path"), nil)
			}
		}
		wants(t, name+": routes on its own host", whole, 1)
		domain, mapping := tpl.Resources[logical+"Domain"], tpl.Resources[logical+"Mapping"]
		wants(t, name+": domain", at(domain, "DomainName"), "map[Fn::Sub:"+name+".${DialectDomain}]")
		wants(t, name+": lowest TLS", strings.Contains(fmt.Sprint(at(domain, "DomainNameConfigurations")), "SecurityPolicy:TLS_1_2"), true)
		wants(t, name+": mapping", fmt.Sprint(refers(at(mapping, "DomainName")), " ", refers(at(mapping, "ApiId")), " ", at(mapping, "Stage")),
			logical+"Domain "+logical+"Api $default")
		wants(t, name+": condition", domain.Condition+" "+mapping.Condition, "HasDialectDomain HasDialectDomain")
	}
	// The events of Universign have a function apart, on both hosts.
	var paths []string
	for _, source := range events(functions["universignevents"], "HttpApi") {
		paths = append(paths, refers(at(source, "ApiId"))+" "+str(source, "Path"))
	}
	wants(t, "paths of universignevents", paths, "[Api /universign/v1/events Api /universign/v1/events/{proxy+} "+
		"UniversignApi /v1/events UniversignApi /universign/v1/events UniversignApi /universign/v1/events/{proxy+} UniversignApi /v1/events/{proxy+}]")
	wants(t, "number of APIs", len(tpl.of("AWS::Serverless::HttpApi")), 4)
}

// TestExportsArePrivateAndShortLived: they hold events.
func TestExportsArePrivateAndShortLived(t *testing.T) {
	tpl := load(t)
	buckets := tpl.of("AWS::S3::Bucket")
	wants(t, "number of buckets", len(buckets), 1)
	for id, bucket := range buckets {
		wants(t, id+": public access", at(bucket, "PublicAccessBlockConfiguration"),
			"map[BlockPublicAcls:true BlockPublicPolicy:true IgnorePublicAcls:true RestrictPublicBuckets:true]")
		wants(t, id+": ownership", at(bucket, "OwnershipControls"), "map[Rules:[map[ObjectOwnership:BucketOwnerEnforced]]]")
		if rules := fmt.Sprint(at(bucket, "LifecycleConfiguration")); !strings.Contains(rules, "ExpirationInDays:1 ") || !strings.Contains(rules, "Status:Enabled") {
			t.Errorf("%s: exports are kept: %s", id, rules)
		}
		if at(bucket, "BucketEncryption") == nil {
			t.Errorf("%s: not encrypted", id)
		}
		policy := fmt.Sprint(tpl.Resources[id+"Policy"].Properties)
		if !strings.Contains(policy, "aws:SecureTransport:false") || !strings.Contains(policy, "Effect:Deny") {
			t.Errorf("%s: no policy refuses requests without TLS: %s", id, policy)
		}
	}
}
