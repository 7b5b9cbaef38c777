package push_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// connecting are the files that may open connections or make clients that do, besides
// the SDK's, and to whom. What subscribers name is connected to by this package alone,
// whose policy holds for each connection.
var connecting = map[string]string{
	"pkg/push/exchange.go": "destinations, under the policy",
	"pkg/push/target.go":   "the policy itself",
	"pkg/push/push.go":     "the resolver that the policy's dialer asks",
	"pkg/api/auth/jwks.go": "the key set that the operator names",
	"pkg/awscfg/awscfg.go": "services of AWS",
	"pkg/bench/publish.go": "the node that is measured",
	"cmd/hermod/client.go": "the node that the user of the command names",
}

// connectors are what opens connections, by package and name; "" is any name.
var connectors = map[string][]string{
	"net":                          {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialUnix", "DialIP", "Dialer", "Resolver", "DefaultResolver", "LookupHost", "LookupIP", "LookupAddr", "LookupCNAME", "LookupTXT", "LookupMX", "LookupSRV"},
	"net/http":                     {"Client", "DefaultClient", "Transport", "DefaultTransport", "Get", "Head", "Post", "PostForm"},
	"net/http/httputil":            {"ReverseProxy", "NewSingleHostReverseProxy"},
	"crypto/tls":                   {"Dial", "DialWithDialer", "Dialer", "Client"},
	"net/smtp":                     {""},
	"net/rpc":                      {""},
	"golang.org/x/net/http2":       {""},
	"golang.org/x/net/websocket":   {""},
	"golang.org/x/net/proxy":       {""},
	"google.golang.org/grpc":       {""},
	"github.com/gorilla/websocket": {""},
}

func TestOnlyThisPackageConnectsToWhatSubscribersName(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, folder := range []string{"pkg", "cmd", "functions"} {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			name := filepath.ToSlash(strings.TrimPrefix(path, filepath.Join("..", "..")+string(filepath.Separator)))
			for _, connector := range connectorsOf(t, path) {
				used[name] = true
				if connecting[name] == "" {
					t.Errorf("%s uses %s: what a subscriber names is connected to by pkg/push alone", name, connector)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range connecting {
		if !used[name] {
			t.Errorf("%s connects to nobody and need not be listed", name)
		}
	}
}

// connectorsOf are the connectors that a file names.
func connectorsOf(t *testing.T, path string) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	imported := map[string]string{} // by the name in the file
	for _, spec := range file.Imports {
		of, err := strconv.Unquote(spec.Path.Value)
		if err != nil || connectors[of] == nil {
			continue
		}
		name := of[strings.LastIndexByte(of, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = of
		if name == "." || slices.Contains(connectors[of], "") {
			found = append(found, of)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(connectors[imported[x.Name]], s.Sel.Name) {
				found = append(found, x.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	return found
}
