package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"hermod/pkg/hermod"
)

// WriteJSON answers with v as JSON. Text is not escaped for HTML.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// ReadBody reads the body. The server bounds it by hermod.MaxRequestBytes; the
// *http.MaxBytesError is passed on, and the server answers it.
func ReadBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		return nil, &hermod.Error{Code: hermod.CodeInvalid, Message: "the body could not be read", Err: err}
	}
	return body, nil
}

// MediaType is the content type without parameters, in lower case; "" for none.
func MediaType(r *http.Request) string {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return ""
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil {
		return "invalid"
	}
	return media
}

// Query finds a query parameter without regard to the case of its name; the first
// of QueryValues, "" for none.
func Query(r *http.Request, name string) string {
	if values := QueryValues(r, name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// QueryValues are all values of a query parameter, whatever the case of its name,
// in an order that depends on the request alone.
func QueryValues(r *http.Request, name string) []string {
	query := r.URL.Query()
	var all []string
	for _, key := range slices.Sorted(maps.Keys(query)) {
		if strings.EqualFold(key, name) {
			all = append(all, query[key]...)
		}
	}
	return all
}

// A BaseURL is where clients reach Hermod: configured, or told from the request.
type BaseURL string

// Of is the base of links in the answer to the request, without a slash at its
// end.
func (b BaseURL) Of(r *http.Request) string {
	if b != "" {
		return strings.TrimSuffix(string(b), "/")
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
