package docs

import (
	"net/http"
	"slices"
	"strings"
)

// exportMember is the description's own member of a security scheme: what a shell
// exports for the commands of the page, as NAME=VALUE. The value is that of a fresh
// Hermod on the reader's machine.
const exportMember = "x-export"

// A credential is one of those that an operation asks for together.
type credential struct {
	// header is how people call it: the header, and the scheme of HTTP if it has one.
	header string
	// arguments are those of curl; "" where the page sets no variable for it.
	arguments string
	export    string
}

// credentialsOf are those that an operation asks for: of each alternative all. A
// public operation asks for none, and so does the alternative without any.
func credentialsOf(root, n node) [][]credential {
	security := n.own("security")
	if !security.there() {
		security = root.get("security")
	}
	var all [][]credential
	for _, alternative := range security.list() {
		var together []credential
		for name := range alternative.members() {
			together = append(together, credentialOf(root.get("components", "securitySchemes", name)))
		}
		all = append(all, together)
	}
	return all
}

func credentialOf(scheme node) credential {
	c := credential{export: scheme.get(exportMember).text()}
	variable, _, _ := strings.Cut(c.export, "=")
	switch {
	case scheme.get("type").text() == "apiKey":
		c.header = scheme.get("name").text()
		c.arguments = `-H "` + c.header + `: $` + variable + `"`
	case scheme.get("scheme").text() == "basic":
		c.header = "Authorization: Basic"
		c.arguments = `-u "$` + variable + `:"`
	default: // OAuth 2.0 has bearer tokens too
		c.header = "Authorization: Bearer"
		c.arguments = `-H "Authorization: Bearer $` + variable + `"`
	}
	if variable == "" {
		c.arguments = ""
	}
	return c
}

// present are the arguments that present the first alternative.
func present(alternatives [][]credential) []string {
	if len(alternatives) == 0 {
		return nil
	}
	var all []string
	for _, c := range alternatives[0] {
		if c.arguments != "" {
			all = append(all, c.arguments)
		}
	}
	return all
}

// headersAsked names what the alternatives present, each of them once.
func headersAsked(alternatives [][]credential) [][]string {
	var all [][]string
	for _, together := range alternatives {
		var names []string
		for _, c := range together {
			names = append(names, c.header)
		}
		if len(names) > 0 && !slices.ContainsFunc(all, func(other []string) bool { return slices.Equal(other, names) }) {
			all = append(all, names)
		}
	}
	return all
}

// An opening holds the commands that set what the commands of an API present.
type opening struct {
	// API is the tag of its operations; "" for that which has several.
	API      string
	Commands []string
}

// openingsOf are those of the description, in the order of its operations, and within
// one in the order of the schemes: a value may need those before it.
func openingsOf(root node, operations []tagged) []opening {
	tags := map[string][]string{} // by what is exported
	var order []string
	for _, o := range operations {
		for _, c := range slices.Concat(o.asks...) {
			if c.export == "" {
				continue
			}
			if !slices.Contains(order, o.tag) {
				order = append(order, o.tag)
			}
			if !slices.Contains(tags[c.export], o.tag) {
				tags[c.export] = append(tags[c.export], o.tag)
			}
		}
	}
	all := []opening{{}}
	for _, tag := range order {
		all = append(all, opening{API: tag})
	}
	for _, scheme := range root.get("components", "securitySchemes").members() {
		export := scheme.get(exportMember).text()
		at := 0
		if of := tags[export]; len(of) == 1 {
			at = 1 + slices.Index(order, of[0])
		}
		if export != "" {
			all[at].Commands = append(all[at].Commands, "export "+export)
		}
	}
	return slices.DeleteFunc(all, func(o opening) bool { return o.API != "" && len(o.Commands) == 0 })
}

// public reports whether nothing need be presented.
func public(alternatives [][]credential) bool {
	return len(alternatives) == 0 || slices.ContainsFunc(alternatives, func(together []credential) bool { return len(together) == 0 })
}

// formMedia is the media type of forms, of which curl sends the members one by one.
const formMedia = "application/x-www-form-urlencoded"

// plainPart reports whether a text can stand in a form and on a command line as it is.
func plainPart(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/,", r)
	})
}

// quoted is a text as one word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// impliesMethod reports whether curl comes to the method by itself.
func impliesMethod(method string, hasBody bool) bool {
	return (method == http.MethodGet && !hasBody) || (method == http.MethodPost && hasBody)
}
