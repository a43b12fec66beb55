package awslocal_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The page for users lists all actions that there are, and no other.
func TestDocs_ListAllActions(t *testing.T) {
	page, err := os.ReadFile("../../docs/aws-endpoint.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\n## Actions\n")
	table, _, _ := strings.Cut(rest, "\n## ")
	var documented, covered []string
	for _, row := range regexp.MustCompile(`(?m)^\| (?:IAM|STS|EKS|SQS)[^|]*\| ([^|]*) \|$`).FindAllStringSubmatch(table, -1) {
		documented = append(documented, strings.Split(row[1], ", ")...)
	}
	for _, m := range models {
		covered = append(covered, m.OperationNames()...)
	}
	slices.Sort(documented)
	slices.Sort(covered)
	if diff := cmp.Diff(covered, documented); diff != "" {
		t.Errorf("docs/aws-endpoint.md: -covered, +documented:\n%s", diff)
	}
}
