package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A user who searches logs needs to know the keys: the page lists exactly those that the
// operator writes.
func TestObservability_ListsTheKeysOfTheLog(t *testing.T) {
	_, section, ok := strings.Cut(pages(t)["docs/observability.md"].Source, "\n| key | value |\n")
	if !ok {
		t.Fatal("the page has no table of keys")
	}
	section, _, _ = strings.Cut(section, "\n\n")
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		listed = append(listed, row[1])
	}
	written := logKeys(t, "main.go", "controllers/*.go", "internal/*/*.go")
	if diff := cmp.Diff(written, listed); diff != "" {
		t.Errorf("keys of the log: -written, +listed:\n%s", diff)
	}
}

// logKeys returns the keys in calls of a logger in the code, sorted.
func logKeys(t *testing.T, patterns ...string) []string {
	t.Helper()
	var keys []string
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(node ast.Node) bool {
				if call, ok := node.(*ast.CallExpr); ok {
					keys = append(keys, keysOf(call)...)
				}
				return true
			})
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// keysOf returns the keys of a call of a logger, nil if it is another call.
func keysOf(call *ast.CallExpr) []string {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	first := map[string]int{"Info": 1, "Error": 2, "WithValues": 0}[method.Sel.Name]
	if first == 0 && method.Sel.Name != "WithValues" {
		return nil
	}
	var keys []string
	for i := first; i < len(call.Args); i += 2 {
		if literal, ok := call.Args[i].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if key, err := strconv.Unquote(literal.Value); err == nil {
				keys = append(keys, key)
			}
		}
	}
	return keys
}
