package guardrail

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// evaluation is the evaluation of a request against one guardrail and the baseline.
type evaluation struct {
	request   request
	guardrail *v1alpha1.PodIdentityGuardrailSpec
	contents  map[string]Contents
	actions   limit
	resources limit

	// wholeServices are the services that the request has in whole on all resources,
	// except those that the guardrail allows.
	wholeServices map[string]bool
	violations
}

// evaluate evaluates a request against a guardrail and the baseline.
func evaluate(r request, g *v1alpha1.PodIdentityGuardrailSpec, facts Facts) *evaluation {
	e := &evaluation{
		request: r, guardrail: g, contents: facts.Managed, wholeServices: map[string]bool{},
		actions:   newLimit("action", "actions", policy.AnyCase, g.Actions.Allowed, g.Actions.Additional, g.Actions.Denied),
		resources: newLimit("resource", "resources", policy.ExactCase, g.Resources.Allowed, g.Resources.Additional, g.Resources.Denied),
	}
	e.actions.baseline = baselineAction
	e.managed()
	e.inline()
	e.breadth()
	e.names()
	e.trust()
	e.boundary()
	e.retention()
	if most := g.MaxIdentities; most != nil && facts.Older >= int(*most) {
		e.addf(fault.Blocked, "", "namespace limit of %d PodIdentities reached; delete one or ask the platform team to raise maxIdentities", *most)
	}
	return e
}

// managed evaluates the managed policies, by ARN and by contents.
func (e *evaluation) managed() {
	if len(e.request.managed) == 0 {
		return
	}
	rules := managedRulesOf(e.guardrail)
	for _, m := range e.request.managed {
		if p := rules.arns.violation(m.text); p != (phrase{}) {
			e.add(m.field, m.text, p)
			continue
		}
		if rules.trusted.Covers(m.text) {
			continue
		}
		for _, s := range e.contents[m.text].statements {
			s.field = m.field + ": " + m.text + s.field
			e.statement(s)
		}
	}
}

// managedRules are the limits of a guardrail on managed policies.
type managedRules struct {
	arns limit
	// trusted are the policies whose contents the guardrail does not evaluate.
	trusted *policy.Allowlist
}

func managedRulesOf(g *v1alpha1.PodIdentityGuardrailSpec) managedRules {
	return managedRules{
		arns:    newLimit("managed policy", "managed policies", policy.ExactCase, g.ManagedPolicies.Allowed, nil, g.ManagedPolicies.Denied),
		trusted: policy.NewAllowlist(policy.ExactCase, g.ManagedPolicies.Trusted...),
	}
}

// read reports whether the guardrail needs the contents of a managed policy: its ARN is
// allowed, and the policy is not trusted.
func (r managedRules) read(arn string) bool {
	return r.arns.violation(arn) == (phrase{}) && !r.trusted.Covers(arn)
}

// mustRead returns the managed policies whose contents one of the guardrails
// needs.
func mustRead(guardrails []*v1alpha1.PodIdentityGuardrailSpec, arns []string) []string {
	if len(arns) == 0 {
		return nil
	}
	rules := make([]managedRules, len(guardrails))
	for i, g := range guardrails {
		rules[i] = managedRulesOf(g)
	}
	var read []string
	for _, arn := range arns {
		if slices.ContainsFunc(rules, func(r managedRules) bool { return r.read(arn) }) {
			read = append(read, arn)
		}
	}
	return read
}

// inline evaluates the inline policies.
func (e *evaluation) inline() {
	switch {
	case e.request.inlineField == "":
	case e.guardrail.InlinePolicies == v1alpha1.PermissionForbidden:
		e.addf(fault.Terminal, e.request.inlineField, "inline policies are forbidden; use managed policies")
	default:
		for _, s := range e.request.inline {
			e.statement(s)
		}
		for _, field := range e.request.unreadable {
			e.addf(fault.Terminal, field, "its contents cannot be read")
		}
	}
}

// statement evaluates one statement that allows something.
func (e *evaluation) statement(s allowStatement) {
	passed := e.statementActions(s)
	e.statementResources(s, handedOut(passed))
	if s.notResources == "" && !slices.ContainsFunc(s.resources, allResources) {
		return
	}
	for _, a := range passed {
		if service := wholeService(a); service != "" && !e.actions.allows(a) {
			e.wholeServices[service] = true
		}
	}
}

// statementActions evaluates the actions of a statement, and returns patterns that
// cover all of them that are allowed.
func (e *evaluation) statementActions(s allowStatement) (passed []string) {
	if s.notActions != "" {
		if e.actions.violation(everything) == (phrase{}) {
			return []string{everything}
		}
		e.addf(fault.Terminal, s.field, "%s allows more than permitted; list the required actions instead", s.notActions)
		return nil
	}
	for _, a := range s.actions {
		if p := e.actions.violation(a); p != (phrase{}) {
			e.add(s.field, a, p)
		} else {
			passed = append(passed, a)
		}
	}
	return passed
}

// handedOut returns those of the role actions that patterns may match.
func handedOut(actions []string) []string {
	actions = slices.DeleteFunc(slices.Clone(actions), namesOtherService)
	var out []string
	for i, r := range roleActions {
		if slices.ContainsFunc(actions, eachRoleAction[i].Overlaps) {
			out = append(out, r)
		}
	}
	return out
}

// namesOtherService reports whether an action pattern names a service that has no role
// action.
func namesOtherService(action string) bool {
	service, _, found := strings.Cut(action, ":")
	return found && !isPattern(service) && !servicesOfRoleActions[lower(service)]
}

// servicesOfRoleActions are the services of the role actions, in lower case.
var servicesOfRoleActions = func() map[string]bool {
	services := map[string]bool{}
	for _, r := range roleActions {
		service, _, _ := strings.Cut(r, ":")
		services[lower(service)] = true
	}
	return services
}()

