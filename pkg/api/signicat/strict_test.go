package signicat_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"hermod/pkg/api/signicat"
	"hermod/pkg/hermod"
)

// Where a misspelt member was passed over, a filter would select everything.
func TestABodyOfHermodsOwnHasNoOtherMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	letter, sub := w.letter(t, "sign:done", hermod.ReasonExhausted)
	rotate := subscriptionsPath + "/" + w.subscribe(t, "local", standardSigned) + "/secret/rotate"
	for _, c := range []struct{ path, body, wrong string }{
		{lettersPath + "/purge", `{"subscriptionID":"typo"}`, "[subscriptionID]"},
		{lettersPath + "/purge", `{"rate":1,"preview":true}`, "[rate preview]"}, // those of a redrive
		{lettersPath + "/purge", `{"subscriptionId":"` + sub + `","reason":"gone","":0,"Events":[]}`, "[reason  Events]"},
		{lettersPath + "/redrive", `{"Preview":true}`, "[Preview]"},
		{rotate, `{"Overlap":0}`, "[Overlap]"},
		{rotate, `{"over\u006Cap":0,"x":{"y":[1,"}"]}}`, "[x]"},
	} {
		a := w.do(t, "local", http.MethodPost, c.path, c.body)
		if got := fmt.Sprint(a.wrong(t)); got != c.wrong || !strings.Contains(string(a.body), "is not known here") {
			t.Errorf("%s: %s", c.body, a.body)
		}
	}
	wantListed(t, "afterwards", w.listed(t, "local", ""), letter)
	if until := until(t, w.do(t, "local", http.MethodGet, strings.TrimSuffix(rotate, "/secret/rotate"), "")); until != "" {
		t.Errorf("a former secret is valid until %s", until)
	}
}

func TestMembersOfASignatureAreKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.subscribe(t, "local", hmacSigned)
	const standard = `"authenticationType":"StandardWebhooks","standardWebhooks":`
	for members, wrong := range map[string]string{
		standard + `{"algo":"ed25519"}`:                                                             "[messageAuthentication.standardWebhooks.algo]",
		standard + `{"Secret":"mine"}`:                                                              "[messageAuthentication.standardWebhooks.Secret]",
		standard + `{"secret":"whsec_no base64"}`:                                                   "[messageAuthentication.standardWebhooks.secret]",
		standard + `{"secret":"whsec_"}`:                                                            "[messageAuthentication.standardWebhooks.secret]",
		standard + `{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8I"}`:                                        "[]",
		standard + `{"secret":"any text"},"hmacSha256":null`:                                        "[]",
		`"authenticationType":"HmacSha256","hmacsha256":{"secret":"s"},"hmacSha256":{"secret":"s"}`: "[messageAuthentication.hmacsha256]",
		`"authenticationType":"HmacSha256","hmacSha256":{"secret":"s","overlap":1}`:                 "[messageAuthentication.hmacSha256.overlap]",
		`"authenticationType":"HmacSha256","hmacSha256":{"secret":"whsec_no base64"}`:               "[]",
		`"authenticationType":"None","secret":"s"`:                                                  "[messageAuthentication.secret]",
		`"authenticationType":"None","hmacSha256":{"secret":"s"}`:                                   "[]",
	} {
		for method, path := range map[string]string{http.MethodPost: subscriptionsPath, http.MethodPut: subscriptionsPath + "/" + id} {
			a := w.do(t, "local", method, path, webhook(`,"messageAuthentication":{`+members+`}`))
			got := "[]"
			if a.status != http.StatusOK {
				got = fmt.Sprint(a.wrong(t))
			}
			if got != wrong {
				t.Errorf("%s %s: %s", method, members, a.body)
			}
		}
	}
}

// What is shown of a signature can be written back, in the middle of a rotation too.
func TestASignatureThatWasReadCanBeWrittenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, members := range []string{hmacSigned, standardSigned, ed25519Signed} {
		id := w.subscribe(t, "local", members)
		w.rotate(t, id, "").json(t, http.StatusOK)
		shown := w.read(t, id)
		back := w.do(t, "local", http.MethodPut, subscriptionsPath+"/"+id, string(shown.body))
		if wantStatus(t, members, back, http.StatusOK); string(back.body) != string(shown.body) {
			t.Errorf("%s\nwritten back is\n%s", shown.body, back.body)
		}
	}
}

func TestWhatIsWrongWithABodySaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	header := func(name string) string {
		return strings.Replace(webhook(""), `"url"`, `"headers":{"`+name+`":"v"},"url"`, 1)
	}
	for name, tt := range map[string]struct {
		body, media, says string
		status            int
	}{
		"no body":              {"", "application/json", "a body is required", http.StatusBadRequest},
		"an XML":               {"<x/>", "application/xml", "send application/json", http.StatusUnsupportedMediaType},
		"a header of a cloud":  {header("Metadata-Flavor"), "", `Metadata-Flavor","reason":"is not allowed"`, http.StatusBadRequest},
		"no name for a header": {header("Ä"), "", `must have a header name: letters, digits`, http.StatusBadRequest},
	} {
		a := w.do(t, "local", http.MethodPost, signicat.Base+"/subscriptions", tt.body, "Content-Type", tt.media)
		if wantStatus(t, name, a, tt.status); !strings.Contains(string(a.body), tt.says) {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}
