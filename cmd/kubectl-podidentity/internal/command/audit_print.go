package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/access"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// subjectOf names a subject: a ServiceAccount of its own as kubectl does.
func subjectOf(s access.Subject) string {
	if s.Kind == access.KindServiceAccount {
		return s.Namespace + "/sa/" + s.Name
	}
	return s.Namespace + "/" + s.Name
}

func printAudited(p *output.Printer, r audited) {
	switch {
	case r.Question != nil && len(r.Identities) == 0:
		p.Line(output.T("According to its policies, no identity can do that."))
	case r.Question != nil:
		printAnswers(p, r)
	case len(r.Identities) == 0:
		p.Line(output.T("There are no identities."))
	default:
		printIdentities(p, r)
	}
	for _, note := range r.Notes {
		p.Line(symbols[check.Unknown], output.T(" %s", note))
	}
}

func printAnswers(p *output.Printer, r audited) {
	rows := [][]output.Span{header("IDENTITY", "CAN", "SERVICEACCOUNTS", "ACTIONS", "RESOURCES", "LAST USED")}
	for i := range r.Identities {
		id := &r.Identities[i]
		style := output.Bad
		if id.Answer == access.Maybe {
			style = output.Warn
		}
		rows = append(rows, []output.Span{
			output.T("%s", subjectOf(id.Subject)), output.In(style, "%s", id.Answer), output.T("%s", strings.Join(id.ServiceAccounts, ", ")),
			output.T("%s", short(actionsOf(id.Grants))), output.T("%s", short(resourcesOf(id.Grants))), output.T("%s", lastUseOf(id)),
		})
	}
	p.Table(rows)
}

func printIdentities(p *output.Printer, r audited) {
	rows := [][]output.Span{header("IDENTITY", "SERVICES", "ACTIONS", "ON EVERYTHING", "BOUNDARY", "LAST USED", "FINDINGS")}
	findings := 0
	for i := range r.Identities {
		id := &r.Identities[i]
		onEverything := 0
		for _, g := range id.Grants {
			if g.OnEverything() {
				onEverything++
			}
		}
		boundary := "none"
		if id.Boundary != "" {
			boundary = id.Boundary[strings.LastIndexByte(id.Boundary, '/')+1:]
		}
		findings += len(id.Findings)
		rows = append(rows, []output.Span{
			output.T("%s", subjectOf(id.Subject)), output.T("%s", short(id.Services)), output.T("%d", len(id.Grants)), output.T("%d", onEverything),
			output.T("%s", boundary), output.T("%s", lastUseOf(id)), output.T("%s", kindsOf(id.Findings)),
		})
	}
	p.Table(rows)
	p.Line()
	for i := range r.Identities {
		for _, f := range r.Identities[i].Findings {
			p.Line(symbols[f.State], output.T(" %s: %s", subjectOf(r.Identities[i].Subject), f.Message))
		}
	}
	p.Line(output.T("%s in AWS account %s, %s; -o json, csv and html show the grants",
		countOf(len(r.Identities), "identity", "identities"), r.AccountID, countOf(findings, "finding", "findings")))
}

func countOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

func kindsOf(findings []access.Finding) string {
	var kinds []string
	for _, f := range findings {
		kinds = append(kinds, f.Kind)
	}
	return strings.Join(kinds, ", ")
}

func lastUseOf(id *access.Identity) string {
	switch id.Use {
	case access.Used, access.Unused:
		return id.LastUsed.UTC().Format(time.DateOnly)
	case access.Never, access.New:
		return "never"
	default:
		return "unknown"
	}
}

// maxListed bounds a cell of the table; the other formats have all.
const maxListed = 4

func short(list []string) string {
	if len(list) <= maxListed {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:maxListed], ", "), len(list)-maxListed)
}

// actionsOf returns the actions of grants, each once.
func actionsOf(grants []access.Grant) []string {
	return collect(grants, func(g access.Grant) []string { return []string{actionOf(g)} })
}

func actionOf(g access.Grant) string {
	if len(g.Except) > 0 {
		return g.Action + " except " + strings.Join(g.Except, ", ")
	}
	return g.Action
}

func resourcesOf(grants []access.Grant) []string {
	return collect(grants, resourceOf)
}

func resourceOf(g access.Grant) []string {
	if len(g.ExceptResources) > 0 {
		return []string{"* except " + strings.Join(g.ExceptResources, ", ")}
	}
	return g.Resources
}

func collect(grants []access.Grant, of func(access.Grant) []string) []string {
	var list []string
	seen := map[string]bool{}
	for _, g := range grants {
		for _, text := range of(g) {
			if !seen[text] {
				seen[text] = true
				list = append(list, text)
			}
		}
	}
	return list
}
