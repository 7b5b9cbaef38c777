package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"hermod/pkg/hermod"
)

// A Dialect is how one public API tells who is calling and how it says that
// something went wrong.
type Dialect interface {
	// Authenticate resolves the request's credential. It fails with
	// CodeUnauthorized.
	Authenticate(r *http.Request) (*hermod.Principal, error)
	// WriteError answers with the error in the dialect's form.
	WriteError(w http.ResponseWriter, r *http.Request, err error)
}

// A Server serves the rows of a route table in one dialect.
type Server struct {
	dialect Dialect
	log     *slog.Logger
	now     func() time.Time
	trace   func() string
	limiter *Limiter
	mux     *http.ServeMux
}

// Options are what a Server needs.
type Options struct {
	Dialect Dialect
	Routes  []Route
	Log     *slog.Logger
	Now     func() time.Time
	// Trace makes the id of a request that brings none: 32 hex digits.
	Trace func() string
	// Limiter bounds the requests of each credential; nil for no bound.
	Limiter *Limiter
}

// NewServer makes a Server. It panics on a row that says of nobody who may call,
// and on two rows for one method and path: such a table must not start.
func NewServer(o Options) *Server {
	s := &Server{dialect: o.Dialect, log: o.Log, now: o.Now, trace: o.Trace, limiter: o.Limiter, mux: http.NewServeMux()}
	methods := map[string]map[string]Access{}
	for _, r := range o.Routes {
		if !r.Access.valid() {
			panic(fmt.Sprintf("api: route %s %s says of nobody who may call it", r.Method, r.Path))
		}
		if methods[r.Path] == nil {
			methods[r.Path] = map[string]Access{}
		}
		if _, twice := methods[r.Path][r.Method]; twice {
			panic(fmt.Sprintf("api: route %s %s stands twice", r.Method, r.Path))
		}
		methods[r.Path][r.Method] = r.Access
	}
	for p, m := range methods {
		s.mux.Handle(p, s.methods(p, m))
	}
	return s
}

