package docs_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/html"

	description "hermod/docs"
	"hermod/pkg/api"
	"hermod/pkg/api/docs"
	"hermod/pkg/api/signicat"
)

func server(base api.BaseURL) http.Handler {
	return api.NewServer(api.Options{
		Dialect: signicat.Dialect{}, Routes: docs.Pages{BaseURL: base}.Routes(), Log: slog.New(slog.DiscardHandler),
		Now: time.Now, Trace: func() string { return strings.Repeat("ab", 16) },
	})
}

func get(t *testing.T, s http.Handler, link string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, link, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestTheFileNamesWhereItWasReadFrom(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		configured api.BaseURL
		host, want string
	}{
		"the request's":     {"", "hermod.example:8443", "http://hermod.example:8443"},
		"an address":        {"", "[::1]:3000", "http://[::1]:3000"},
		"the configured":    {"https://api.example/hermod/", "10.0.0.1", "https://api.example/hermod"},
		"no host at all":    {"", "evil'>\"<script>", description.Base},
		"a line too many":   {"", "a: b", description.Base},
		"a comment in YAML": {"", "a #b", description.Base},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/openapi.yaml", nil)
			r.Host = tt.host
			w := httptest.NewRecorder()
			server(tt.configured).ServeHTTP(w, r)
			var served struct {
				OpenAPI string `yaml:"openapi"`
				Servers []struct {
					URL string `yaml:"url"`
				} `yaml:"servers"`
			}
			if err := yaml.Unmarshal(w.Body.Bytes(), &served); err != nil {
				t.Fatal(err)
			}
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/yaml" || served.OpenAPI != "3.1.0" ||
				len(served.Servers) != 1 || served.Servers[0].URL != tt.want {
				t.Errorf("%d %v %+v", w.Code, w.Header(), served)
			}
		})
	}
}

func TestACopyThatIsStillGoodIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := server("")
	for _, path := range []string{"/openapi.yaml", "/docs"} {
		link := "http://hermod.example" + path
		first := get(t, s, link)
		tag := first.Header().Get("ETag")
		for sent, want := range map[string]int{
			tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200, strings.Trim(tag, `"`): 200,
		} {
			again := get(t, s, link, "If-None-Match", sent)
			if again.Code != want || (want == 304) != (again.Body.Len() == 0) || again.Header().Get("ETag") != tag ||
				!strings.HasPrefix(again.Header().Get("Cache-Control"), "public, max-age=") {
				t.Errorf("%s, If-None-Match %q: %d, %v, want %d", path, sent, again.Code, again.Header(), want)
			}
		}
		if elsewhere := get(t, s, "http://other.example"+path).Header().Get("ETag"); elsewhere == tag {
			t.Errorf("%s is the same under another host", path)
		}
	}
}

// page reads the page as a tree of HTML.
func page(t *testing.T) (*html.Node, *httptest.ResponseRecorder) {
	t.Helper()
	w := get(t, server(""), "http://hermod.example/docs")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	tree, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return tree, w
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func TestThePageLoadsNothingAndRunsNothing(t *testing.T) {
	t.Parallel()
	tree, w := page(t)
	policy := w.Header().Get("Content-Security-Policy")
	styles := 0
	for n := range tree.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"script", "link", "img", "iframe", "object", "form", "base"}, n.Data) {
			t.Errorf("there is a <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" {
				t.Errorf("<%s> has %s", n.Data, a.Key)
			}
		}
		if n.Data == "style" {
			styles++
			sum := sha256.Sum256([]byte(text(n)))
			if hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, "style-src "+hash) {
				t.Errorf("the policy %q refuses the page's style, %s", policy, hash)
			}
			if strings.Contains(text(n), "url(") || strings.Contains(text(n), "@import") {
				t.Error("the style loads something")
			}
		}
	}
	if styles != 1 || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("%d styles, policy %q", styles, policy)
	}
}

