package docs

import (
	"cmp"
	"crypto/sha256"
	_ "embed" // of the page's style
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hermod/docs"
)

//go:embed page.css
var pageStyle string

// rendered is the page, and the hash of its style as a policy names it.
type rendered struct {
	html      string
	styleHash string
}

// A view is what the page shows.
type view struct {
	Title, Summary string
	About          []block
	Base           string
	Openings       []opening
	Groups         []group
	Problems       []problem
	Schemas        []schema
}

// A group holds the operations of one tag.
type group struct {
	ID, Name   string
	About      []block
	Operations []operation
}

type operation struct {
	ID, Method, Path, Summary string
	// Parts are the path cut before each slash, where a line may break.
	Parts      []string
	Aliases    []string
	About      []block
	Scope      string     // "" for none
	Headers    [][]string // that present the credential, of each alternative; none for a public one
	asks       [][]credential
	Parameters []property
	Bodies     []body
	Answers    []answer
	Failures   []problem
	Follow     []link
	Curl       string
}

// A body is one form of a request's body.
type body struct {
	Media    string
	Type     []piece
	Examples []example
}

type example struct{ Summary, Text string }

// An answer is one that is no failure.
type answer struct {
	Status, Phrase string
	About          []block
	Headers        []property
	Media          string
	Type           []piece
	Sample         string
}

// A link leads to an operation that takes what this one answered.
type link struct{ ID, Summary string }

// A problem is a failure that operations share.
type problem struct {
	ID, Status, Phrase string
	// API is the tag of the operations that fail in this form; "" for that of several.
	API     string
	About   []block
	Headers []property
	Sample  string
}

func render() (rendered, error) {
	root, err := parse(docs.OpenAPI())
	if err != nil {
		return rendered{}, err
	}
	var w writer
	viewOf(root).write(&w)
	sum := sha256.Sum256([]byte(pageStyle))
	return rendered{w.String(), "sha256-" + base64.StdEncoding.EncodeToString(sum[:])}, nil
}

func viewOf(root node) view {
	info := root.get("info")
	v := view{
		Title: info.get("title").text(), Summary: info.get("summary").text(), About: prose(info.get("description").text()),
		Base: docs.Base,
	}
	operations := operationsOf(root)
	v.Openings = openingsOf(root, operations)
	summaries := map[string]string{}
	for _, o := range operations {
		summaries[o.ID] = o.Summary
	}
	byTag := map[string][]operation{}
	for _, o := range operations {
		for i, l := range o.Follow {
			o.Follow[i].Summary = summaries[l.ID]
		}
		byTag[o.tag] = append(byTag[o.tag], o.operation)
	}
	for _, tag := range root.get("tags").list() {
		name := tag.get("name").text()
		v.Groups = append(v.Groups, group{
			ID: strings.ToLower(strings.ReplaceAll(name, " ", "-")), Name: name,
			About: prose(tag.get("description").text()), Operations: byTag[name],
		})
	}
	forms := formsOf(root)
	for name, response := range root.get("components", "responses").members() {
		if p := problemOf(name, response); p.Status != "" {
			p.API = forms[formOf(response)]
			v.Problems = append(v.Problems, p)
		}
	}
	for name, n := range root.get("components", "schemas").members() {
		v.Schemas = append(v.Schemas, schemaOf(name, n))
	}
	return v
}

// A tagged operation is one with the tag it stands under.
type tagged struct {
	operation
	tag string
}

func operationsOf(root node) []tagged {
	aliases := map[string][]string{}
	for path, item := range root.get("paths").members() {
		if to := item.refers(); to != "" {
			canonical := strings.NewReplacer("~1", "/").Replace(to)
			aliases[canonical] = append(aliases[canonical], path)
		}
	}
	var all []tagged
	for path, item := range root.get("paths").members() {
		if item.refers() != "" {
			continue
		}
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			if n := item.own(method); n.there() {
				o := operationOf(root, path, method, item, n)
				o.Aliases = aliases[path]
				all = append(all, tagged{o, first(n.get("tags")).text()})
			}
		}
	}
	return all
}

