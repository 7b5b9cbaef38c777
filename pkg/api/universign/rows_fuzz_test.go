package universign_test

import (
	"testing"

	"hermod/pkg/api/apitest"
)

// FuzzRows: whatever a caller sends to any row, it is told so in the API's form.
func FuzzRows(f *testing.F) {
	w := newWorld(f)
	apitest.FuzzRows(f, table(), []string{
		`{}`, form("name", "A", "url", target, "event_types", "action.closed"), `{"name":"A","url":"x","event_types":["action.closed"]}`, `{"role":"owner","name":"x"}`,
		"workspace_id=wsp_x&name=%ff",
	}, []string{
		"limit=0", "starting_after=evt_x&limit=1", "types=action.closed,x&format=csv", "from=2026-01-01&to=2025-01-01", "period_start=1&period_end=x", "state=failed&endpoint=we_x",
	}, func(t *testing.T, method, target, body string, header ...string) int {
		return w.do(t, owner, method, target, body, header...).status
	})
}