func TestEveryLinkOfThePageLeadsSomewhere(t *testing.T) {
	t.Parallel()
	tree, _ := page(t)
	ids := map[string]int{}
	for n := range tree.Descendants() {
		if id := attribute(n, "id"); id != "" {
			ids[id]++
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %s stands %d times", id, n)
		}
	}
	links := 0
	for n := range tree.Descendants() {
		for _, name := range []string{"href", "aria-labelledby"} {
			to, anchor := strings.CutPrefix(attribute(n, name), "#")
			if to = strings.TrimSpace(to); to == "" || to == "openapi.yaml" {
				continue
			}
			links++
			if ids[to] == 0 || (name == "href" && !anchor) {
				t.Errorf("<%s %s=%q> leads nowhere", n.Data, name, to)
			}
		}
	}
	if links < 200 {
		t.Errorf("only %d links", links)
	}
}

func TestThePageShowsEveryOperationWithItsCommand(t *testing.T) {
	t.Parallel()
	tree, _ := page(t)
	var shown strings.Builder
	commands := map[string]string{}
	for n := range tree.Descendants() {
		if n.Data == "main" {
			shown.WriteString(text(n))
		}
		if operation, ok := strings.CutPrefix(attribute(n, "aria-label"), "Command: "); ok {
			commands[operation] = text(n)
		}
	}
	var d struct {
		Paths map[string]map[string]struct {
			OperationID string `yaml:"operationId"`
			Summary     string `yaml:"summary"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal([]byte(pathsAlone(description.OpenAPI())), &d); err != nil {
		t.Fatal(err)
	}
	operations := 0
	for path, item := range d.Paths {
		if !strings.Contains(shown.String(), path) {
			t.Errorf("%s is not on the page", path)
		}
		for method, o := range item {
			if o.OperationID == "" {
				continue
			}
			operations++
			command := commands[o.Summary]
			if !strings.HasPrefix(command, "curl ") || strings.ContainsAny(command, "{}<>") && !strings.Contains(command, "-d '{") {
				t.Errorf("%s %s: %q", method, path, command)
			}
		}
	}
	if operations < 25 || operations != len(commands) {
		t.Errorf("%d operations, %d commands", operations, len(commands))
	}
	for operation, want := range wantedCommands() {
		if got := commands[operation]; got != want {
			t.Errorf("%s: %s\nwant %s", operation, got, want)
		}
	}
	exported := regexp.MustCompile(`export ([A-Z_]+)=`).FindAllStringSubmatch(shown.String(), -1)
	for operation, command := range commands {
		for _, used := range regexp.MustCompile(`\$([A-Z_]+)`).FindAllStringSubmatch(command, -1) {
			if !slices.ContainsFunc(exported, func(e []string) bool { return e[1] == used[1] }) {
				t.Errorf("%s: nothing exports %s", operation, used[0])
			}
		}
	}
	if got := shown.String(); !strings.Contains(got, "export HERMOD=http://hermod.example\n") {
		t.Error("the first command does not name where the page was read from")
	}
}

// pathsAlone drops from each path item what is no operation.
func pathsAlone(text string) string {
	text = regexp.MustCompile(`(?m)^    \$ref: .*$`).ReplaceAllString(text, "    get: {}")
	return regexp.MustCompile(`(?m)^    parameters:\n(      .*\n)+`).ReplaceAllString(text, "")
}

func TestHeadingsAreInOrderAndThereIsOneOfTheFirstLevel(t *testing.T) {
	t.Parallel()
	tree, _ := page(t)
	level, firsts := 0, 0
	for n := range tree.Descendants() {
		if n.Type != html.ElementNode || len(n.Data) != 2 || n.Data[0] != 'h' || n.Data[1] < '1' || n.Data[1] > '6' {
			continue
		}
		this := int(n.Data[1] - '0')
		if this > level+1 {
			t.Errorf("<%s> %q after a heading of level %d", n.Data, text(n), level)
		}
		if level = this; this == 1 {
			firsts++
		}
		if strings.TrimSpace(text(n)) == "" {
			t.Errorf("<%s> is empty", n.Data)
		}
	}
	if firsts != 1 {
		t.Errorf("%d headings of the first level", firsts)
	}
}

func BenchmarkPage(b *testing.B) {
	s := server("")
	for b.Loop() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://hermod.example/docs", nil))
		_, _ = io.Copy(io.Discard, w.Body)
	}
}
