package gitops_test

import (
	"strings"

	"github.com/podidentity/podidentity-operator/test/docs"
)

// blocks returns the code blocks of docs/gitops.md in a language.
func (w *world) blocks(language string) []string {
	w.Helper()
	return w.blocksOf("docs/gitops.md", language)
}

// blocksOf returns the code blocks of a page in a language.
func (w *world) blocksOf(path, language string) []string {
	w.Helper()
	pages, err := docs.Read(root)
	w.must(err)
	var found []string
	for _, page := range pages {
		for _, block := range page.Blocks {
			if page.Path == path && block.Language == language {
				found = append(found, block.Text)
			}
		}
	}
	if len(found) == 0 {
		w.Fatalf("%s has no block of %s", path, language)
	}
	return found
}

// checkApplications checks that Argo CD's API accepts the Applications of the
// documentation, without an unknown field.
func (w *world) checkApplications() {
	w.Helper()
	for _, page := range []string{"docs/gitops.md", "docs/installation.md"} {
		checked := 0
		for _, block := range w.blocksOf(page, "yaml") {
			if strings.Contains(block, "kind: Application\n") {
				w.kubectl(block, "apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-")
				checked++
			}
		}
		if checked == 0 {
			w.Errorf("%s has no Application", page)
		}
	}
}
