package contract

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	stdpath "path"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// An Exchange is one request and its answer.
type Exchange struct {
	Method string
	// Target is the path and the query, as they were sent.
	Target      string
	RequestType string
	RequestBody []byte
	Status      int
	Header      http.Header
	Body        []byte
}

// Check says what about the exchange the description does not say: a status, a
// content type, a member. A request that breaks a rule may be part of it, but then
// its answer must not be a success.
func (d *Description) Check(x Exchange) error {
	responses, operation, err := d.expected(x)
	if err != nil {
		return fmt.Errorf("%s %s: %w", x.Method, x.Target, err)
	}
	response := d.At(responses, strconv.Itoa(x.Status))
	if response.Value == nil {
		return fmt.Errorf("%s %s: status %d is not described (%s are): %s",
			x.Method, x.Target, x.Status, strings.Join(slices.Sorted(maps.Keys(responses.Value)), " "), x.Body)
	}
	if err := d.checkAnswer(response, x); err != nil {
		return fmt.Errorf("%s %s, answered %d: %w\n%s", x.Method, x.Target, x.Status, err, x.Body)
	}
	if x.Status < 300 && operation.Value != nil {
		if err := d.checkRequest(operation, x); err != nil {
			return fmt.Errorf("%s %s was accepted with %d: %w\n%s", x.Method, x.Target, x.Status, err, x.RequestBody)
		}
	}
	return nil
}

// expected are the answers that may come, and the operation where there is one.
func (d *Description) expected(x Exchange) (responses, operation Node, err error) {
	target, err := url.ParseRequestURI(x.Target)
	if err != nil {
		return Node{}, Node{}, fmt.Errorf("no target: %w", err)
	}
	only := func(status int, name string) (Node, Node, error) {
		shared := map[string]any{"$ref": "#/components/responses/" + DialectOf(target.Path) + name}
		return Node{"#", map[string]any{strconv.Itoa(status): shared}}, Node{}, nil
	}
	switch x.Status {
	case http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge, http.StatusLoopDetected: // of any request
		return only(x.Status, "OutOfBounds")
	}
	withoutSlash(target)
	pattern, ok := d.match(target.EscapedPath())
	if !ok || stdpath.Clean(target.Path) != target.Path { // paths match exactly
		return only(http.StatusNotFound, "NotFound")
	}
	item := d.At(d.Top(), "paths", pattern)
	operation = d.At(item, strings.ToLower(x.Method))
	if operation.Value == nil && x.Method == http.MethodHead {
		operation = d.At(item, "get")
	}
	if operation.Value == nil || x.Method != strings.ToUpper(x.Method) {
		return only(http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
	return d.At(operation, "responses"), operation, nil
}

func (d *Description) checkAnswer(response Node, x Exchange) error {
	if err := d.checkHeaders(response, x.Header); err != nil {
		return err
	}
	content := d.At(response, "content")
	if content.Value == nil {
		if len(x.Body) > 0 {
			return errors.New("the answer must be empty")
		}
		return nil
	}
	media, err := mediaType(x.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	described := d.At(content, media)
	if described.Value == nil {
		return fmt.Errorf("content type %q is not described (%s are)", media, strings.Join(slices.Sorted(maps.Keys(content.Value)), " "))
	}
	if x.Method == http.MethodHead {
		if len(x.Body) > 0 {
			return errors.New("the answer to a HEAD has a body")
		}
		return nil
	}
	return d.checkBody(described, media, x.Body)
}

func mediaType(header string) (string, error) {
	media, _, err := mime.ParseMediaType(header)
	if err != nil {
		return "", fmt.Errorf("content type %q: %w", header, err)
	}
	return media, nil
}

func (d *Description) checkHeaders(response Node, got http.Header) error {
	headers := d.At(response, "headers")
	for _, name := range slices.Sorted(maps.Keys(headers.Value)) {
		header := d.At(headers, name)
		value := got.Get(name)
		if value == "" {
			if header.Value["required"] == true {
				return fmt.Errorf("there is no header %s", name)
			}
			continue
		}
		schema, err := d.Schema(header.Pointer + "/schema")
		if err != nil {
			return err
		}
		if err := schema.Validate(typed(value, schema)); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return nil
}

// typed is a text as the number that its schema asks for, where it is one.
func typed(text string, schema *jsonschema.Schema) any {
	for schema.Ref != nil {
		schema = schema.Ref
	}
	if schema.Types != nil && slices.Contains(schema.Types.ToStrings(), "integer") {
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	}
	return text
}

// checkBody validates JSON; of other media it only asks that there is something.
func (d *Description) checkBody(media Node, mediaType string, body []byte) error {
	if !strings.HasSuffix(mediaType, "json") {
		if len(body) == 0 {
			return errors.New("the body is empty")
		}
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is no JSON: %w", err)
	}
	schema, err := d.Schema(media.Pointer + "/schema")
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// checkRequest asks of a request that was accepted that it is as described, so
// that the description does not forbid what is served.
func (d *Description) checkRequest(operation Node, x Exchange) error {
	content := d.At(operation, "requestBody", "content")
	if content.Value == nil || len(x.RequestBody) == 0 {
		return nil
	}
	media := "application/json"
	if x.RequestType != "" {
		var err error
		if media, err = mediaType(x.RequestType); err != nil {
			return err
		}
	}
	described := d.At(content, media)
	if described.Value == nil {
		return fmt.Errorf("request content type %q is not described", media)
	}
	return d.checkBody(described, media, x.RequestBody)
}
