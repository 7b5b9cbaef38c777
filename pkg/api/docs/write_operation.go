package docs

import "cmp"

func (w *writer) operation(o operation) {
	w.put("<article aria-labelledby=\"%s\">\n<h3 id=\"%s\"><a href=\"#%s\">%s</a></h3>\n", o.ID, o.ID, o.ID, o.Summary)
	w.put(`<p class="call"><span class="method %s">%s</span> <code>`, o.Method, o.Method)
	for _, part := range o.Parts {
		w.put("<wbr>%s", part)
	}
	w.put("</code></p>\n")
	w.prose(o.About)
	w.facts(o)
	if len(o.Parameters) > 0 {
		w.put("<h4>Parameters</h4>\n")
		w.properties(o.Parameters)
	}
	if len(o.Bodies) > 0 {
		w.put("<h4>Request</h4>\n")
	}
	for _, b := range o.Bodies {
		w.put("<p><code>%s</code>: ", b.Media)
		w.kind(b.Type, "")
		w.put("</p>\n")
		for _, e := range b.Examples {
			w.example(cmp.Or(e.Summary, "Example"), b.Media, e.Text)
		}
	}
	w.put("<h4>Answers</h4>\n")
	for _, a := range o.Answers {
		w.answer(a)
	}
	w.put("<p class=\"failures\">\n")
	for _, p := range o.Failures {
		w.put("<a href=\"#%s\"><span class=\"status bad\">%s</span> <span class=\"phrase\">%s</span></a>\n", p.ID, p.Status, p.Phrase)
	}
	w.put("</p>\n")
	w.follow(o.Follow)
	w.put("<h4>Command</h4>\n")
	w.code("Command: "+o.Summary, o.Curl)
	w.put("</article>\n")
}

func (w *writer) facts(o operation) {
	if len(o.Headers) == 0 {
		w.put("<p class=\"facts\">Needs no credential")
	} else {
		w.put("<p class=\"facts\">")
		if o.Scope != "" {
			w.put("Scope <code>%s</code>, by ", o.Scope)
		} else {
			w.put("By ")
		}
		separator := ""
		for _, together := range o.Headers {
			for _, header := range together {
				w.put("%s<code>%s</code>", separator, header)
				separator = " and "
			}
			separator = " or "
		}
	}
	separator := "; also served at "
	for _, path := range o.Aliases {
		w.put("%s<code>%s</code>", separator, path)
		separator = ", "
	}
	w.put(".</p>\n")
}

func (w *writer) answer(a answer) {
	class := ""
	if a.Status >= "400" {
		class = " bad"
	}
	w.put("<div class=\"answer\">\n<p><span class=\"status%s\">%s</span> <span class=\"phrase\">%s</span>", class, a.Status, a.Phrase)
	if a.Media != "" {
		w.put(" <code>%s</code>: ", a.Media)
		w.kind(a.Type, "")
	}
	w.put("</p>\n")
	w.prose(a.About)
	w.headers(a.Headers)
	w.example("Example", a.Status, a.Sample)
	w.put("</div>\n")
}

func (w *writer) follow(links []link) {
	separator := "<p>Goes on with: "
	for _, l := range links {
		w.put("%s<a href=\"#%s\">%s</a>", verbatim(separator), l.ID, l.Summary)
		separator = ", "
	}
	if len(links) > 0 {
		w.put(".</p>\n")
	}
}
