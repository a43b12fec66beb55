package gitops_test

import (
	"strings"

	"github.com/podidentity/podidentity-operator/test/docs"
)

// blocks returns the code blocks of docs/gitops.md in a language.
func (e *env) blocks(language string) []string {
	e.Helper()
	return e.blocksOf("docs/gitops.md", language)
}

// blocksOf returns the code blocks of a page in a language.
func (e *env) blocksOf(path, language string) []string {
	e.Helper()
	pages, err := docs.Read(e.Root)
	e.Must(err)
	var found []string
	for _, page := range pages {
		for _, block := range page.Blocks {
			if page.Path == path && block.Language == language {
				found = append(found, block.Text)
			}
		}
	}
	if len(found) == 0 {
		e.Fatalf("%s has no block of %s", path, language)
	}
	return found
}

// checkApplications checks that Argo CD's API accepts the Applications of the
// documentation, without an unknown field.
func (e *env) checkApplications() {
	e.Helper()
	for _, page := range []string{"docs/gitops.md", "docs/installation.md"} {
		checked := 0
		for _, block := range e.blocksOf(page, "yaml") {
			if strings.Contains(block, "kind: Application\n") {
				e.MustKubectl(block, "apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-")
				checked++
			}
		}
		if checked == 0 {
			e.Errorf("%s has no Application", page)
		}
	}
}
