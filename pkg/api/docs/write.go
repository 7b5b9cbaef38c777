package docs

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// A writer writes HTML. It stands in for html/template, which calls methods by
// their names: with it linked, Go keeps every method of every type, and the function
// on AWS would be half as large again.
type writer struct{ strings.Builder }

// put writes a format whose texts are escaped, in content as in quoted attributes.
func (w *writer) put(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = html.EscapeString(text)
		}
	}
	fmt.Fprintf(w, format, args...)
}

// verbatim is a text that put does not escape.
type verbatim string

func (v view) write(w *writer) {
	w.put(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s</title>
<meta name="description" content="%s">
<style>%s</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<h1>%s</h1>
<p>%s <a href="openapi.yaml">OpenAPI 3.1</a></p>
</header>
<div class="columns">
`, v.Title, v.Summary, verbatim(pageStyle), v.Title, v.Summary)
	v.contents(w)
	w.put("<main id=\"content\" tabindex=\"-1\">\n")
	v.start(w)
	for _, g := range v.Groups {
		w.put("<section class=\"group\" aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", g.ID, g.ID, g.Name)
		w.prose(g.About)
		for _, o := range g.Operations {
			w.operation(o)
		}
		w.put("</section>\n")
	}
	v.problems(w)
	v.schemas(w)
	w.put("</main>\n</div>\n</body>\n</html>\n")
}

func (v view) contents(w *writer) {
	w.put("<nav aria-label=\"Contents\">\n<ul>\n<li><a href=\"#start\">Start here</a></li>\n")
	for _, g := range v.Groups {
		w.put("<li><a href=\"#%s\">%s</a>\n<ul>\n", g.ID, g.Name)
		for _, o := range g.Operations {
			w.put("<li><a href=\"#%s\">%s</a></li>\n", o.ID, o.Summary)
		}
		w.put("</ul>\n</li>\n")
	}
	w.put("<li><a href=\"#problems\">Problems</a></li>\n<li><a href=\"#schemas\">Schemas</a></li>\n</ul>\n</nav>\n")
}

func (v view) start(w *writer) {
	w.put("<section aria-labelledby=\"start\">\n<h2 id=\"start\">Start here</h2>\n")
	w.prose(v.About)
	w.put(`<p>The commands on this page are complete once these have run. They take the credentials that a fresh Hermod on your own
machine starts with; put your own in their place, and ids and URLs of your own in the place of those of the examples.</p>
`)
	for i, o := range v.Openings {
		commands := o.Commands
		if i == 0 {
			commands = slices.Concat([]string{"export HERMOD=" + v.Base}, commands)
		} else {
			w.put("<p>For %s also:</p>\n", o.API)
		}
		w.code(strings.TrimSpace("Commands to start with "+o.API), strings.Join(commands, "\n"))
	}
	w.put("</section>\n")
}

func (v view) problems(w *writer) {
	w.put(`<section aria-labelledby="problems">
<h2 id="problems">Problems</h2>
<p>What goes wrong is answered as <code>application/problem+json</code>, a <a href="#schema-Problem">Problem</a>. Go by its
<code>code</code>; the rest is for people. Signly, Telia Sign and Universign answer in forms of their own.</p>
`)
	for _, p := range v.Problems {
		w.put("<article aria-labelledby=\"%s\">\n<h3 id=\"%s\"><span class=\"status bad\">%s</span> %s", p.ID, p.ID, p.Status, p.Phrase)
		if p.API != "" {
			w.put(", %s", p.API)
		}
		w.put("</h3>\n")
		w.prose(p.About)
		w.headers(p.Headers)
		w.example("Example", strings.TrimSpace(p.Status+" "+p.API), p.Sample)
		w.put("</article>\n")
	}
	w.put("</section>\n")
}

func (v view) schemas(w *writer) {
	w.put("<section aria-labelledby=\"schemas\">\n<h2 id=\"schemas\">Schemas</h2>\n")
	for _, s := range v.Schemas {
		w.put("<article aria-labelledby=\"%s\">\n<h3 id=\"%s\">%s</h3>\n", s.ID, s.ID, s.Name)
		w.prose(s.About)
		if len(s.Type) > 0 {
			w.put("<p>")
			w.kind(s.Type, s.Bounds)
			w.put("</p>\n")
		}
		w.properties(s.Members)
		w.example("Example", s.Name, s.Sample)
		w.put("</article>\n")
	}
	w.put("</section>\n")
}

func (w *writer) prose(blocks []block) {
	for _, b := range blocks {
		tag := "p"
		if b.List {
			w.put("<ul>\n")
			tag = "li"
		}
		for _, line := range b.Lines {
			w.put("<%s>", verbatim(tag))
			for _, s := range line {
				switch {
				case s.Code:
					w.put("<code>%s</code>", s.Text)
				case s.Bold:
					w.put("<strong>%s</strong>", s.Text)
				default:
					w.put("%s", s.Text)
				}
			}
			w.put("</%s>\n", verbatim(tag))
		}
		if b.List {
			w.put("</ul>\n")
		}
	}
}

func (w *writer) kind(pieces []piece, bounds string) {
	for _, p := range pieces {
		switch {
		case p.ID != "":
			w.put(`<a href="#%s">%s</a>`, p.ID, p.Text)
		case p.Code:
			w.put("<code>%s</code>", p.Text)
		default:
			w.put("%s", p.Text)
		}
	}
	if bounds != "" {
		w.put(` <span class="bounds">%s</span>`, bounds)
	}
}

func (w *writer) properties(list []property) {
	if len(list) == 0 {
		return
	}
	w.put("<dl>\n")
	for _, p := range list {
		w.put("<div>\n<dt><code>%s</code>", p.Name)
		if p.Mark != "" {
			w.put(` <span class="mark">%s</span>`, p.Mark)
		}
		w.put("</dt>\n<dd>")
		w.kind(p.Type, p.Bounds)
		w.put("\n")
		w.prose(p.About)
		w.properties(p.Members)
		w.put("</dd>\n</div>\n")
	}
	w.put("</dl>\n")
}

func (w *writer) headers(list []property) {
	if len(list) > 0 {
		w.put("<p class=\"label\">Headers</p>\n")
		w.properties(list)
	}
}

// code is a block that can be scrolled by keyboard.
func (w *writer) code(label, text string) {
	w.put("<pre tabindex=\"0\" role=\"group\" aria-label=\"%s\"><code>%s</code></pre>\n", label, text)
}

// example is a block to be opened. What it is an example of, only those hear who
// don't see where it stands.
func (w *writer) example(summary, of, text string) {
	if text != "" {
		w.put("<details><summary>%s<span class=\"hidden\"> of %s</span></summary>\n", summary, of)
		w.code(summary+" of "+of, text)
		w.put("</details>\n")
	}
}
