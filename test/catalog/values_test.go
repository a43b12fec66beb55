package catalog_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// rule is a line of values.sed that fills in a placeholder.
var rule = regexp.MustCompile(`(?m)^s/([^/]+)/([^/]*)/g$`)

// longest are values that make policies as large as any cluster's: the longest
// names that EKS and S3 allow, in the partition with the longest name.
// https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func longest(placeholder string) string {
	switch {
	case placeholder == cluster.AccountID:
		return "999988887777"
	case placeholder == "xx-example-1":
		return "us-gov-west-1"
	case placeholder == "example-cluster":
		return strings.Repeat("c", 100)
	case strings.Contains(placeholder, "bucket") || strings.Contains(placeholder, "loki"):
		return strings.Repeat("b", 63)
	default:
		return strings.Repeat("n", 32)
	}
}

// values.sed fills in every placeholder and nothing else, and with the longest
// values entries are still valid and within the quotas.
func TestValues_FillEveryPlaceholder(t *testing.T) {
	script := content(t, filepath.Join(directory, "values.sed"))
	rules := rule.FindAllStringSubmatch(script, -1)
	unused := map[string]bool{}
	for _, r := range rules {
		if r[1] != r[2] {
			t.Errorf("values.sed: %s changes something as it is", r[0])
		}
		unused[r[1]] = true
	}
	noneContainsAnother(t, rules)

	filled := fill(t, rule.ReplaceAllStringFunc(script, func(line string) string {
		placeholder := rule.FindStringSubmatch(line)[1]
		return fmt.Sprintf("s/%s/%s/g", placeholder, longest(placeholder))
	})+"s/arn:aws:/arn:aws-us-gov:/g\n")
	in := cluster
	in.Partition, in.AccountID = "aws-us-gov", longest(cluster.AccountID)
	for _, e := range read(t, filled) {
		t.Run(e.name, func(t *testing.T) {
			for _, pi := range e.identities {
				fits(t, pi, in)
			}
			// Comments may speak of examples.
			left := regexp.MustCompile(`(?i)^[^#]*(example|111122223333).*`)
			for line := range strings.Lines(e.text) {
				if left.MatchString(line) {
					t.Errorf("values.sed leaves a placeholder: %s", line)
				}
			}
		})
	}
	for _, e := range read(t, directory) {
		for placeholder := range unused {
			if strings.Contains(e.text, placeholder) {
				delete(unused, placeholder)
			}
		}
	}
	if len(unused) > 0 {
		t.Errorf("values.sed: no entry has the placeholders %v", unused)
	}
}

// A rule must not change the placeholder of another.
func noneContainsAnother(t *testing.T, rules [][]string) {
	t.Helper()
	for i, a := range rules {
		for j, b := range rules {
			if i != j && strings.Contains(a[1], b[1]) {
				t.Errorf("values.sed: %s contains %s", a[1], b[1])
			}
		}
	}
}

// fill returns a copy of the catalog that a sed script has changed.
func fill(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "values.sed")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "catalog")
	if err := os.CopyFS(copied, os.DirFS(directory)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(copied, "*", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		out, err := exec.CommandContext(t.Context(), "sed", "-f", file, name).Output()
		if err != nil {
			t.Fatalf("sed: %v", err)
		}
		if err := os.WriteFile(name, out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// The README lists each entry with its ServiceAccounts, and its guardrail if it
// has one; and the policies that it offers in addition are valid.
func TestReadme_ListsEveryEntry(t *testing.T) {
	readme := content(t, filepath.Join(directory, "README.md"))
	row := regexp.MustCompile(`(?m)^\| \[(\S+)\]\(\S+\) \| (\S+) / (.+?) \| (.*?) ?\|$`)
	got := map[string]string{}
	for _, cells := range row.FindAllStringSubmatch(readme, -1) {
		got[cells[1]] = cells[2] + " / " + cells[3] + " | " + cells[4]
	}
	want := map[string]string{}
	for _, e := range read(t, directory) {
		var accounts []string
		for _, pi := range e.identities {
			accounts = append(accounts, plan.ServiceAccountOf(pi))
		}
		needs := ""
		if len(e.guardrails) > 0 {
			needs = "[yes](" + e.name + "/guardrail.yaml)"
		}
		want[e.name] = e.identities[0].Namespace + " / " + strings.Join(accounts, ", ") + " | " + needs
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table: -entries, +README.md:\n%s", diff)
	}

	fences := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readme, -1)
	if len(fences) == 0 {
		t.Error("README.md has no policies")
	}
	for _, fence := range fences {
		pi := identityWith(t, fence[1])
		fits(t, pi, cluster)
		namesActions(t, pi)
		if rejection := baseline(pi); rejection != nil {
			t.Errorf("%v\n%s", rejection, fence[1])
		}
	}
}
