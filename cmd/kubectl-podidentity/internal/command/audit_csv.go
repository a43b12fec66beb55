package command

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/access"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// auditCSV writes one line for each grant, and one for an identity without any.
func auditCSV(w io.Writer, r audited) error {
	out := csv.NewWriter(w)
	rows := [][]string{{
		"kind", "namespace", "name", "serviceAccounts", "role", "boundary", "created", "lastUsed", "use", "answer",
		"action", "resources", "conditional", "limited", "policy", "findings",
	}}
	for i := range r.Identities {
		id := &r.Identities[i]
		var messages []string
		for _, f := range id.Findings {
			messages = append(messages, f.Message)
		}
		start := []string{
			id.Kind, id.Namespace, id.Name, strings.Join(id.ServiceAccounts, " "), id.RoleARN, id.Boundary,
			timeOf(id.Created), timeOf(id.LastUsed), string(id.Use), string(id.Answer),
		}
		findings := strings.Join(messages, "; ")
		if len(id.Grants) == 0 {
			rows = append(rows, append(start, "", "", "", "", "", findings))
		}
		for _, g := range id.Grants {
			rows = append(rows, append(slices.Clip(start), grantCells(g, findings)...))
		}
	}
	for _, row := range rows {
		for i := range row {
			row[i] = output.Cell(row[i])
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func grantCells(g access.Grant, findings string) []string {
	return []string{
		actionOf(g), strings.Join(resourceOf(g), " "), strconv.FormatBool(g.Conditional), strings.Join(g.Limited, ", "), g.Policy, findings,
	}
}

func timeOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
