// Package tree is the tree that status shows: from an identity to its role, its
// policies, its ServiceAccounts and its pods. It is pure.
package tree

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/readiness"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/workload"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Facts are what is known about one identity.
type Facts struct {
	Identity v1alpha1.PodIdentity `json:"identity"`
	// Annotations are the roles that its ServiceAccounts are annotated with, by name; a
	// ServiceAccount that does not exist is not in it.
	Annotations map[string]string `json:"annotations,omitempty"`
	// Workloads run as its ServiceAccounts.
	Workloads []workload.Workload `json:"workloads,omitempty"`
	// Role is nil if AWS was not called, or has no such role.
	Role *role.Role `json:"role,omitempty"`
	// RoleProblem states why Role is nil.
	RoleProblem string `json:"roleProblem,omitempty"`
	Quotas      Quotas `json:"quotas,omitzero"`
}

// Quotas are those of the account; 0 is not known.
type Quotas struct {
	Managed     int `json:"managedPolicies,omitempty"`  // per role
	InlineSize  int `json:"inlineCharacters,omitempty"` // of all inline policies of a role
	TrustSize   int `json:"trustCharacters,omitempty"`
	ManagedSize int `json:"managedCharacters,omitempty"`
}

// Identity is the tree.
type Identity struct {
	Namespace string              `json:"namespace"`
	Name      string              `json:"name"`
	Created   time.Time           `json:"created"`
	Status    readiness.Readiness `json:"status"`
	// Since is when Ready became what it is.
	Since time.Time `json:"since,omitzero"`
	// Guardrail is the one that the identity was last evaluated against; empty is the
	// baseline.
	Guardrail       string           `json:"guardrail,omitempty"`
	Role            *Role            `json:"role,omitempty"`
	ServiceAccounts []ServiceAccount `json:"serviceAccounts"`
	// Findings are what needs an action, the most important first.
	Findings []Finding `json:"findings,omitempty"`
}

// Role is the role of the identity. The fields from AWS are set if AWS was called.
type Role struct {
	Name       string    `json:"name"`
	ARN        string    `json:"arn,omitempty"`
	Created    time.Time `json:"created,omitzero"`
	LastUsed   time.Time `json:"lastUsed,omitzero"`
	LastRegion string    `json:"lastUsedRegion,omitempty"`
	Boundary   string    `json:"permissionsBoundary,omitempty"`
	// Subjects are the token subjects that the trust policy names.
	Subjects  []string `json:"trustedSubjects,omitempty"`
	TrustSize *Size    `json:"trustPolicySize,omitempty"`
	Managed   []string `json:"managedPolicies,omitempty"` // ARNs
	// ManagedCount and InlineSize are usage and quota.
	ManagedCount *Size    `json:"managedPolicyCount,omitempty"`
	Inline       []Inline `json:"inlinePolicies,omitempty"`
	InlineSize   *Size    `json:"inlinePolicySize,omitempty"`
	// Problem states why AWS's part is missing.
	Problem string `json:"problem,omitempty"`
}

// Inline is an inline policy.
type Inline struct {
	Name string `json:"name"`
	Size int    `json:"size"`
}

// Size is usage of a quota; Quota is 0 if it is not known.
type Size struct {
	Used  int `json:"used"`
	Quota int `json:"quota,omitempty"`
}

// Near reports whether most of the quota is used.
func (s Size) Near() bool { return s.Quota > 0 && s.Used*10 >= s.Quota*9 }

// ServiceAccount is one that has the identity.
type ServiceAccount struct {
	Name   string `json:"name"`
	Exists bool   `json:"exists"`
	// Annotated reports that it is annotated with the role.
	Annotated bool                `json:"annotated"`
	Workloads []workload.Workload `json:"workloads,omitempty"`
}

// Finding is what needs an action.
type Finding struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Action  string `json:"action,omitempty"`
	// Minor reports that the identity works nevertheless.
	Minor bool `json:"minor,omitempty"`
}

