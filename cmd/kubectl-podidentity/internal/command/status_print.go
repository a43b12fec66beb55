package command

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/tree"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/workload"
)

func printStatus(p *output.Printer, identities []tree.Identity, namespace string, wide bool, now time.Time) {
	if len(identities) == 0 {
		where := "in the cluster"
		if namespace != "" {
			where = "in namespace " + namespace
		}
		p.Line(output.T("No PodIdentities %s.", where))
		return
	}
	v := statusView{wide: wide, now: now}
	for i := range identities {
		if i > 0 {
			p.Line()
		}
		p.Tree(v.identity(&identities[i]))
		for _, f := range identities[i].Findings {
			symbol := symbols[check.Broken]
			if f.Minor {
				symbol = symbols[check.Warning]
			}
			p.Line(symbol, output.T(" %s: %s", f.Reason, f.Message))
			if f.Action != "" {
				p.Line(output.In(output.Bold, "  → %s", f.Action))
			}
		}
	}
}

// statusView turns identities into nodes.
type statusView struct {
	wide bool
	now  time.Time
}

func (v statusView) ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return duration.HumanDuration(v.now.Sub(t)) + " ago"
}

func (v statusView) identity(id *tree.Identity) output.Node {
	state, style := "Ready", output.Good
	switch {
	case id.Status.Ready == metav1.ConditionFalse:
		state, style = "Not ready", output.Bad
	case id.Status.Ready != metav1.ConditionTrue:
		state, style = "In progress", output.Warn
	}
	if !id.Since.IsZero() {
		state += " for " + duration.HumanDuration(v.now.Sub(id.Since))
	}
	if id.Status.Suspended {
		state += ", suspended"
	}
	n := output.Node{Line: []output.Span{output.In(output.Bold, "%s/%s", id.Namespace, id.Name), output.T("  "), output.In(style, "%s", state)}}
	if v.wide {
		guardrail := "baseline"
		if id.Guardrail != "" {
			guardrail = id.Guardrail
		}
		n.Add("created %s, guardrail %s", v.ago(id.Created), guardrail)
	}
	if id.Role != nil {
		n.Children = append(n.Children, v.role(id.Role))
	}
	for i := range id.ServiceAccounts {
		n.Children = append(n.Children, v.serviceAccount(&id.ServiceAccounts[i]))
	}
	return n
}

func (v statusView) role(r *tree.Role) output.Node {
	n := output.Node{Line: []output.Span{output.T("Role %s", r.Name)}}
	if !r.Created.IsZero() {
		used := "never used"
		if !r.LastUsed.IsZero() {
			used = "last used " + v.ago(r.LastUsed)
			if r.LastRegion != "" {
				used += " in " + r.LastRegion
			}
		}
		n.Line = append(n.Line, output.T(", created %s, %s", v.ago(r.Created), used))
	}
	if r.Problem != "" {
		n.Line = append(n.Line, output.In(output.Bad, ", %s", r.Problem))
	}
	n.Add("%s", r.ARN)
	for _, s := range r.Subjects {
		n.Add("trusts %s", s)
	}
	if v.wide && r.TrustSize != nil {
		n.Add("trust policy: %s", ofQuota(r.TrustSize, "characters"))
	}
	if r.Boundary != "" {
		n.Add("permissions boundary %s", r.Boundary)
	}
	for _, arn := range r.Managed {
		n.Add("managed policy %s", arn)
	}
	for _, p := range r.Inline {
		n.Add("inline policy %s, %d characters", p.Name, p.Size)
	}
	if r.ManagedCount != nil {
		n.Add("%s, %s", ofQuota(r.ManagedCount, "managed policies"), ofQuota(r.InlineSize, "inline characters"))
	}
	return n
}

func ofQuota(s *tree.Size, what string) string {
	if s.Quota == 0 {
		return fmt.Sprintf("%d %s", s.Used, what)
	}
	return fmt.Sprintf("%d of %d %s", s.Used, s.Quota, what)
}

func (v statusView) serviceAccount(sa *tree.ServiceAccount) output.Node {
	n := output.Node{Line: []output.Span{output.T("ServiceAccount %s", sa.Name)}}
	switch {
	case !sa.Exists:
		n.Line = append(n.Line, output.In(output.Warn, ", does not exist"))
	case !sa.Annotated:
		n.Line = append(n.Line, output.In(output.Warn, ", is not annotated with the role"))
	}
	for _, w := range sa.Workloads {
		n.Children = append(n.Children, v.workload(w))
	}
	if len(sa.Workloads) == 0 {
		n.Children = append(n.Children, output.Node{Line: []output.Span{output.In(output.Dim, "no running pods")}})
	}
	return n
}

func (v statusView) workload(w workload.Workload) output.Node {
	outdated := w.Outdated()
	n := output.Node{Line: []output.Span{output.T("%s %s: %d of %d pods up to date", w.Kind, w.Name, len(w.Pods)-len(outdated), len(w.Pods))}}
	if v.wide {
		for _, p := range w.Pods {
			n.Children = append(n.Children, v.pod(p))
		}
		return n
	}
	if len(outdated) > 0 {
		oldest := outdated[0]
		for _, p := range outdated {
			if p.Created.Before(oldest.Created) {
				oldest = p
			}
		}
		n.Line = append(n.Line, output.In(output.Warn, ", outdated for %s (%s)", duration.HumanDuration(v.now.Sub(oldest.Created)), oldest.Name))
	}
	return n
}

func (v statusView) pod(p workload.Pod) output.Node {
	line := []output.Span{output.T("Pod %s, created %s, ", p.Name, v.ago(p.Created))}
	switch {
	case p.UpToDate:
		line = append(line, output.In(output.Good, "up to date"))
	case p.Role != "":
		line = append(line, output.In(output.Warn, "has role %s", p.Role[strings.LastIndexByte(p.Role, '/')+1:]))
	default:
		line = append(line, output.In(output.Warn, "has no role"))
	}
	return output.Node{Line: line}
}
