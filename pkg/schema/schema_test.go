package schema_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hermod/pkg/schema"
)

func compiled(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

const order = `{"type":"object","required":["orderId","lines"],"additionalProperties":false,"properties":{
	"orderId":{"type":"string","pattern":"^o-[0-9]+$","maxLength":12},
	"total":{"type":["number","null"],"minimum":0,"multipleOf":0.01},
	"state":{"enum":["open","closed"]},
	"customer":{"anyOf":[{"required":["email"]},{"required":["phone"]}]},
	"a/b~c":{"type":"integer"},
	"lines":{"type":"array","minItems":1,"uniqueItems":true,"items":{"$ref":"#/$defs/line"}}},
	"$defs":{"line":{"properties":{"sku":{"type":"string"},"n":{"type":"integer","exclusiveMinimum":0}},"required":["sku"]}}}`

func TestAViolationNamesThePlaceTheRuleAndNoValue(t *testing.T) {
	t.Parallel()
	s := compiled(t, order)
	const secret = "s3cr3t"
	for data, want := range map[string][]string{
		`{"orderId":"o-1","lines":[{"sku":"x","n":1}],"total":1.10}`: nil,
		`{"orderId":"o-1","lines":[{"sku":"x"}],"total":null}`:       nil,
		`"s3cr3t"`: {" must be object, says its schema at #/type"},
		`{}`:       {"/orderId is required, says its schema at #/required", "/lines is required, says its schema at #/required"},
		`{"orderId":"s3cr3t-s3cr3t","lines":[{"sku":"x"}]}`: {
			"/orderId must have at most 12 characters, says its schema at #/properties/orderId/maxLength",
			"/orderId must match the pattern, says its schema at #/properties/orderId/pattern",
		},
		`{"orderId":"o-1","lines":[{"sku":"a"},{"sku":["s3cr3t"]},{"sku":"c","n":0}]}`: {
			"/lines/1/sku must be string, says its schema at #/$defs/line/properties/sku/type",
			"/lines/2/n must be above 0, says its schema at #/$defs/line/properties/n/exclusiveMinimum",
		},
		`{"orderId":"o-1","lines":[{"sku":"a","n":1.0},{"n":1,"sku":"a"}]}`: {"/lines must not have an item twice, says its schema at #/properties/lines/uniqueItems"},
		`{"orderId":"o-1","lines":[],"total":-1,"state":"s3cr3t"}`: {
			"/lines must have at least 1 items, says its schema at #/properties/lines/minItems",
			"/state must be one of the values listed, says its schema at #/properties/state/enum",
			"/total must be at least 0, says its schema at #/properties/total/minimum",
		},
		`{"orderId":"o-1","lines":[{"sku":"x"}],"customer":{"name":"s3cr3t"}}`: {"/customer must fit one of the alternatives, says its schema at #/properties/customer/anyOf"},
		`{"orderId":"o-1","lines":[{"sku":"x"}],"a/b~c":"s3cr3t"}`:             {"/a~1b~0c must be integer, says its schema at #/properties/a~1b~0c/type"},
		`{"orderId":"o-1","lines":[{"sku":"x"}],"more":"s3cr3t"}`:              {"/more is not allowed, says its schema at #/additionalProperties"},
	} {
		var got []string
		for _, v := range s.Check([]byte(data)) {
			got = append(got, v.At+" "+v.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, want\n%q", data, got, want)
		}
		if strings.Contains(strings.Join(got, " "), secret) {
			t.Errorf("a value is told: %q", got)
		}
	}
}

func TestOnlyTenViolationsAndTheStartOfALongPlaceAreTold(t *testing.T) {
	t.Parallel()
	s := compiled(t, `{"items":{"type":"string"},"additionalProperties":{"type":"string"}}`)
	if got := s.Check([]byte("[" + strings.Repeat("1,", 1000) + "1]")); len(got) != 10 {
		t.Errorf("%d violations", len(got))
	}
	got := s.Check([]byte(`{"` + strings.Repeat("é", 10_000) + `":1}`))
	if len(got) != 1 || len(got[0].At) > 300 || !strings.HasSuffix(got[0].At, "é...") {
		t.Errorf("%+v", got)
	}
}

func TestAWrongSchemaIsRefusedAndEachFaultIsNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		``: {""}, `1`: {""}, `null`: {""}, `[]`: {""}, `{} {}`: {""},
		`{"type":"strin"}`:             {"/type"},
		`{"type":[]}`:                  {"/type"},
		`{"type":["string","string"]}`: {"/type", "/type"},
		`{"type":7}`:                   {"/type", "/type"},
		`{"properties":{"a/b":{"type":"x"},"c":1}}`:       {"/properties/a~1b/type", "/properties/c"},
		`{"properties":[]}`:                               {"/properties"},
		`{"required":"a"}`:                                {"/required"},
		`{"required":["a","a"]}`:                          {"/required"},
		`{"minLength":-1}`:                                {"/minLength"},
		`{"maxItems":1.5}`:                                {"/maxItems"},
		`{"minItems":"1"}`:                                {"/minItems"},
		`{"minimum":"1"}`:                                 {"/minimum"},
		`{"maximum":1e999999999}`:                         {"/maximum"},
		`{"multipleOf":0}`:                                {"/multipleOf"},
		`{"pattern":"("}`:                                 {"/pattern"},
		`{"pattern":"(?=x)"}`:                             {"/pattern"},
		`{"pattern":"a{1000}"}`:                           {"/pattern"},
		`{"pattern":"` + strings.Repeat("a", 1025) + `"}`: {"/pattern"},
		`{"patternProperties":{"[":true}}`:                {"/patternProperties"},
		`{"allOf":[]}`:                                    {"/allOf"},
		`{"anyOf":[true,"x"]}`:                            {"/anyOf/1"},
		`{"items":[true]}`:                                {"/items"},
		`{"enum":"x"}`:                                    {"/enum"},
		`{"uniqueItems":"yes"}`:                           {"/uniqueItems"},
		`{"title":1}`:                                     {"/title"},
		`{"dependentRequired":{"a":"b"}}`:                 {"/dependentRequired"},
		`{"$schema":"http://json-schema.org/draft-07/schema#"}`: {"/$schema"},
		`{"$ref":"https://elsewhere.example/x"}`:                {"/$ref"},
		`{"$ref":"other.json"}`:                                 {"/$ref"},
		`{"$ref":"#/$defs/missing"}`:                            {"/$ref"},
		`{"$ref":"#missing"}`:                                   {"/$ref"},
		`{"$ref":"#/%zz"}`:                                      {"/$ref"},
		`{"items":{"$id":"x"}}`:                                 {"/items/$id"},
		`{"$dynamicRef":"#"}`:                                   {"/$dynamicRef"},
		`{"$ref":"#"}`:                                          {""},
		`{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}}}`: {"/$defs/b/anyOf/0"},
		`{"if":{"not":{"$ref":"#"}}}`:                                    {"/if/not"},
		strings.Repeat(`{"items":`, 65) + `{}` + strings.Repeat("}", 65): {strings.Repeat("/items", 64)},
		`{"enum":["` + strings.Repeat("x", 64<<10) + `"]}`:               {""},
		`{"properties":{"a":{"pattern":"a{900}"}},"allOf":[` +
			strings.TrimSuffix(strings.Repeat(`{"pattern":"a{900}"},`, 22), ",") + `]}`: {"/properties/a/pattern"},
	} {
		_, err := schema.Compile([]byte(text))
		problems, _ := errors.AsType[schema.Invalid](err)
		var got []string
		for _, p := range problems {
			got = append(got, p.At)
			if p.Reason == "" {
				t.Errorf("%.80s: no reason at %s", text, p.At)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%.80s: %q, want %q: %v", text, got, want, err)
		}
	}
}

func TestASchemaMayReferToItselfWhereItGoesIntoTheData(t *testing.T) {
	t.Parallel()
	s := compiled(t, `{"type":"object","properties":{"next":{"$ref":"#"},"n":{"type":"integer"}},"required":["n"]}`)
	if got := s.Check([]byte(`{"n":1,"next":{"n":2,"next":{"n":3}}}`)); len(got) != 0 {
		t.Errorf("%v", got)
	}
	got := s.Check([]byte(`{"n":1,"next":{"n":2,"next":{}}}`))
	if len(got) != 1 || got[0].At != "/next/next/n" || got[0].Rule != "#/required" {
		t.Errorf("%v", got)
	}
}

// hostile are schemas whose work grows with a power of their length, or of the
// data's, and the data for it.
func hostile() map[string][2]string {
	doubling := `{"$ref":"#/$defs/a0","$defs":{`
	for i := range 200 {
		doubling += fmt.Sprintf(`"a%d":{"anyOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]},`, i, i+1, i+1)
	}
	numbers := "[" + strings.Repeat("1,", 128<<10-1) + "1]"
	return map[string][2]string{
		"two ways at every step":      {doubling + `"a200":false}}`, `1`},
		"two ways at every level":     {`{"allOf":[{"items":{"$ref":"#"}},{"items":{"$ref":"#"}}]}`, strings.Repeat("[", 32) + strings.Repeat("]", 32)},
		"many rules for many items":   {`{"items":{"allOf":[` + strings.Repeat(`{"type":"number"},`, 3000) + `true]}}`, numbers},
		"many searches":               {`{"allOf":[` + strings.Repeat(`{"contains":{"type":"string"}},`, 2000) + `true]}`, numbers},
		"many comparisons":            {`{"allOf":[` + strings.Repeat(`{"uniqueItems":true},`, 3000) + `true]}`, numbers},
		"many lists":                  {`{"allOf":[` + strings.Repeat(`{"enum":[1]},`, 3000) + `true]}`, numbers},
		"many patterns on a text":     {`{"allOf":[` + strings.Repeat(`{"pattern":"(a|a|a|a|a)*b"},`, 1000) + `true]}`, `"` + strings.Repeat("a", 256<<10) + `"`},
		"a large pattern on a text":   {`{"pattern":"(x+x+){0,100}y"}`, `"` + strings.Repeat("x", 256<<10) + `"`},
		"long numbers":                {`{"items":{"multipleOf":0.1,"minimum":-1e99}}`, "[" + strings.Repeat("1e100,", 40_000) + "1]"},
		"names that nobody looked at": {`{"allOf":[` + strings.Repeat(`{"patternProperties":{"":true}},`, 1500) + `true],"unevaluatedProperties":false}`, members(20_000)},
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":1,`, i)
	}
	return "{" + strings.TrimSuffix(b.String(), ",") + "}"
}

func TestNoSchemaHoldsACheckUp(t *testing.T) {
	t.Parallel()
	for name, test := range hostile() {
		s := compiled(t, test[0])
		start := time.Now()
		got := s.Check([]byte(test[1]))
		if took := time.Since(start); took > 10*time.Second { // a second or two, but for a slow machine
			t.Errorf("%s: %s, %d violations", name, took, len(got))
		} else {
			t.Logf("%s: %s, %v", name, took.Round(time.Millisecond), len(got))
		}
	}
}

// What takes too long is not valid, whatever the rest says.
func TestACheckThatIsGivenUpIsAViolation(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"two ways at every step", "many rules for many items"} {
		test := hostile()[name]
		for _, text := range []string{test[0], `{"not":` + strings.ReplaceAll(test[0], "#/", "#/not/") + `}`} {
			got := compiled(t, text).Check([]byte(test[1]))
			if len(got) != 1 || got[0].String() != "takes too long to check against its schema" {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
}

func TestOrdinaryDataIsCheckedWithinItsSteps(t *testing.T) {
	t.Parallel()
	lines := strings.Repeat(`{"sku":"a","n":1},`, 10_000)
	large := compiled(t, strings.Replace(order, `"uniqueItems":true,`, "", 1))
	if got := large.Check([]byte(`{"orderId":"o-1","lines":[` + strings.TrimSuffix(lines, ",") + `]}`)); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	s, data := compiled(b, order), []byte(`{"orderId":"o-1","total":10.25,"state":"open","lines":[{"sku":"a","n":1},{"sku":"b","n":2}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if got := s.Check(data); got != nil {
			b.Fatal(got)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, test := range hostile() {
		f.Add([]byte(test[0]), []byte(`[[1],{"a":1e999},"x"]`))
	}
	f.Add([]byte(order), []byte(`{"orderId":"o-1","lines":[{"sku":"a"}]}`))
	f.Add([]byte(`{"$ref":"#/$defs/a%25b","$defs":{"a%b":{"const":1e400}}}`), []byte(`1E+400`))
	f.Add([]byte(`{"unevaluatedItems":false,"contains":{"type":"string"},"if":{"prefixItems":[true]}}`), []byte(`[1,"a",2]`))
	f.Fuzz(func(t *testing.T, text, data []byte) {
		s, err := schema.Compile(text)
		if err != nil {
			if problems, ok := errors.AsType[schema.Invalid](err); !ok || len(problems) == 0 {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		first, again := s.Check(data), s.Check(data)
		if !slices.Equal(first, again) {
			t.Fatalf("told once %v and then %v", first, again)
		}
	})
}
