package contract_test

import (
	"net/http"
	"strings"
	"testing"

	"hermod/test/openapi/contract"
)

const (
	list    = `{"data":[],"next":null}`
	problem = `{"type":"https://a.example/","title":"t","status":404,"detail":"d","code":"not_found","traceId":"0123456789abcdef0123456789abcdef"}`
	base    = "/events-management"
)

func answered(status int, contentType, body string, header ...string) contract.Exchange {
	x := contract.Exchange{Method: http.MethodGet, Target: base + "/events", Status: status, Header: http.Header{}, Body: []byte(body)}
	if contentType != "" {
		x.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		x.Header.Set(header[i], header[i+1])
	}
	return x
}

func of(method, target string, x contract.Exchange) contract.Exchange {
	x.Method, x.Target = method, target
	return x
}

func sent(contentType, body string, x contract.Exchange) contract.Exchange {
	x.RequestType, x.RequestBody = contentType, []byte(body)
	return x
}

// TestTheOracleTellsWhatIsDescribedFromWhatIsNot keeps the tests that rely on it
// honest: a check that passes everything would pass unseen.
func TestTheOracleTellsWhatIsDescribedFromWhatIsNot(t *testing.T) {
	t.Parallel()
	d, err := contract.Shared()
	if err != nil {
		t.Fatal(err)
	}
	const json, problems = "application/json", "application/problem+json"
	event := `{"id":"0123456789abcdef0123456789abcdef","timestamp":"2026-03-01T12:00:00.1234567Z","sender":"a","eventName":"b","eventData":{"any":1},` +
		`"accountId":"a","organizationId":null,"expiresAt":null,"tags":[]}`
	item := `{"id":"0123456789abcdef0123456789abcdef","event":` + event + `,"url":"http://h/e","replayUrl":"http://h/r"}`
	one := base + "/events/0123456789abcdef0123456789abcdef"
	accepted := answered(202, json, `{"data":[{"id":"0123456789abcdef0123456789abcdef","url":"http://h/e"}]}`)
	for what, tt := range map[string]struct {
		x     contract.Exchange
		wrong string // part of the complaint; "" for none
	}{
		"a page":                      {answered(200, json, list), ""},
		"a page by HEAD":              {of("HEAD", base+"/events", answered(200, json, "")), ""},
		"an event":                    {of("GET", one, answered(200, json+"; charset=utf-8", item)), ""},
		"a member too many":           {of("GET", one, answered(200, json, strings.Replace(item, `"tags":[]`, `"tags":[],"more":1`, 1))), "more"},
		"a member too few":            {of("GET", one, answered(200, json, strings.Replace(item, `"expiresAt":null,`, ``, 1))), "expiresAt"},
		"a time of another form":      {of("GET", one, answered(200, json, strings.Replace(item, "2026-03-01T", "2026-03-01 ", 1))), "timestamp"},
		"another status":              {answered(201, json, list), "201 is not described"},
		"another content type":        {answered(200, "text/html", list), "text/html"},
		"no content type":             {answered(200, "", list), "content type"},
		"no JSON":                     {answered(200, json, "{"), "no JSON"},
		"a HEAD with a body":          {of("HEAD", base+"/events", answered(200, json, list)), "HEAD"},
		"a body where there is none":  {of("DELETE", base+"/subscriptions/x", answered(204, json, "{}")), "empty"},
		"no body, and none expected":  {of("DELETE", base+"/subscriptions/x", answered(204, "", "")), ""},
		"an outage":                   {answered(503, problems, problem, "Retry-After", "5"), ""},
		"an outage without its end":   {answered(503, problems, problem), "Retry-After"},
		"an outage that never ends":   {answered(503, problems, problem, "Retry-After", "soon"), "Retry-After"},
		"an unknown path":             {of("GET", "/nowhere", answered(404, problems, problem)), ""},
		"an unknown path is served":   {of("GET", "/nowhere", answered(200, json, list)), "200 is not described"},
		"an unclean path":             {of("GET", base+"/events/.", answered(404, problems, problem)), ""},
		"an unknown method":           {of("PUT", base+"/events", answered(405, problems, problem, "Allow", "GET")), ""},
		"an unknown method, no Allow": {of("PUT", base+"/events", answered(405, problems, problem)), "Allow"},
		"an alias":                    {of("GET", base+"/delivery-log?success=true", answered(200, json, list)), ""},
		"a wrong alias":               {of("GET", base+"/delivery-log", answered(200, json, `{"data":[]}`)), "next"},
		"a good request":              {of("POST", base+"/events", sent(json, `{"sender":"a","eventName":"b","eventData":1}`, accepted)), ""},
		"a request without a type":    {of("POST", base+"/events", sent("", `{"sender":"a","eventName":"b","eventData":1}`, accepted)), ""},
		"a bad request is accepted":   {of("POST", base+"/events", sent(json, `{"sender":"a"}`, accepted)), "was accepted"},
		"an odd type is accepted":     {of("POST", base+"/events", sent("text/plain", "x", accepted)), "text/plain"},
		"a bad request is refused": {of("POST", base+"/events", sent(json, `{"sender":"a"}`,
			answered(400, problems, strings.ReplaceAll(problem, "404", "400")))), ""},
	} {
		err := d.Check(tt.x)
		switch {
		case tt.wrong == "" && err != nil:
			t.Errorf("%s: %v", what, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: the oracle says %v, want a word of %q", what, err, tt.wrong)
		}
	}
}
