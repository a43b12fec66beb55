package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// threats is the number of threats of the first catalog of this project, T1 to T27. Each of
// them has a row.
const threats = 27

// A control that no test checks is only a claim, so each threat names its tests, and
// each test exists. A threat of the catalog has a test that acts as the attacker.
func TestSecurity_EveryThreatHasATest(t *testing.T) {
	_, section, ok := strings.Cut(pages(t)["docs/security.md"].Source, "\n## Threats and controls\n")
	if !ok {
		t.Fatal("docs/security.md has no section about threats")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	tests := testSources(t)
	named := map[string]bool{}
	rows := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		if len(cells) != 4 || cells[0] == "#" {
			continue
		}
		if rows++; cells[0] != fmt.Sprintf("T%d", rows) {
			t.Errorf("row %s is not the row of T%d", cells[0], rows)
		}
		found := regexp.MustCompile("`(Test\\w+)(?:/(\\w+))?`").FindAllStringSubmatch(cells[3], -1)
		attacks := 0
		for _, name := range found {
			named[name[1]] = true
			if !exists(tests, name[1], name[2]) {
				t.Errorf("%s does not exist, in the row of %s", name[0], cells[0])
			}
			if strings.Contains(tests["test/escalation"], "\nfunc "+name[1]+"(") {
				attacks++
			}
		}
		if attacks == 0 {
			t.Errorf("no test of test/escalation in the row of %s", cells[0])
		}
	}
	if rows < threats {
		t.Errorf("only %d rows were found", rows)
	}
	for _, m := range testFunction.FindAllStringSubmatch(tests["test/escalation"], -1) {
		if !named[m[1]] && m[1] != "TestMain" {
			t.Errorf("docs/security.md does not name %s of test/escalation", m[1])
		}
	}
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// exists reports whether a directory has a test and, if it is named, a subtest.
func exists(tests map[string]string, name, subtest string) bool {
	for _, source := range tests {
		if strings.Contains(source, "\nfunc "+name+"(") && strings.Contains(source, `"`+subtest) {
			return true
		}
	}
	return false
}

// testSources returns the source of the tests, by directory.
func testSources(t *testing.T) map[string]string {
	t.Helper()
	files := os.DirFS(root)
	sources := map[string]string{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := fs.ReadFile(files, name)
		sources[path.Dir(name)] += string(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}
