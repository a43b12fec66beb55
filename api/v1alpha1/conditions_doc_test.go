package v1alpha1_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every condition type is documented in a table, every reason under a heading of its
// own, to which messages and other pages link, with its cause and its fix; and so is
// every reason of an event.
func TestConditionsPage_HasEveryTypeAndReason(t *testing.T) {
	page, err := os.ReadFile("../../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	text, events, _ := strings.Cut(string(page), "\n## Events\n")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|").FindAllStringSubmatch(text, -1) {
		documented = append(documented, row[1])
	}
	for _, section := range strings.Split(text, "\n### ")[1:] {
		reason, body, _ := strings.Cut(section, "\n")
		documented = append(documented, reason)
		if !strings.Contains(body, "- **Cause**: ") || !strings.Contains(body, "- **Fix**: ") {
			t.Errorf("docs/conditions.md: %s has no cause or no fix", reason)
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(constants(t, "condition_types.go"), documented); diff != "" {
		t.Errorf("docs/conditions.md: -declared, +documented:\n%s", diff)
	}

	documented = nil
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(events, -1) {
		for _, reason := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(row[1], -1) {
			documented = append(documented, reason[1])
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(eventReasons(t), documented); diff != "" {
		t.Errorf("docs/conditions.md, events: -declared, +documented:\n%s", diff)
	}
}

// eventReasons returns the sorted values of the constants event… of the controllers.
func eventReasons(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("../../controllers/events.go")
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, declared := range regexp.MustCompile(`(?m)^\tevent\w+\s*= "(\w+)"$`).FindAllStringSubmatch(string(source), -1) {
		reasons = append(reasons, declared[1])
	}
	slices.Sort(reasons)
	return reasons
}

// constants returns the sorted values of all string constants of a file.
func constants(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	slices.Sort(values)
	return values
}
