package guardrail

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of the baseline to docs/guardrails.md")

// docs/guardrails.md shows the baseline as it is in code.
func TestGuardrailsPage_ShowsTheBaseline(t *testing.T) {
	const (
		path  = "../../docs/guardrails.md"
		begin = "-run TestGuardrailsPage -update -->\n"
		end   = "<!-- baseline:end -->"
	)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, hasBegin := strings.Cut(string(raw), begin)
	got, after, hasEnd := strings.Cut(rest, end)
	if !hasBegin || !hasEnd {
		t.Fatalf("%s has no markers of the table", path)
	}
	want := "\n" + baselineTable() + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run the test with -update: -want, +got:\n%s", diff)
	}
}

func baselineTable() string {
	var b strings.Builder
	b.WriteString("| | rejected | still allowed | why |\n|---|---|---|---|\n")
	for _, row := range baseline {
		except := []string{}
		for _, action := range row.except {
			if action != passRole { // it has a row of its own
				except = append(except, action)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.title, code(row.actions), code(except), row.reason)
	}
	for _, row := range breadth {
		fmt.Fprintf(&b, "| %s | %s | | %s |\n", row.title, row.rejected, row.reason)
	}
	return b.String()
}

func code(patterns []string) string {
	quoted := make([]string, len(patterns))
	for i, p := range patterns {
		quoted[i] = "`" + p + "`"
	}
	return strings.Join(quoted, ", ")
}
