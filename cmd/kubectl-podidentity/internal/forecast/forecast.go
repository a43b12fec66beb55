// Package forecast decides what the operator would do with a PodIdentity before it is
// applied: what it would reject, and what it would change. It is pure, and decides with
// the packages of the operator.
package forecast

import (
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Finding is something wrong with an object.
type Finding struct {
	// State is broken if the API server, the operator or AWS would reject the object.
	State   check.State `json:"state"`
	Check   string      `json:"check"`
	Message string      `json:"message"`
}

// The checks that a Finding can be of.
const (
	CheckFile        = "file"
	CheckSchema      = "schema"
	CheckAdmission   = "admission"
	CheckSpec        = "spec"
	CheckGuardrail   = "guardrail"
	CheckQuota       = "quota"
	CheckConflict    = "conflict"
	CheckRole        = "role"
	CheckPlaceholder = "placeholder"
	CheckAnalyzer    = "access-analyzer"
)

// Broken returns a finding for which the object is rejected.
func Broken(by, message string) Finding {
	return Finding{State: check.Broken, Check: by, Message: message}
}

// Warn returns a finding for which nothing rejects the object.
func Warn(by, message string) Finding {
	return Finding{State: check.Warning, Check: by, Message: message}
}

// Facts are what the operator knows when it reconciles an identity.
type Facts struct {
	Cluster    plan.Cluster
	Guardrails []v1alpha1.PodIdentityGuardrail // all of the cluster
	// RequireGuardrail is the operator's flag of that name.
	RequireGuardrail bool
	NamespaceLabels  map[string]string
	// Managed holds the contents of managed policies by ARN. The guardrails are not
	// evaluated on a policy that it does not contain.
	Managed map[string]guardrail.Contents
	Older   int // identities of the namespace that are older
	Quotas  plan.Quotas
}

// Evaluate returns the desired state of an identity, and what the operator rejects about
// it. The state is empty if a finding is broken.
func Evaluate(pi *v1alpha1.PodIdentity, f Facts) (plan.State, []Finding) {
	set, err := guardrail.Match(f.Guardrails, f.NamespaceLabels)
	if err != nil {
		return plan.State{}, []Finding{Broken(CheckGuardrail, err.Error())}
	}
	findings := guardrailFindings(pi, set, f)
	boundary, err := set.Boundary(f.Cluster.Boundary)
	if err != nil {
		findings = append(findings, Broken(CheckGuardrail, err.Error()))
	}
	cluster := f.Cluster
	cluster.Boundary = boundary.ARN
	desired, err := plan.Desired(pi, cluster)
	if err != nil {
		return plan.State{}, append(findings, Broken(CheckSpec, err.Error()))
	}
	if err := f.Quotas.Check(desired.Role); err != nil {
		findings = append(findings, Broken(CheckQuota, err.Error()))
	}
	return desired, findings
}

// Rejection returns why a guardrail, or the baseline, rejects an identity, "" if none
// does.
func Rejection(pi *v1alpha1.PodIdentity, f Facts) string {
	set, err := guardrail.Match(f.Guardrails, f.NamespaceLabels)
	if err != nil {
		return err.Error()
	}
	var messages []string
	for _, finding := range guardrailFindings(pi, set, f) {
		messages = append(messages, finding.Message)
	}
	return strings.Join(messages, "; ")
}

func guardrailFindings(pi *v1alpha1.PodIdentity, set guardrail.Set, f Facts) []Finding {
	if len(set) == 0 && f.RequireGuardrail {
		return []Finding{Broken(CheckGuardrail, "no PodIdentityGuardrail selects namespace "+pi.Namespace+" and the operator requires one (--require-guardrail)")}
	}
	result := set.Evaluate(pi, guardrail.Facts{Older: f.Older, Managed: f.Managed})
	var findings []Finding
	if result.Err != nil {
		message := result.Err.Error()
		if result.Revoke {
			message += "; the guardrail revokes the permissions of an existing role"
		}
		findings = append(findings, Broken(CheckGuardrail, message))
	}
	if result.Unread != nil && fault.KindOf(result.Unread) != fault.Transient {
		findings = append(findings, Broken(CheckGuardrail, result.Unread.Error()))
	}
	return findings
}

// Unread returns the managed policies of an identity whose contents the guardrails of
// its namespace need, and the facts do not hold.
func Unread(pi *v1alpha1.PodIdentity, f Facts) []string {
	set, err := guardrail.Match(f.Guardrails, f.NamespaceLabels)
	if err != nil {
		return nil
	}
	var arns []string
	for _, arn := range pi.Spec.Policies.Managed {
		arns = append(arns, string(arn))
	}
	return slices.DeleteFunc(set.Reads(arns), func(arn string) bool {
		_, known := f.Managed[arn]
		return known
	})
}

// Rejected reports whether one of the findings is broken.
func Rejected(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.State == check.Broken })
}

// Analyzed returns a finding of IAM Access Analyzer about an inline policy. A policy with
// an error is useless, although AWS accepts it.
func Analyzed(name, kind, code, message string) Finding {
	return Warn(CheckAnalyzer, "spec.policies.inline["+name+"]: "+kind+" "+code+": "+message)
}

// AboveQuotas reports whether a valid identity needs more than the quotas of the facts.
func AboveQuotas(pi *v1alpha1.PodIdentity, f Facts) bool {
	desired, err := plan.Desired(pi, f.Cluster)
	return err == nil && f.Quotas.Check(desired.Role) != nil
}
