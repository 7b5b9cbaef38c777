package telia_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/catalog"
	"hermod/pkg/hermod"
	"hermod/pkg/provision"
)

const bad = "Bad request. One or more parameters are invalid or missing. "

// A trial is a body of a subscription, and what is wrong with it.
type trial struct {
	body  string
	wrong []string // what the message says after its beginning; nil: it is accepted
}

// with is the sample with something else in it.
func with(old, new string) string { return strings.Replace(subscribing(""), old, new, 1) }

func TestASubscriptionIsValidatedMemberByMember(t *testing.T) {
	t.Parallel()
	uri := func(uri string) string { return with("https://your-site.example/notifications?token=t0ken", uri) }
	try(t, map[string]trial{
		"the sample":                  {subscribing(""), nil},
		"nothing":                     {`{}`, []string{"EventType is required", "Uri is required"}},
		"all null":                    {`{"Description":null,"Uri":null,"EventType":null,"Headers":null,"Translate":null}`, []string{"EventType is required", "Uri is required"}},
		"all of a wrong kind":         {`{"Description":1,"Uri":2,"EventType":3,"Headers":4,"Translate":5}`, []string{"Description must be a text", "Translate must be true or false", "EventType must be a text", "Uri must be a text", "Headers must be an object of texts"}},
		"the least":                   {`{"Uri":"https://a.example/","EventType":"signatorysigned"}`, nil},
		"members in another case":     {`{"description":"x","URI":"https://a.example/","eventType":"SIGNATORYSIGNED","headers":{"a":"b"},"translate":true}`, nil},
		"unknown members":             {subscribing(`,"Id":"x","Id":"y","filter":{}`), nil},
		"a member twice":              {subscribing(`,"Uri":"https://b.example/"`), []string{"Uri stands twice"}},
		"a member twice in two cases": {subscribing(`,"uri":"https://b.example/"`), []string{"Uri stands twice"}},
		"no JSON":                     {`{`, []string{"The body is not JSON in UTF-8."}},
		"nothing at all":              {``, []string{"The body is not JSON in UTF-8."}},
		"no UTF-8":                    {"{\"Description\":\"\xff\"}", []string{"The body is not JSON in UTF-8."}},
		"more than one value":         {`{} {}`, []string{"The body is not JSON in UTF-8."}},
		"an array":                    {`[]`, []string{"The body must be a JSON object."}},
		"null":                        {`null`, []string{"The body must be a JSON object."}},
		"an event of nobody":          {with("SignatureRequestCompleted", "SignatureRequestOpened"), []string{"EventType must be one of the hooks"}},
		"an event with its sender":    {with("SignatureRequestCompleted", "telia-sign:signatorysigned"), []string{"EventType must be one of the hooks"}},
		"every event":                 {with("SignatureRequestCompleted", "*"), []string{"EventType must be one of the hooks"}},
		"a description of 1000":       {with("Notifications for completed signature requests", strings.Repeat("é", 1000)), nil},
		"a description of 1001":       {with("Notifications for completed signature requests", strings.Repeat("é", 1001)), []string{"Description must have at most 1000 characters"}},
		"another scheme":              {uri("ftp://a.example/"), []string{"Uri must be an http or https URL"}},
		"no URI":                      {uri("notifications"), []string{"Uri must be"}},
		"an empty URI":                {uri(""), []string{"Uri is required"}},
		"a private address":           {uri("https://10.0.0.1/"), []string{"Uri must not be a private, local or reserved address"}},
		"the metadata address":        {uri("http://169.254.169.254/latest"), []string{"Uri must not be"}},
		"a password in the URI":       {uri("https://a:b@a.example/"), []string{"Uri must have no user name or password"}},
		"a URI too long":              {uri("https://a.example/" + strings.Repeat("a", 2048)), []string{"Uri must be at most 2048 bytes"}},
		"a URI far too long":          {uri("https://a.example/" + strings.Repeat("a", 5000)), []string{"Uri must be at most 2048 bytes"}},
		"a line break in the URI":     {uri(`https://a.example/\r\nX: y`), []string{"Uri must have no space, control character or backslash"}},
	})
}