// Build returns the tree of one identity.
func Build(f Facts) Identity {
	pi := &f.Identity
	id := Identity{
		Namespace: pi.Namespace, Name: pi.Name, Created: pi.CreationTimestamp.UTC(), Status: readiness.Of(pi),
		Role: roleOf(f),
	}
	if c := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		id.Since = c.LastTransitionTime.UTC()
	}
	if g := pi.Status.Guardrail; g != nil {
		id.Guardrail = g.Name
	}
	for _, name := range plan.ServiceAccountsOf(pi) {
		carried, exists := f.Annotations[name]
		sa := ServiceAccount{Name: name, Exists: exists, Annotated: id.Role != nil && id.Role.ARN != "" && carried == id.Role.ARN}
		for _, w := range f.Workloads {
			if w.ServiceAccount == name {
				sa.Workloads = append(sa.Workloads, w)
			}
		}
		id.ServiceAccounts = append(id.ServiceAccounts, sa)
	}
	id.Findings = findings(pi, id)
	return id
}

func roleOf(f Facts) *Role {
	status := f.Identity.Status.Role
	if status == nil {
		return nil
	}
	r := &Role{Name: status.Name, ARN: status.ARN, Problem: f.RoleProblem}
	if f.Role == nil {
		return r
	}
	r.Created, r.LastUsed, r.LastRegion = f.Role.Created, f.Role.LastUsed, f.Role.LastRegion
	if f.Role.Boundary != nil {
		r.Boundary = f.Role.Boundary.ARN
	}
	r.Subjects = subjects(f.Role.Trust)
	r.TrustSize = &Size{f.Role.Trust.Size(), f.Quotas.TrustSize}
	r.ManagedCount, r.InlineSize = &Size{0, f.Quotas.Managed}, &Size{0, f.Quotas.InlineSize}
	for _, p := range f.Role.Policies {
		if p.ARN != "" {
			r.Managed = append(r.Managed, p.ARN)
			r.ManagedCount.Used++
			continue
		}
		r.Inline = append(r.Inline, Inline{p.Name, p.Document.Size()})
		r.InlineSize.Used += p.Document.Size()
	}
	return r
}

// subjects returns the values of the trust policy's conditions on token subjects.
func subjects(trust role.Document) []string {
	p, err := trust.Policy()
	if err != nil {
		return nil
	}
	var all []string
	for _, s := range p.Statements {
		for _, c := range s.Conditions {
			if strings.HasSuffix(c.Key, ":sub") {
				all = append(all, c.Values...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// findings returns what needs an action: of conditions, the one that explains why
// Ready is not True, and then those on which Ready does not depend.
func findings(pi *v1alpha1.PodIdentity, id Identity) []Finding {
	var list []Finding
	if id.Status.Ready != metav1.ConditionTrue {
		list = append(list, Finding{Reason: id.Status.Reason, Message: id.Status.Message, Action: action(pi, id.Status.Reason)})
	}
	if id.Role != nil && id.Role.Problem != "" {
		list = append(list, Finding{
			Reason: "RoleNotFound", Message: "role " + id.Role.Name + ": " + id.Role.Problem,
			Action: "kubectl podidentity reconcile -n " + pi.Namespace + " " + pi.Name,
		})
	}
	if outdated := outdatedOf(id); outdated != "" {
		list = append(list, Finding{
			Reason: v1alpha1.ReasonPodsOutdated, Message: outdated, Action: action(pi, v1alpha1.ReasonPodsOutdated), Minor: true,
		})
	}
	if r := id.Role; r != nil {
		for _, quota := range []struct {
			size *Size
			what string
		}{
			{r.TrustSize, "characters of the trust policy"},
			{r.ManagedCount, "managed policies"},
			{r.InlineSize, "characters of inline policies"},
		} {
			if quota.size != nil && quota.size.Near() {
				list = append(list, Finding{Reason: "QuotaNear", Message: quotaMessage(*quota.size, quota.what), Minor: true})
			}
		}
	}
	return list
}

// action returns what to do about a reason, in addition to its message.
func action(pi *v1alpha1.PodIdentity, reason string) string {
	this := "-n " + pi.Namespace + " " + pi.Name
	switch reason {
	case v1alpha1.ReasonPodsOutdated:
		return "kubectl podidentity restart " + this
	case v1alpha1.ReasonAccessDenied, v1alpha1.ReasonCredentialsUnavailable, v1alpha1.ReasonIssuerUnknown,
		v1alpha1.ReasonAudienceMissing, v1alpha1.ReasonAWSUnavailable, "NotReconciled":
		return "kubectl podidentity doctor"
	case v1alpha1.ReasonChangesPending:
		return "kubectl get podid " + this + " -o jsonpath='{.status.plan}'; spec.mode: Apply makes the changes"
	default:
		return ""
	}
}
