package lambdahttp

import (
	"bytes"
	"net/http"
	"strings"
)

// A recorder takes an answer by the rules of net/http: the first status counts,
// headers set after it do not, a handler that sets none answers 200, and some
// answers have no body.
type recorder struct {
	method string
	header http.Header
	sent   http.Header // the headers as they were when the status was set
	status int         // 0: none yet
	body   bytes.Buffer
}

func (a *recorder) Header() http.Header { return a.header }

func (a *recorder) WriteHeader(status int) {
	if status < http.StatusOK || a.status != 0 { // 1xx cannot be passed on
		return
	}
	a.status = status
	a.sent = a.header.Clone()
}

func (a *recorder) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if !bodyAllowed(a.status) {
		return 0, http.ErrBodyNotAllowed
	}
	return a.body.Write(p)
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// fail forgets the answer and makes it a 500 without text.
func (a *recorder) fail() {
	a.status = http.StatusInternalServerError
	a.sent = http.Header{}
	a.body.Reset()
}

// oneLine is what net/http makes of a header value with line breaks.
func oneLine(value string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
}

// copyTo hands the answer to the adapter, whole.
func (a *recorder) copyTo(w http.ResponseWriter) {
	a.WriteHeader(http.StatusOK)
	header := w.Header()
	for name, values := range a.sent {
		for _, v := range values {
			header.Add(name, oneLine(v))
		}
	}
	if a.body.Len() > 0 && header.Get("Content-Type") == "" && header.Get("Content-Encoding") == "" {
		header.Set("Content-Type", http.DetectContentType(a.body.Bytes()))
	}
	w.WriteHeader(a.status)
	if a.body.Len() > 0 && a.method != http.MethodHead {
		_, _ = w.Write(a.body.Bytes()) // into memory
	}
}
