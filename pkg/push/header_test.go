package push_test

import (
	"encoding/json"
	"testing"

	"golang.org/x/net/http/httpguts"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// The judge is the library that net/http goes by when it sends.
func TestAHeaderIsTakenIfItCanBeSent(t *testing.T) {
	t.Parallel()
	ps := newPushers(t, push.Options{})
	for r := range rune(0x180) {
		for _, header := range [][2]string{{"X" + string(r) + "Y", "v"}, {string(r), "v"}, {"X-Own", string(r)}, {"X-Own", "a" + string(r) + "b"}} {
			raw, err := json.Marshal(map[string]any{"url": "https://receiver.example/", "headers": map[string]string{header[0]: header[1]}})
			if err != nil {
				t.Fatal(err)
			}
			want := httpguts.ValidHeaderFieldName(header[0]) && httpguts.ValidHeaderFieldValue(header[1])
			if err := ps.Check(hermod.Webhook, raw); (err == nil) != want {
				t.Errorf("%q: %v", header, err)
			}
		}
	}
}
