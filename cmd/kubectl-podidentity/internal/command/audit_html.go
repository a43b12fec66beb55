package command

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/access"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

//go:embed audit.html
var auditPage string

// auditTemplate escapes what it inserts for its context. The functions first clean it as
// for a terminal: text that runs backwards would also deceive a reader of the page.
var auditTemplate = template.Must(template.New("audit").Funcs(template.FuncMap{
	"clean":     output.Clean,
	"join":      func(list []string) string { return output.Clean(strings.Join(list, ", ")) },
	"subject":   func(s access.Subject) string { return output.Clean(subjectOf(s)) },
	"action":    func(g access.Grant) string { return output.Clean(actionOf(g)) },
	"resources": resourceOf,
	"used":      func(id access.Identity) string { return lastUseOf(&id) },
	"date":      func(t time.Time) string { return day(t, "") },
	"count":     countOf,
}).Parse(auditPage))

// auditHTML writes a page that needs nothing else: no script, no style sheet, no font.
func auditHTML(w io.Writer, r audited) error {
	findings := 0
	for i := range r.Identities {
		findings += len(r.Identities[i].Findings)
	}
	return auditTemplate.Execute(w, struct {
		audited

		FindingCount int
	}{r, findings})
}