func TestHeadersAreValidatedOneByOne(t *testing.T) {
	t.Parallel()
	headers := func(headers string) string {
		return with(`{"client-id":"your id","client-secret":"s3cret"}`, headers)
	}
	many := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"x-%d":"v"`, i))
		}
		return headers("{" + strings.Join(all, ",") + "}")
	}
	try(t, map[string]trial{
		"a header of its own":            {headers(`{"Authorization":"Basic eDp5"}`), nil},
		"a header that frames":           {headers(`{"Content-Length":"0","Transfer-Encoding":"chunked","Host":"x"}`), []string{"Headers.Content-Length is not allowed", "Headers.Host is", "Headers.Transfer-Encoding is"}},
		"a header value with line break": {headers(`{"x":"a\r\nHost: b"}`), []string{"Headers.x must have a header value"}},
		"a header value with a NUL":      {headers(`{"x":"\u0000"}`), []string{"Headers.x must have a header value"}},
		"a header name with a colon":     {headers(`{"x: y":"z"}`), []string{"Headers.x: y must have a header name"}},
		"a header name with line break":  {headers(`{"x\r\ny":"z"}`), []string{"must have a header name"}},
		"an empty header name":           {headers(`{"":"z"}`), []string{"Headers. must have a header name"}},
		"a header called as a member":    {headers(`{"typeConfiguration.url ":"z"}`), []string{"Headers.typeConfiguration.url  must have a header name"}},
		"a header twice":                 {headers(`{"x":"1","x":"2"}`), []string{"Headers.x is given twice"}},
		"a header twice in two cases":    {headers(`{"x":"1","X":"2"}`), []string{"Headers.x is given twice"}},
		"a header that is null":          {headers(`{"x":null}`), []string{"Headers.x must be a text"}},
		"a header that is a number":      {headers(`{"x":1}`), []string{"Headers.x must be a text"}},
		"headers as a list":              {headers(`["x"]`), []string{"Headers must be an object of texts"}},
		"ten headers":                    {many(10), nil},
		"eleven headers":                 {many(11), []string{"Headers must have at most 10 members"}},
		"a header too long":              {headers(`{"x":"` + strings.Repeat("v", 1024) + `"}`), []string{"Headers.x must be at most 1024 bytes"}},
		"a header name far too long":     {headers(`{"` + strings.Repeat("n", 4000) + `":1}`), []string{"Headers.nnn"}},
	})
}

// try has every body refused with what is wrong with it, or accepted.
func try(t *testing.T, trials map[string]trial) {
	t.Helper()
	w := newWorld(t)
	for name, tt := range trials {
		a := w.do(t, "local", http.MethodPost, listPath, tt.body)
		if tt.wrong == nil {
			if a.json(t)["id"] == nil {
				t.Errorf("%s: %s", name, a.body)
			}
			continue
		}
		message := a.message(t, http.StatusBadRequest)
		parts := strings.Split(strings.TrimPrefix(message, bad), "; ")
		if !strings.HasPrefix(message, bad) || len(parts) != len(tt.wrong) {
			t.Errorf("%s: %q, want %q", name, message, tt.wrong)
			continue
		}
		for i, part := range parts {
			if !strings.Contains(part, tt.wrong[i]) {
				t.Errorf("%s: %q, want %q", name, part, tt.wrong[i])
			}
		}
	}
}

func TestABodyIsBoundedAndItsTypeIsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(t, "local", http.MethodPost, listPath, subscribing(`,"x":"`+strings.Repeat("x", 64<<10)+`"`)).message(t, http.StatusRequestEntityTooLarge)
	w.do(t, "local", http.MethodPost, listPath, strings.Repeat(" ", hermod.MaxRequestBytes+1)).message(t, http.StatusRequestEntityTooLarge)
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/xml", "x", "application/json; ="} {
		w.do(t, "local", http.MethodPost, listPath, subscribing(""), "Content-Type", media).message(t, http.StatusUnsupportedMediaType)
	}
	for _, media := range []string{"application/json", "Application/JSON; charset=utf-8"} {
		w.do(t, "local", http.MethodPost, listPath, subscribing(""), "Content-Type", media).json(t)
	}
}

func TestASubscriptionIsKeptAsOneOfTheTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.do(t, "local", http.MethodPost, listPath, subscribing(`,"Translate":true`)).json(t)["id"].(string)
	account := provision.Local()[0].Account
	s, err := w.Store.Subscription(t.Context(), hermod.Ref{Owner: account, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	guid, err := hermod.ParseGUID(id)
	if err != nil || guid.Time() != start {
		t.Errorf("the id is %s, of %v: %v", id, guid.Time(), err)
	}
	const configuration = `{"url":"https://your-site.example/notifications?token=t0ken","headers":{"client-id":"your id","client-secret":"s3cret"}}`
	if s.Dialect != hermod.TeliaSign || s.Tenant != localTenant || s.Type != hermod.Webhook || !s.Active || !s.Translate || s.Signing != hermod.Unsigned ||
		fmt.Sprint(s.Filters) != "[telia-sign:signaturerequestcompleted]" || string(s.Secrets.Configuration) != configuration || len(s.Sealed) == 0 {
		t.Errorf("kept %+v with %s", s, s.Secrets.Configuration)
	}
	w.do(t, "local", http.MethodDelete, listPath+"/"+id+"?eventType=signaturerequestcompleted", "")
	if s, err = w.Store.Subscription(t.Context(), s.Ref()); err != nil || !s.Deleted() || s.Active || len(s.Sealed) != 0 {
		t.Errorf("deleted it is %+v, %v", s, err)
	}
}

func TestAListHasAllOfTheTenantTheOldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.do(t, "local", http.MethodGet, listPath, ""); strings.TrimSpace(string(a.body)) != `{"items":[]}` {
		t.Errorf("an empty list is %s", a.body)
	}
	var want []string
	for range 5 {
		want = append(want, w.subscribe(t, "local"))
		w.subscribe(t, "other")
		w.subscribe(t, "second") // of the same account
		w.advance(time.Second)
	}
	native := &hermod.Subscription{
		ID: "s-native", Owner: provision.Local()[0].Account, Dialect: hermod.Signicat, Active: true, Type: hermod.Webhook, Version: 1, CreatedAt: start,
	}
	if err := w.Store.CreateSubscription(t.Context(), native); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range w.do(t, "local", http.MethodGet, listPath, "").json(t)["items"].([]any) {
		got = append(got, item.(map[string]any)["id"].(string))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestASubscriptionIsFoundByItsIDAndItsType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local")
	good := "?eventType=signaturerequestcompleted"
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		for target, status := range map[string]int{
			id: http.StatusBadRequest, id + "?": http.StatusBadRequest, id + "?eventType=": http.StatusBadRequest,
			id + "?eventType=?eventType=x": http.StatusBadRequest, id + "?event=signaturerequestcompleted": http.StatusBadRequest,
			id + "?eventType=%zz": http.StatusBadRequest, id + "?eventType=a;b": http.StatusBadRequest,
			id + "?eventType=signatorysigned": http.StatusNotFound, id + "?eventType=telia-sign:signaturerequestcompleted": http.StatusNotFound,
			"none" + good: http.StatusNotFound, strings.ReplaceAll(id, "-", "") + good: http.StatusNotFound,
			strings.ToUpper(id) + good: http.StatusNotFound, hermod.ID{}.GUID() + good: http.StatusNotFound, "%00" + good: http.StatusNotFound,
		} {
			message := w.do(t, "local", method, listPath+"/"+target, "").message(t, status)
			if status == http.StatusNotFound && message != "Resource not found" || target == id && message != bad+"eventType is required in the query" {
				t.Errorf("%s %s: %q", method, target, message)
			}
		}
	}
	if a := w.do(t, "local", http.MethodGet, listPath+"/"+id+good, ""); a.status != http.StatusOK {
		t.Errorf("it is gone: %s", a.body)
	}
}

// TestTheHooksAreThoseOfTheCatalog keeps the names, which stand in the package since the
// catalog is large, those of the catalog.
func TestTheHooksAreThoseOfTheCatalog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(t, "local", http.MethodGet, hooksPath, "")
	known := 0
	for _, typ := range catalog.All() {
		if typ.Sender != "telia-sign" {
			continue
		}
		known++
		if !strings.Contains(string(a.body), `"eventType":"`+typ.Name+`"`) {
			t.Errorf("%s is no hook", typ.Name)
		}
	}
	if n := strings.Count(string(a.body), `"eventType"`); n != known {
		t.Errorf("%d hooks, %d types", n, known)
	}
}
