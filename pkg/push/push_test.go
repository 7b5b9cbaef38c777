package push_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

func TestAnUnknownTypeIsAFailureToTryAgain(t *testing.T) {
	t.Parallel()
	ps := push.New(push.Options{})
	s := webhookTo("https://receiver.example/")
	s.Type = "Pigeon"
	r := ps.Push(t.Context(), s, payload())
	if r.Class != deliver.ClassUnsupported || r.Permanent != "" || r.Message == "" {
		t.Errorf("got %+v", r)
	}
	if err := ps.Check("Pigeon", json.RawMessage(`{}`)); !slices.Equal(fields(err), []string{"type"}) {
		t.Errorf("got %v", err)
	}
}

// fields are the names of the members that err complains of.
func fields(err error) []string {
	var names []string
	if e, ok := errors.AsType[*hermod.Error](err); ok && e.Code == hermod.CodeInvalid {
		for _, f := range e.Fields {
			names = append(names, f.Name)
		}
	}
	return names
}

func TestCheckNamesEachBadMember(t *testing.T) {
	t.Parallel()
	const valid = `"url":"https://receiver.example/hook"`
	header := func(name, value string) string {
		raw, err := json.Marshal(map[string]string{name: value})
		if err != nil {
			t.Fatal(err)
		}
		return `{` + valid + `,"headers":` + string(raw) + `}`
	}
	many := map[string]string{}
	for i := range 11 {
		many[fmt.Sprint("X-", i)] = "v"
	}
	eleven, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	delete(many, "X-0")
	ten, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		configuration string
		bad           []string
	}{
		"a URL":                     {`{` + valid + `}`, nil},
		"unknown members":           {`{` + valid + `,"method":"PUT","timeout":"soon","retries":[1]}`, nil},
		"no headers":                {`{` + valid + `,"headers":null}`, nil},
		"ten headers":               {`{` + valid + `,"headers":` + string(ten) + `}`, nil},
		"authorization":             {header("Authorization", "Bearer s3cret"), nil},
		"a user agent":              {header("User-Agent", "own"), nil},
		"text beyond ASCII":         {header("X-Own", "æ"), nil},
		"nothing":                   {``, []string{"typeConfiguration"}},
		"null":                      {`null`, []string{"typeConfiguration.url"}},
		"an empty object":           {`{}`, []string{"typeConfiguration.url"}},
		"text":                      {`"https://receiver.example"`, []string{"typeConfiguration"}},
		"an array":                  {`[]`, []string{"typeConfiguration"}},
		"no JSON":                   {`{`, []string{"typeConfiguration"}},
		"a URL that is no text":     {`{"url":1}`, []string{"typeConfiguration"}},
		"headers that are no texts": {`{` + valid + `,"headers":{"X-A":1}}`, []string{"typeConfiguration"}},
		"http":                      {`{"url":"http://receiver.example/s3cret"}`, []string{"typeConfiguration.url"}},
		"eleven headers":            {`{` + valid + `,"headers":` + string(eleven) + `}`, []string{"typeConfiguration.headers"}},
		"no header name":            {header("", "v"), []string{"typeConfiguration.headers."}},
		"a space in a name":         {header("X Own", "v"), []string{"typeConfiguration.headers.X Own"}},
		"a line break in a name":    {header("X-Own\r\nY", "v"), []string{"typeConfiguration.headers.X-Own\r\nY"}},
		"a line break in a value":   {header("X-Own", "s3cret\r\nHost: x"), []string{"typeConfiguration.headers.X-Own"}},
		"a zero byte in a value":    {header("X-Own", "s3cret\x00"), []string{"typeConfiguration.headers.X-Own"}},
		"a long value":              {header("X-Own", strings.Repeat("v", 1020)), []string{"typeConfiguration.headers.X-Own"}},
		"a name given twice":        {`{` + valid + `,"headers":{"X-Own":"a","x-own":"b"}}`, []string{"typeConfiguration.headers.x-own"}},
		"two bad ones":              {`{` + valid + `,"headers":{"Host":"a","te":"b","X-Own":"c"}}`, []string{"typeConfiguration.headers.Host", "typeConfiguration.headers.te"}},
	}
	for _, name := range []string{
		"Host", "host", "Content-Length", "Content-Type", "content-encoding", "Transfer-Encoding", "Connection", "Keep-Alive",
		"Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Upgrade", "Expect", "webhook-id", "Webhook-Signature", "X-Amz-Date",
	} {
		tests["reserved: "+name] = struct {
			configuration string
			bad           []string
		}{header(name, "s3cret"), []string{"typeConfiguration.headers." + name}}
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := push.New(push.Options{}).Check(hermod.Webhook, json.RawMessage(tests[name].configuration))
			if got := fields(err); !slices.Equal(got, tests[name].bad) || (err == nil) != (tests[name].bad == nil) {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error quotes a secret: %v", err)
			}
		})
	}
}

func TestAPushWithAConfigurationThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		configuration string
		want          deliver.Result
	}{
		"none, as when secrets could not be opened": {``, deliver.Result{
			Class: "configuration", Message: "typeConfiguration must be an object with a text url, and headers that are an object of texts",
		}},
		"a bad header": {`{"url":"https://receiver.example/","headers":{"Host":"s3cret"}}`, deliver.Result{
			Class: "configuration", Message: "typeConfiguration.headers.Host is not allowed",
		}},
		"a URL that the policy refuses": {`{"url":"https://127.0.0.1/s3cret"}`, deliver.Result{
			Class: "blocked_target", Message: "typeConfiguration.url must not be a private, local or reserved address", Permanent: "blocked_target",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &hermod.Subscription{Type: hermod.Webhook, Version: 1, Secrets: hermod.Secrets{Configuration: json.RawMessage(tt.configuration)}}
			if got := push.New(push.Options{}).Push(t.Context(), s, payload()); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