func operationOf(root node, path, method string, item, n node) operation {
	o := operation{
		ID: n.get("operationId").text(), Method: strings.ToUpper(method), Path: path, Parts: cutPath(path),
		Summary: n.get("summary").text(), About: prose(n.get("description").text()), Scope: scopeOf(root, n), asks: credentialsOf(root, n),
	}
	if !public(o.asks) {
		o.Headers = headersAsked(o.asks)
	}
	parameters := slices.Concat(n.get("parameters").list(), item.get("parameters").list())
	slices.SortStableFunc(parameters, func(a, b node) int { return rank(a) - rank(b) })
	for _, p := range parameters {
		o.Parameters = append(o.Parameters, parameterOf(p.resolve()))
	}
	for media, content := range n.get("requestBody", "content").members() {
		o.Bodies = append(o.Bodies, body{media, typeOf(content.own("schema")), examplesOf(content)})
	}
	for status, response := range n.get("responses").members() {
		code, err := strconv.Atoi(status)
		if name := response.refers(); name != "" && err == nil && code >= http.StatusBadRequest {
			p := problemOf(name, response.resolve())
			o.Failures = append(o.Failures, p)
			continue
		}
		o.Answers = append(o.Answers, answerOf(status, response.resolve()))
		for _, l := range response.get("links").members() {
			o.Follow = append(o.Follow, link{ID: l.get("operationId").text()})
		}
	}
	o.Curl = curl(o, parameters, n)
	return o
}

// cutPath cuts a path before each slash but the first.
func cutPath(path string) []string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range parts {
		parts[i] = "/" + parts[i]
	}
	return parts
}

// scopeOf is the scope that a caller must hold. All schemes ask for the same one.
func scopeOf(root, n node) string {
	security := n.own("security")
	if !security.there() {
		security = root.get("security")
	}
	for _, scheme := range first(security).members() {
		return first(scheme).text()
	}
	return ""
}

// rank puts the parameters of a path before the others.
func rank(p node) int {
	if p.get("in").text() == "path" {
		return 0
	}
	return 1
}

func parameterOf(p node) property {
	where := map[string]string{"path": "in the path", "query": "in the query", "header": "a header"}[p.get("in").text()]
	limits := bounds(p.own("schema"))
	if limits != "" {
		where += ", " + limits
	}
	shown := property{
		Name: p.get("name").text(), Type: typeOf(p.own("schema")), Bounds: where, About: prose(p.get("description").text()),
	}
	if p.get("required").text() == "true" {
		shown.Mark = "required"
	}
	return shown
}

func examplesOf(content node) []example {
	if one := content.own("example"); one.there() {
		return []example{{"", one.json()}}
	}
	var all []example
	for _, e := range content.own("examples").members() {
		all = append(all, example{e.get("summary").text(), e.own("value").json()})
	}
	return all
}

func answerOf(status string, response node) answer {
	a := answer{Status: status, Phrase: phrase(status), About: prose(response.get("description").text()), Headers: headersOf(response)}
	for media, content := range response.get("content").members() {
		a.Media, a.Type = media, typeOf(content.own("schema"))
		if strings.HasSuffix(media, "json") {
			a.Sample = sampleOf(content).json()
		}
		break // the others are failures in another form
	}
	return a
}

func sampleOf(content node) node {
	if given := content.own("example"); given.there() {
		return given
	}
	for _, e := range content.own("examples").members() {
		return e.own("value")
	}
	return sample(content.own("schema"))
}

func headersOf(response node) []property {
	var all []property
	for name, h := range response.get("headers").members() {
		h = h.resolve()
		all = append(all, property{Name: name, Type: typeOf(h.own("schema")), About: prose(h.get("description").text())})
	}
	return all
}

// problemOf is a shared failure; its example knows its status. The zero one is none.
func problemOf(name string, response node) problem {
	for _, content := range response.get("content").members() {
		shown := sampleOf(content)
		status := cmp.Or(shown.own("status").text(), shown.own("statusCode").text())
		if status == "" {
			break
		}
		return problem{
			ID: "problem-" + name, Status: status, Phrase: phrase(status), About: prose(response.get("description").text()),
			Headers: headersOf(response), Sample: shown.json(),
		}
	}
	return problem{}
}

// formOf is the name of the schema that a response has.
func formOf(response node) string {
	for _, content := range response.get("content").members() {
		return content.own("schema").refers()
	}
	return ""
}

// formsOf are the tags of the failures of one API alone, by the names of their schemas.
func formsOf(root node) map[string]string {
	forms := map[string]string{}
	for _, item := range root.get("paths").members() {
		for _, n := range item.members() {
			tag := first(n.get("tags")).text()
			for status, response := range n.get("responses").members() {
				form := formOf(response)
				if other, known := forms[form]; status < "400" || tag == "" {
					continue
				} else if known && other != tag {
					forms[form] = ""
				} else {
					forms[form] = tag
				}
			}
		}
	}
	return forms
}

func phrase(status string) string {
	code, err := strconv.Atoi(status)
	if err != nil {
		return ""
	}
	return http.StatusText(code)
}