// methods serves one path: the row of the request's method, or 405. What can be
// got can be asked for its head (RFC 9110, section 9.3.2); net/http leaves the body
// out.
func (s *Server) methods(pattern string, rows map[string]Access) http.Handler {
	if get, ok := rows[http.MethodGet]; ok {
		if _, own := rows[http.MethodHead]; !own {
			rows[http.MethodHead] = get
		}
	}
	allow := strings.Join(slices.Sorted(maps.Keys(rows)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line := lineOf(r.Context())
		line.route = pattern
		row, ok := rows[r.Method]
		if !ok {
			w.Header().Set("Allow", allow)
			s.fail(w, r, ErrMethodNotAllowed)
			return
		}
		if err := s.serve(w, r, row, line); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, row Access, line *line) error {
	if row.public != nil {
		r = r.WithContext(hermod.WithActor(r.Context(), hermod.Actor{Kind: hermod.ActorHermod, Trace: line.trace}))
		if err := s.count(r, row); err != nil {
			return err
		}
		return row.public(w, r)
	}
	principal, err := s.dialect.Authenticate(r)
	if err != nil {
		return err
	}
	line.principal = principal
	ctx := hermod.WithActor(r.Context(), hermod.Actor{
		Kind: hermod.ActorCredential, Credential: principal.CredentialID, Trace: line.trace,
	})
	r = r.WithContext(ctx)
	if s.limiter != nil {
		if err := s.limiter.Take(ctx, principal.CredentialID); err != nil {
			return err
		}
	}
	if !principal.Has(row.scope) {
		return hermod.Errorf(hermod.CodeForbidden, "this needs the scope %s", row.scope)
	}
	return row.scoped(w, r, principal)
}

// count counts a request to a public row for what it presents, if the row asks for that.
func (s *Server) count(r *http.Request, row Access) error {
	if s.limiter == nil || row.counted == nil {
		return nil
	}
	credential, err := row.counted(r)
	if err != nil {
		return err
	}
	return s.limiter.Take(r.Context(), credential)
}

// The failures of routing. They are no domain errors: each has a status of HTTP
// alone.
var (
	ErrMethodNotAllowed     = &RequestError{Status: http.StatusMethodNotAllowed, Message: "this resource does not know the method"}
	ErrUnsupportedMediaType = &RequestError{Status: http.StatusUnsupportedMediaType, Message: "the content type is not supported here: send application/json"}
)

// A RequestError is a refusal that HTTP has a status for and the domain has not.
type RequestError struct {
	Status  int
	Message string
}

func (e *RequestError) Error() string { return e.Message }

func errNoRoute() error { return hermod.Errorf(hermod.CodeNotFound, "there is nothing here") }

// ServeHTTP answers a request and logs one line about it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l := &line{start: s.now(), trace: traceOf(r, s.trace), route: "none"}
	rec := &recorder{ResponseWriter: w}
	r = r.WithContext(context.WithValue(r.Context(), lineKey{}, l))
	r.Body = http.MaxBytesReader(w, r.Body, hermod.MaxRequestBytes)
	defer func() {
		if p := recover(); p != nil {
			s.fail(rec, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
		s.logLine(r, l, rec)
	}()
	if err := bounded(r); err != nil {
		s.fail(rec, r, err)
		return
	}
	// ServeMux answers an unclean path by a redirect; here paths match exactly.
	if r.URL.Path == "" || path.Clean(r.URL.Path) != r.URL.Path {
		s.fail(rec, r, errNoRoute())
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.fail(rec, r, errNoRoute())
		return
	}
	// A parameter that cannot be read must not pass for one that is absent.
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		s.fail(rec, r, hermod.Errorf(hermod.CodeInvalid, "the query cannot be read"))
		return
	}
	s.mux.ServeHTTP(rec, r)
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && codeOf(err) == hermod.CodeInternal {
		err = &hermod.Error{Code: hermod.CodeUnavailable, Message: "the request ended before its answer", Err: err}
	}
	l := lineOf(r.Context())
	l.err = err
	if rec, ok := w.(*recorder); ok && rec.status != 0 {
		return // the answer is under way; it cannot be taken back
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		err = &hermod.Error{Code: hermod.CodeTooLarge, Message: fmt.Sprintf("a request may have %d bytes", tooLarge.Limit), Err: err}
	}
	s.dialect.WriteError(w, r, err)
}

// A line is what is gathered for the one log line of a request.
type line struct {
	start     time.Time
	trace     string
	route     string
	principal *hermod.Principal
	err       error
}

type lineKey struct{}

func lineOf(ctx context.Context) *line {
	l, _ := ctx.Value(lineKey{}).(*line)
	return cmp.Or(l, &line{})
}

// Trace is the id of the request, 32 hex digits.
func Trace(ctx context.Context) string { return lineOf(ctx).trace }

// traceOf continues the caller's trace (W3C Trace Context, section 3.2) or starts
// one.
func traceOf(r *http.Request, fresh func() string) string {
	parts := strings.Split(r.Header.Get("Traceparent"), "-")
	if len(parts) >= 4 {
		if id, err := hermod.ParseID(parts[1]); err == nil && !id.IsZero() {
			return parts[1]
		}
	}
	return fresh()
}

func (s *Server) logLine(r *http.Request, l *line, rec *recorder) {
	attrs := []slog.Attr{
		slog.String("method", r.Method),
		slog.String("route", l.route),
		slog.Int("status", rec.status),
		slog.Int64("bytes", rec.bytes),
		slog.Duration("duration", s.now().Sub(l.start)),
		slog.String("trace", l.trace),
	}
	if l.principal != nil {
		attrs = append(attrs, slog.String("credential", l.principal.CredentialID), slog.String("account", l.principal.Account))
	}
	level := slog.LevelInfo
	if l.err != nil {
		code := codeOf(l.err)
		if code == hermod.CodeInternal {
			level = slog.LevelError
		}
		attrs = append(attrs, slog.String("code", string(code)), slog.String("error", hermod.Detail(l.err)))
	}
	s.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// codeOf is the code of an error, those of HTTP alone included.
func codeOf(err error) hermod.Code {
	if _, ok := errors.AsType[*RequestError](err); ok {
		return hermod.CodeInvalid
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return hermod.CodeTooLarge
	}
	return hermod.CodeOf(err)
}

// A recorder remembers the status and the size of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap gives http.ResponseController the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
