package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A reader looks up a text that the operator reported, so each that the page lists
// must be one that the code has.
func TestTroubleshooting_QuotesTheOperator(t *testing.T) {
	page := pages(t)["docs/troubleshooting.md"]
	_, section, ok := strings.Cut(page.Source, "\n## Errors of the operator\n")
	if !ok {
		t.Fatal("the page has no section about errors of the operator")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	code := source(t, "controllers", "internal/awsiam", "internal/guardrail", "internal/plan")
	row := regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|")
	rows := row.FindAllStringSubmatch(section, -1)
	if len(rows) < 10 {
		t.Fatalf("only %d texts were found", len(rows))
	}
	for _, r := range rows {
		for _, quoted := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(r[1], -1) {
			for part := range strings.SplitSeq(quoted[1], "…") {
				if part = strings.TrimSpace(part); !strings.Contains(code, part) {
					t.Errorf("docs/troubleshooting.md: no message contains %q", part)
				}
			}
		}
	}
}

// source returns the Go code in directories, without tests.
func source(t *testing.T, dirs ...string) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, "_test.go") {
				all.Write(content)
			}
		}
	}
	return all.String()
}
