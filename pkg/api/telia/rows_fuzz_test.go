package telia_test

import (
	"testing"

	"hermod/pkg/api/apitest"
)

// FuzzRows: whatever a caller sends to any row, it is told so in the API's form.
func FuzzRows(f *testing.F) {
	w := newWorld(f)
	apitest.FuzzRows(f, table(), []string{
		`{}`, subscribing(""), `{"login":"local","password":"x","tenantid":"` + localTenant + `"}`, `{"LOGIN":1,"Password":[],"tenantId":null}`, `{"Uri":"x","uri":"y"}`,
	}, []string{"eventType=signatorysigned", "EVENTTYPE=%ff", "eventType=a&eventType=b"},
		func(t *testing.T, method, target, body string, header ...string) int {
			return w.do(t, "local", method, target, body, header...).status
		})
}

// FuzzSession: a token that Hermod did not make is refused, whatever it looks like.
func FuzzSession(f *testing.F) {
	w := newWorld(f)
	good := w.token(f, "local")
	for _, seed := range []string{"", ".", "..", "e30.e30.", good + "x", good[:len(good)-1], "eyJhbGciOiJub25lIn0.e30.", "null.null.null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if token = cleaned(token); token == good {
			return
		}
		w.send(t, "GET", "/hooks/v1", "", "Ocp-Apim-Subscription-Key", "local-key", "Authorization", "Bearer "+token).message(t, 401)
	})
}

// cleaned is a text as a header can hold it, without space at its ends.
func cleaned(s string) string {
	out := []rune{}
	for _, r := range s {
		if r > ' ' && r < 0x7f {
			out = append(out, r)
		}
	}
	return string(out)
}