// eachRoleAction has one list for each of the role actions.
var eachRoleAction = func() []*policy.Denylist {
	lists := make([]*policy.Denylist, len(roleActions))
	for i, r := range roleActions {
		lists[i] = policy.NewDenylist(policy.AnyCase, r)
	}
	return lists
}()

// statementResources evaluates the resources of a statement. actions are the role actions
// that the statement has and that a guardrail allows as actions.
func (e *evaluation) statementResources(s allowStatement, actions []string) {
	limit := e.resources
	if len(actions) > 0 {
		names := strings.Join(actions, ", ")
		limit.baseline = func(resource string) phrase {
			if !mayBeRole(resource) {
				return phrase{}
			}
			return phrase{
				one:  "cannot be used with " + names + "; only resources.allowed or resources.additional of a PodIdentityGuardrail can allow that",
				many: "cannot be used with " + names + "; only resources.allowed or resources.additional of a PodIdentityGuardrail can allow that",
			}
		}
	}
	for _, r := range s.resources {
		if p := limit.violation(r); p != (phrase{}) {
			e.add(s.field, r, p)
		}
	}
	if s.notResources != "" && (limit.violation(everything) != (phrase{}) || !limit.allows(everything)) {
		e.addf(fault.Terminal, s.field, "%s covers more than permitted; list the required resources instead", s.notResources)
	}
}

// mayBeRole reports whether a resource pattern may match a resource of IAM. A
// wildcard before the service may match across colons.
func mayBeRole(resource string) bool {
	const segments = 4 // arn:partition:service:…
	parts := strings.SplitN(resource, ":", segments)
	if len(parts) < segments || isPattern(parts[0]+parts[1]) {
		return isPattern(resource)
	}
	// A policy variable has colons itself, and so does not end with the segment.
	return strings.Contains(parts[2], "$") || iamService.Overlaps(parts[2])
}

var iamService = policy.NewDenylist(policy.AnyCase, "iam")

// breadth rejects a request for so many whole services that they amount to
// everything.
func (e *evaluation) breadth() {
	if e.guardrail.Actions.Allowed != nil || len(e.wholeServices) <= maxWholeServices {
		return
	}
	services := slices.Sorted(maps.Keys(e.wholeServices))
	e.addf(fault.Terminal, "spec.policies", "allows %d whole services on all resources (%s); the baseline allows %d",
		len(services), enumerate(services[:maxTexts], len(services)), maxWholeServices)
}

// names evaluates the names that the request uses.
func (e *evaluation) names() {
	g := e.guardrail
	for _, part := range []struct {
		limit limit
		names []named
		hint  string
	}{
		{newLimit("tag key", "tag keys", policy.AnyCase, g.TagKeys.Allowed, nil, g.TagKeys.Denied), e.request.tagKeys, ""},
		{newLimit("role name", "role names", policy.AnyCase, g.RoleNames.Allowed, nil, g.RoleNames.Denied), e.request.roleNames, "; omit it to use a generated name"},
		{serviceAccountLimit(g), e.request.serviceAccounts, ""},
	} {
		for _, n := range part.names {
			if p := part.limit.violation(n.text); p != (phrase{}) {
				e.add(n.field, n.text, phrase{p.one + part.hint, p.many + part.hint})
			}
		}
	}
}

func serviceAccountLimit(g *v1alpha1.PodIdentityGuardrailSpec) limit {
	return newLimit("ServiceAccount", "ServiceAccounts", policy.ExactCase, g.ServiceAccounts.Allowed, nil, g.ServiceAccounts.Denied)
}

// trust evaluates the trust of a whole namespace.
func (e *evaluation) trust() {
	field := e.request.trustField
	switch {
	case field == "":
	case e.guardrail.NamespaceTrust == v1alpha1.PermissionForbidden:
		e.addf(fault.Terminal, field, "Namespace is forbidden; list the ServiceAccounts in spec.additionalServiceAccounts")
	case serviceAccountLimit(e.guardrail).violation(everything) != (phrase{}):
		e.addf(fault.Terminal, field, "Namespace would trust ServiceAccounts that are not allowed; list the ServiceAccounts in spec.additionalServiceAccounts")
	}
}

// boundary evaluates the permissions boundary of a role. That of a spec needs no
// evaluation: the operator overrides it.
func (e *evaluation) boundary() {
	required, has := string(e.guardrail.PermissionsBoundary), e.request.boundary
	if required == "" || has == nil || *has == required {
		return
	}
	current := "none"
	if *has != "" {
		current = fault.Excerpt(*has)
	}
	e.addf(fault.Terminal, "permissions boundary of the role", "is %s; required is %s", current, required)
}

// unreadable returns the managed policies whose contents are not known although one of the
// guardrails needs them, and the error for the first of them.
func unreadable(r request, guardrails []*v1alpha1.PodIdentityGuardrailSpec, contents map[string]Contents) (arns []string, why error) {
	all := make([]string, len(r.managed))
	for i, m := range r.managed {
		all[i] = m.text
	}
	read := mustRead(guardrails, all)
	for _, m := range r.managed {
		if !slices.Contains(read, m.text) {
			continue
		}
		known, found := contents[m.text]
		var err error
		switch {
		case !found:
			err = fault.Errorf(fault.Transient, v1alpha1.ReasonProgressingWithRetry, "%s: the contents of %s are not known yet", m.field, m.text)
		case known.err != nil:
			err = fmt.Errorf("%s: %w", m.field, known.err)
		default:
			continue
		}
		arns, why = append(arns, m.text), cmp.Or(why, err)
	}
	return arns, why
}
