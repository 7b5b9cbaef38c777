// Package signly is the API of Signly's webhooks, with its envelope around every
// answer, and the form of its deliveries. It is written from the vendor's page
// (webhooks and event catalog, v1). What that page leaves open is marked "inferred"
// where it is settled.
package signly

import (
	"context"
	"net/http"
	"time"

	"hermod/pkg/api"
	"hermod/pkg/hermod"
)

// Base begins the paths of the dialect's rows.
const Base = "/signly"

// apiVersion is the version of the vendor's API that this one is.
const apiVersion = "v1"

// An envelope is the body of every answer, errors too.
type envelope struct {
	Success    bool        `json:"success"`
	Status     int         `json:"status"`
	Code       string      `json:"code"`
	Message    string      `json:"message"`
	Data       any         `json:"data"`
	Pagination *pagination `json:"pagination"`
	Meta       meta        `json:"meta"`
	Error      *failure    `json:"error"`
}

// pagination is there when a list takes more than one page (inferred).
type pagination struct {
	Limit      int     `json:"limit"`
	NextCursor *string `json:"next_cursor"`
	HasMore    bool    `json:"has_more"`
}

type meta struct {
	RequestID  string  `json:"request_id"`
	Timestamp  string  `json:"timestamp"`
	APIVersion string  `json:"api_version"`
	TenantID   *string `json:"tenant_id"`
}

// A failure says what kind of error it is, and of what.
type failure struct {
	Type    string `json:"type"`
	Details any    `json:"details"`
}

// metaOf is the meta of an answer given now. The tenant is the one that the request
// names, null where it names none.
func metaOf(r *http.Request, now time.Time) meta {
	m := meta{RequestID: requestID(r.Context()), Timestamp: instant(now), APIVersion: apiVersion}
	if tenant := clip(r.Header.Get(tenantHeader)); tenant != "" {
		m.TenantID = &tenant
	}
	return m
}

// requestID is the id of the request's log line, its trace, written as a ULID: all
// 128 bits of it, so that either is told from the other.
func requestID(ctx context.Context) string {
	id, err := hermod.ParseID(api.Trace(ctx))
	if err != nil {
		id = hermod.ID{} // a request that no server has traced
	}
	return "req_" + id.ULID()
}

// instant is a moment as this API writes it: UTC, to the second.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// A said is what an answer says besides its data.
type said struct {
	status        int
	code, message string
}

// answer writes the envelope of a success.
func answer(w http.ResponseWriter, r *http.Request, now time.Time, s said, data any, pages *pagination) error {
	return api.WriteJSON(w, s.status, envelope{
		Success: true, Status: s.status, Code: s.code, Message: s.message, Data: data, Pagination: pages, Meta: metaOf(r, now),
	})
}
