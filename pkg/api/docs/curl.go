package docs

import (
	"net/url"
	"strings"
)

// curl is a command that calls the operation, given what the page's first commands
// export.
func curl(o operation, parameters []node, n node) string {
	method := ""
	if !impliesMethod(o.Method, len(o.Bodies) > 0) {
		method = "-X " + o.Method + " "
	}
	parts := []string{"curl " + method + `"$HERMOD` + address(o.Path, parameters, n.get("x-curl-query")) + `"`}
	parts = append(parts, present(o.asks)...)
	if len(o.Bodies) > 0 {
		media := o.Bodies[0].Media
		parts = append(parts, sent(media, sampleOf(n.get("requestBody", "content", media)))...)
	}
	return strings.Join(parts, " \\\n  ")
}

// address is the path with the query that must be there, made of the examples, and the one
// that the operation has its command show.
func address(path string, parameters []node, shown node) string {
	separator := "?"
	for _, p := range parameters {
		p = p.resolve()
		name, value := p.get("name").text(), p.get("example").text()
		switch in := p.get("in").text(); {
		case in == "path":
			path = strings.ReplaceAll(path, "{"+name+"}", value)
		case in == "query" && p.get("required").text() == "true":
			path += separator + name + "=" + url.QueryEscape(value)
			separator = "&"
		}
	}
	for name, value := range shown.members() {
		path += separator + name + "=" + url.QueryEscape(value.text())
		separator = "&"
	}
	return path
}

// sent are the arguments that send a body.
func sent(media string, body node) []string {
	if media != formMedia {
		return []string{"-H 'Content-Type: " + media + "'", "-d " + quoted(body.json())}
	}
	var parts []string
	for name, value := range body.members() {
		if text := value.text(); plainPart(text) {
			parts = append(parts, "-d "+name+"="+text)
		} else {
			parts = append(parts, "--data-urlencode "+quoted(name+"="+text))
		}
	}
	return parts
}
