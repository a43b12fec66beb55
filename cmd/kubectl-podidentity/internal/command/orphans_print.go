package command

import (
	"strconv"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/orphan"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// day returns the date of a time, and what to write for none.
func day(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.DateOnly)
}

func printOrphans(p *output.Printer, r orphansResult) {
	if len(r.Roles) == 0 {
		p.Line(output.T("Every role of cluster %s in account %s has a PodIdentity.", r.Cluster, r.AccountID))
	} else {
		rows := [][]output.Span{header("ROLE", "STATE", "PODIDENTITY", "CREATED", "LAST USED", "POLICIES", "TRUST")}
		for i := range r.Roles {
			rows = append(rows, orphanRow(&r.Roles[i].Orphan))
		}
		p.Table(rows)
	}
	if n := len(r.OtherCluster); n > 0 {
		p.Line(output.In(output.Warn, "Not listed: %s of another cluster that is also called %s.", countOf(n, "role", "roles"), r.Cluster))
	}
}

func orphanRow(o *orphan.Orphan) []output.Span {
	state, style := string(o.State), output.Plain
	switch {
	case o.State == orphan.Leaked:
		style = output.Warn
	case o.RetainedAt != "":
		state += " since " + dayOf(o.RetainedAt)
	}
	trust := "admits no one"
	if o.Assumable {
		trust = "can be assumed"
	}
	return []output.Span{
		output.T("%s", o.Name), output.In(style, "%s", state), output.T("%s/%s", o.Namespace, o.PodIdentity), output.T("%s", day(o.Created, "")),
		output.T("%s", day(o.LastUsed, "never")), output.T("%s", strconv.Itoa(len(o.Policies))), output.T("%s", trust),
	}
}

// dayOf returns the date of a tag with a time; a tag without one as it is.
func dayOf(tag string) string {
	t, err := time.Parse(time.RFC3339, tag)
	if err != nil {
		return tag
	}
	return day(t, "")
}

func header(titles ...string) []output.Span {
	spans := make([]output.Span, len(titles))
	for i, title := range titles {
		spans[i] = output.In(output.Bold, "%s", title)
	}
	return spans
}

func printDeleted(p *output.Printer, r orphansResult) {
	if len(r.Roles) == 0 {
		p.Line(output.T("Cluster %s has no leaked role in account %s; nothing was deleted.", r.Cluster, r.AccountID))
	}
	for i := range r.Roles {
		one := &r.Roles[i]
		if one.Deleted {
			p.Line(symbols[check.OK], output.T(" role %s deleted", one.Name))
			continue
		}
		p.Line(symbols[check.Warning], output.T(" role %s skipped: %s", one.Name, one.Skipped))
	}
}
