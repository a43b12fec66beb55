package command

import (
	"fmt"
	"strings"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/forecast"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// printPlan prints each object with its changes and findings, and a summary.
func printPlan(p *output.Printer, r planned) {
	count := map[check.State]int{}
	changed := 0
	for i := range r.Objects {
		o := &r.Objects[i]
		count[o.State]++
		if len(o.Changes) > 0 {
			changed++
		}
		printPlanned(p, o)
	}
	for _, note := range r.Notes {
		p.Line(output.In(output.Dim, "Not checked: %s", note))
	}
	p.Line(output.T("Objects: %d, with changes: %d, OK: %d, with a warning: %d, rejected: %d",
		len(r.Objects), changed, count[check.OK], count[check.Warning], count[check.Broken]))
}

func printPlanned(p *output.Printer, o *forecast.Object) {
	title := o.File
	if o.Kind != "" {
		name := o.Name
		if o.Namespace != "" {
			name = o.Namespace + "/" + name
		}
		title = fmt.Sprintf("%s %s (%s)", o.Kind, name, o.File)
	}
	if o.Action != "" {
		title += ": " + o.Action
	}
	p.Line(symbols[o.State], output.In(output.Bold, " %s", title))
	for _, c := range o.Changes {
		printPlannedChange(p, c)
	}
	for _, f := range o.Findings {
		p.Line(output.T("  "), symbols[f.State], output.T(" %s: %s", f.Check, f.Message))
	}
}

func printPlannedChange(p *output.Printer, c forecast.Change) {
	parts := []string{c.On + ":", c.Action}
	for _, part := range []string{c.Target, c.Detail} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	p.Line(output.In(output.Warn, "  ~ "), output.T("%s", strings.Join(parts, " ")))
	for _, line := range c.Lines() {
		style := output.Plain
		switch line[0] {
		case '+':
			style = output.Good
		case '-':
			style = output.Bad
		}
		p.Line(output.In(style, "      %s", line))
	}
}
