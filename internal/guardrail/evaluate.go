package guardrail

import (
	"maps"
	"slices"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// everything is the pattern that matches all.
const everything = "*"

// report notes what is refused.
type report func(format string, args ...any)

func evaluateManaged(pi *v1alpha1.PodIdentity, rail *v1alpha1.PodIdentityGuardrailSpec, refuse report) {
	limit := limit{PatternLimit: rail.ManagedPolicies, of: "managed policies", exact: true, baseline: baselineManaged}
	for i, arn := range pi.Spec.Policies.Managed {
		if wrong := limit.violation(string(arn)); wrong != "" {
			refuse("spec.policies.managed[%d]: %s %s", i, arn, wrong)
		}
	}
}

func evaluateInline(pi *v1alpha1.PodIdentity, rail *v1alpha1.PodIdentityGuardrailSpec, refuse report) {
	inline := pi.Spec.Policies.Inline
	switch {
	case len(inline) == 0:
		return
	case rail.InlinePolicies == v1alpha1.PermissionForbidden:
		refuse("spec.policies.inline: inline policies are forbidden; use managed policies")
		return
	case size(inline) > maxInline:
		refuse("spec.policies.inline: has more than %d characters, which no role can hold", maxInline)
		return
	}
	actions := limit{PatternLimit: rail.Actions, of: "actions", baseline: baselineAction}
	for _, g := range grants(inline) {
		passed := g.evaluateActions(actions, refuse)
		g.evaluateResources(limit{PatternLimit: rail.Resources, of: "resources", exact: true, baseline: func(resource string) string {
			return baselineResource(passed, resource)
		}}, refuse)
	}
}

// evaluateActions holds a statement against the limit of actions, and returns
// patterns that match all actions that are within it.
func (g allowStatement) evaluateActions(actions limit, refuse report) (passed []string) {
	if g.notActions {
		if actions.violation(everything) == "" {
			return []string{everything}
		}
		refuse("%s: allows all actions but some, and so more than is allowed; name those that are needed", g.field)
		return nil
	}
	for _, a := range g.actions {
		if wrong := actions.violation(a); wrong != "" {
			refuse("%s: %s %s", g.field, a, wrong)
		} else {
			passed = append(passed, a)
		}
	}
	return passed
}

// evaluateResources holds it against the limit of resources.
func (g allowStatement) evaluateResources(resources limit, refuse report) {
	for _, r := range g.resources {
		if wrong := resources.violation(r); wrong != "" {
			refuse("%s: %s %s", g.field, r, wrong)
		}
	}
	if g.notResources && (resources.Allowed == nil || resources.violation(everything) != "") {
		refuse("%s: is about all resources but some, and so about more than is allowed; name those that are needed", g.field)
	}
}

func evaluateNames(pi *v1alpha1.PodIdentity, rail *v1alpha1.PodIdentityGuardrailSpec, refuse report) {
	tags := limit{PatternLimit: rail.TagKeys, of: "tag keys"}
	for _, key := range slices.Sorted(maps.Keys(pi.Spec.Role.Tags)) {
		if wrong := tags.violation(key); wrong != "" {
			refuse("spec.role.tags: %s %s", key, wrong)
		}
	}
	roles := limit{PatternLimit: rail.RoleNames, of: "role names"}
	if name := pi.Spec.Role.Name; name != "" {
		if wrong := roles.violation(name); wrong != "" {
			refuse("spec.role.name: %s %s; leave it out to have a name generated", name, wrong)
		}
	}
	accounts := limit{PatternLimit: rail.ServiceAccounts, of: "ServiceAccounts", exact: true}
	for i, name := range plan.ServiceAccountsOf(pi) {
		field := "spec.serviceAccount.name"
		if i > 0 {
			field = "spec.additionalServiceAccounts"
		}
		if wrong := accounts.violation(name); wrong != "" {
			refuse("%s: %s %s", field, name, wrong)
		}
	}
	if pi.Spec.Trust.Scope != v1alpha1.TrustNamespace {
		return
	}
	if rail.NamespaceTrust == v1alpha1.PermissionForbidden {
		refuse("spec.trust.scope: Namespace is forbidden; name the ServiceAccounts in spec.additionalServiceAccounts")
	} else if wrong := accounts.violation(everything); wrong != "" {
		refuse("spec.trust.scope: Namespace trusts every ServiceAccount, and not every one is allowed; name them in spec.additionalServiceAccounts")
	}
}
