package docs

import (
	"net/http"
	"strings"
)

// curl is a command that calls the operation, given what the page's first command
// puts into HERMOD and TOKEN.
func curl(o operation, parameters []node, n node) string {
	path := o.Path
	for _, p := range parameters {
		p = p.resolve()
		if p.get("in").text() == "path" {
			path = strings.ReplaceAll(path, "{"+p.get("name").text()+"}", p.get("example").text())
		}
	}
	parts := []string{`curl "$HERMOD` + path + `"`}
	hasBody := len(o.Bodies) > 0
	implied := o.Method == http.MethodGet || (hasBody && o.Method == http.MethodPost)
	if !implied {
		parts[0] = "curl -X " + o.Method + strings.TrimPrefix(parts[0], "curl")
	}
	if o.Scope != "" {
		parts = append(parts, `-H "Authorization: Bearer $TOKEN"`)
	}
	if hasBody {
		media := o.Bodies[0].Media
		sent := sampleOf(n.get("requestBody", "content", media))
		if media == "application/x-www-form-urlencoded" {
			for name, value := range sent.members() {
				parts = append(parts, "-d "+name+"="+value.text())
			}
		} else {
			parts = append(parts, "-H 'Content-Type: "+media+"'", "-d '"+strings.ReplaceAll(sent.json(), "'", `'\''`)+"'")
		}
	}
	return strings.Join(parts, " \\\n  ")
}
