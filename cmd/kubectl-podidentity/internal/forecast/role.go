package forecast

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Observed returns a role, read with its policies, as the operator sees it: without
// the tags of AWS, and those that the operator ignores. Nil stays nil.
func Observed(r *role.Role, ignoredTags []string) *plan.Observed {
	if r == nil {
		return nil
	}
	o := &plan.Observed{ARN: r.ARN, ID: r.ID, CreatedAt: r.Created, Role: plan.Role{
		Name: r.Name, Path: r.Path, Description: r.Description, MaxSessionDuration: cmp.Or(r.MaxSession, plan.DefaultMaxSessionDuration),
		Trust: canonical(r.Trust), Tags: map[string]string{}, Inline: map[string]plan.InlinePolicy{},
	}}
	for key, value := range r.Tags {
		ignored := func(prefix string) bool { return strings.HasPrefix(key, prefix) }
		if !strings.HasPrefix(strings.ToLower(key), "aws:") && !slices.ContainsFunc(ignoredTags, ignored) {
			o.Tags[key] = value
		}
	}
	if r.Boundary != nil {
		o.Boundary = r.Boundary.ARN
	}
	for _, p := range r.Policies {
		if p.ARN != "" {
			o.Managed = append(o.Managed, p.ARN)
		} else {
			o.Inline[p.Name] = plan.InlinePolicy{Document: canonical(p.Document)}
		}
	}
	slices.Sort(o.Managed)
	return o
}

// canonical returns the canonical form of a document, in which the operator compares
// policies. One that is none equals no policy.
func canonical(d role.Document) policy.Document {
	parsed, err := policy.Parse([]byte(d))
	if err != nil {
		return policy.Document(d)
	}
	return parsed
}

// RoleConflicts returns why the operator would not touch an existing role for an identity.
func RoleConflicts(pi *v1alpha1.PodIdentity, owner plan.Owner, observed *plan.Observed, desired plan.Role) []Finding {
	if observed == nil {
		return nil
	}
	ownership := observed.OwnershipBy(owner)
	switch {
	case ownership == plan.Adoptable && pi.Spec.Role.AdoptionPolicy != v1alpha1.AdoptionIfTagged:
		return []Finding{Broken(CheckRole, fmt.Sprintf(
			"role %s already exists and its tags name this PodIdentity; to adopt it, set spec.role.adoptionPolicy: IfTagged", desired.Name))}
	case ownership == plan.NotOwned:
		return []Finding{Broken(CheckRole, fmt.Sprintf("role %s already exists and is owned by %s; set a different spec.role.name", desired.Name, observed.OwnerDescription()))}
	case observed.Path != desired.Path:
		return []Finding{Broken(CheckRole, fmt.Sprintf("role %s has path %s, but the operator only manages roles under %s; set a different spec.role.name",
			desired.Name, observed.Path, desired.Path))}
	default:
		return nil
	}
}
