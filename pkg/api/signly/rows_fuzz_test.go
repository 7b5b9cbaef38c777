package signly_test

import (
	"testing"

	"hermod/pkg/api/apitest"
	"hermod/pkg/push"
)

// FuzzRows: whatever a caller sends to any row, it is told so in the API's envelope.
func FuzzRows(f *testing.F) {
	w := newWorldOf(f, parts{targets: checked{silent{}, push.New(push.Options{Policy: push.Strict()})}, pusher: silent{}})
	apitest.FuzzRows(f, table(), []string{
		`{}`, webhook("https://receiver.example/", ""), `{"status":"DISABLED","retries":{"maxAttempts":0}}`, `{"customHeaders":{"Host":"x"}}`, `{"eventType":"OTP_SENT"}`,
	}, []string{"page=1&limit=1000", "cursor=x&status=ENABLED", "limit=-1&sort=%ff"},
		func(t *testing.T, method, target, body string, header ...string) int {
			return w.do(t, localKey, method, target, body, header...).status
		})
}
