package contract

import "strings"

// DialectOf is what the names of the components of a path's dialect begin with; "" for
// the native one.
func DialectOf(path string) string {
	for prefix, name := range map[string]string{
		"/signly": "Signly", "/universign": "Universign", "/hooks": "Telia", "/identity": "Telia",
	} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return name
		}
	}
	return ""
}
