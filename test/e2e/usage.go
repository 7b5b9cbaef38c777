package e2e

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// fetch gets a path of the dialect as it is, or from where an answer of 303 points,
// where it presents no credential.
func (c *universignClient) fetch(path string, header ...string) (text string, redirected bool) {
	c.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(link string, prepare func(*http.Request)) (status int, h http.Header, body string) {
		r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, link, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		prepare(r)
		answer, err := client.Do(r)
		if err != nil {
			c.t.Fatal(err)
		}
		defer answer.Body.Close() //nolint:errcheck // it was read
		whole, err := io.ReadAll(answer.Body)
		if err != nil {
			c.t.Fatalf("GET %s: %v", link, err)
		}
		return answer.StatusCode, answer.Header, string(whole)
	}
	status, h, text := get(c.target.BaseURL+"/universign/v1"+path, func(r *http.Request) {
		r.SetBasicAuth(c.key, "")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
	})
	if redirected = status == http.StatusSeeOther; redirected {
		status, h, text = get(h.Get("Location"), func(*http.Request) {})
	}
	if status != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/csv") {
		c.t.Fatalf("GET %s: %d %s %.300s", path, status, h, text)
	}
	return text, redirected
}

// firstOf are the values of the first column of a file, without its name.
func firstOf(t *testing.T, text string) (ids []string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("no CSV: %v: %.300s", err, text)
	}
	for _, row := range rows[1:] {
		ids = append(ids, row[0])
	}
	return ids
}

// testUniversignEvents reads what was published: one event, pages, filters, files, and
// what was used up. No other test publishes such events for this account.
func testUniversignEvents(t *testing.T, target Target) {
	c, native := target.universign(t, "apikey_other"), target.as(t, "other")
	period := "created_gt=" + url.QueryEscape(time.Now().Add(-time.Minute).Format(time.RFC3339Nano)) +
		"&created_lt=" + url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339Nano))
	var ids []string
	publish := func(name string, data map[string]any, key string) {
		e := event("universign", name, data)
		e["context"] = map[string]any{"apiKeyId": key}
		ids = slices.Insert(ids, 0, universignEvent(t, native.publish(e)))
	}
	for i := range 9 {
		level := []any{1, "level2", 4}[i%3]
		publish("action.closed", map[string]any{"object": "action", "id": fmt.Sprintf("act_%d", i), "type": "signature", "required_level": level, "transaction_id": "tx_1"}, "apk_1")
	}
	publish("action.closed", map[string]any{"object": "action", "id": "act_v", "type": "visa", "transaction_id": "tx_1"}, "apk_2")
	publish("transaction.lifecycle.completed", map[string]any{"object": "transaction", "id": "tx_1", "state": "completed", "sealers": []any{map[string]any{}, map[string]any{}}}, "apk_2")

	target.eventually(t, func() string { // indexes may lag behind
		if list := c.call(http.MethodGet, "/events?limit=100&"+period).want(http.StatusOK); !slices.Equal(list.idsOf(), ids) {
			return "the list is " + string(list.body)
		}
		report := c.call(http.MethodGet, "/events/report?"+period).want(http.StatusOK)
		if report.number("total") != 12 || report.number("signatures") != 9 || report.number("visas") != 1 || report.number("seals") != 2 ||
			report.number("reviews") != 0 || report.number("signatures_by_required_level.level_1") != 3 {
			return "the report is " + string(report.body)
		}
		return ""
	})
	if one := c.call(http.MethodGet, "/events/"+ids[1]).want(http.StatusOK); one.text("payload.object.type") != "visa" || one.text("apikey_id") != "apk_2" {
		t.Errorf("event %s", one.body)
	}
	page := c.call(http.MethodGet, "/events?limit=4&type=action.closed&starting_after="+ids[2]).want(http.StatusOK)
	if !slices.Equal(page.idsOf(), ids[3:7]) || page.value("has_more") != true {
		t.Errorf("page %s", page.body)
	}
	if keyed := c.call(http.MethodGet, "/events?apikey_id=apk_2&"+period).want(http.StatusOK); !slices.Equal(keyed.idsOf(), ids[:2]) {
		t.Errorf("by API key %s", keyed.body)
	}
	for path, header := range map[string][]string{"/events/export?": nil, "/events?": {"Accept", "text/csv"}} {
		if text, redirected := c.fetch(path+period, header...); !slices.Equal(firstOf(t, text), ids) || redirected {
			t.Errorf("%s: redirected %t, %s", path, redirected, text)
		}
	}
	c.call(http.MethodGet, "/events?limit=101").want(http.StatusBadRequest)
	c.call(http.MethodGet, "/events/evt_nothing").want(http.StatusNotFound)
	testLargeExport(t, c, native, period, ids)
}

// testLargeExport exports over 4 MB: streamed by the one engine, kept and redirected to
// by the other.
func testLargeExport(t *testing.T, c *universignClient, native *caller, period string, ids []string) {
	t.Helper()
	large := strings.Repeat("x", 200_000)
	for range 3 {
		var batch []map[string]any
		for range 8 {
			batch = append(batch, event("universign", "action.opened", map[string]any{"object": "action", "id": large}))
		}
		native.api(http.MethodPost, "/events", map[string]any{"events": batch}).want(http.StatusAccepted)
	}
	c.target.eventually(t, func() string {
		text, redirected := c.fetch("/events/export?" + period)
		t.Logf("%d bytes, redirected %t", len(text), redirected)
		if rows := firstOf(t, text); len(rows) != len(ids)+24 || !slices.Equal(rows[24:], ids) {
			return fmt.Sprintf("the export has %d rows", len(rows))
		}
		return ""
	})
}
