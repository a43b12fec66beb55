package forecast

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Change is one change that the operator would make.
type Change struct {
	// On is what changes: the role in AWS, or a ServiceAccount.
	On     string `json:"on"`
	Action string `json:"action"` // of IAM, or create, annotate or release of a ServiceAccount
	Target string `json:"target,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Before and After are the policy that changes, if one does.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// RoleChanges returns the changes of a role as they would be made, in their order. The
// observed role is nil if there is none.
func RoleChanges(observed *plan.Role, desired plan.Role) []Change {
	var changes []Change
	on := "role " + desired.Name
	for _, c := range plan.Diff(observed, desired) {
		changes = append(changes, describe(on, c, observed))
	}
	return changes
}

func describe(on string, c plan.Change, observed *plan.Role) Change {
	if observed == nil {
		observed = &plan.Role{}
	}
	out := Change{On: on, Action: c.Action(), Target: c.Target()}
	switch c := c.(type) {
	case plan.CreateRole:
		out.Target = ""
		out.After = string(c.Role.Trust)
		if c.Role.Boundary != "" {
			out.Detail = "with permissions boundary " + c.Role.Boundary
		}
	case plan.UpdateTrust:
		out.Before, out.After = string(observed.Trust), string(c.Trust)
	case plan.PutRolePolicy:
		out.Before, out.After = string(observed.Inline[c.Name].Document), string(c.Policy.Document)
	case plan.DeleteRolePolicy:
		out.Before = string(observed.Inline[c.Name].Document)
	case plan.UpdateRole:
		out.Detail = settings(observed, c)
	case plan.TagRole:
		out.Target, out.Detail = "", tags(c.Tags)
	case plan.PutBoundary:
		if observed.Boundary != "" {
			out.Detail = "instead of " + observed.Boundary
		}
	case plan.DeleteBoundary:
		out.Target = observed.Boundary
	case plan.UntagRole, plan.AttachPolicy, plan.DetachPolicy, plan.RemoveFromInstanceProfile, plan.DeleteRole: // the target needs no details
	}
	return out
}

func settings(observed *plan.Role, c plan.UpdateRole) string {
	var parts []string
	if observed.Description != c.Description {
		parts = append(parts, fmt.Sprintf("description %q instead of %q", c.Description, observed.Description))
	}
	if observed.MaxSessionDuration != c.MaxSessionDuration {
		parts = append(parts, fmt.Sprintf("session duration %d s instead of %d s", c.MaxSessionDuration, observed.MaxSessionDuration))
	}
	return strings.Join(parts, ", ")
}

func tags(all map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		parts = append(parts, key+"="+all[key])
	}
	return strings.Join(parts, ", ")
}

// Lines returns the lines of the policy that are removed, after -, and added, after +,
// with those around them.
func (c Change) Lines() []string {
	if c.Before == "" && c.After == "" {
		return nil
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{A: pretty(c.Before), B: pretty(c.After), Context: 1})
	if err != nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line != "" && !strings.HasPrefix(line, "@@") && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "+++") {
			lines = append(lines, line)
		}
	}
	return lines
}

// pretty returns the lines of a policy, none if it is empty.
func pretty(document string) []string {
	if document == "" {
		return nil
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(document), "", "  "); err != nil {
		return []string{document + "\n"}
	}
	return difflib.SplitLines(out.String())
}
