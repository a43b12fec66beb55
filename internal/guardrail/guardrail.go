// Package guardrail decides whether an identity stays within what the platform team
// allows its namespace. It is pure.
//
// A guardrail limits what it covers. The built-in baseline limits the rest, and
// namespaces that no guardrail selects. Every comparison errs towards rejection: a
// pattern must cover all of what is allowed, and need only overlap with what is
// denied. A policy variable counts as *.
package guardrail

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Set holds the guardrails of one namespace, sorted by name. An empty set leaves
// everything to the baseline.
type Set []v1alpha1.PodIdentityGuardrail

// Match returns those of all guardrails that select a namespace with these labels.
// A guardrail with an invalid selector is an error: skipping it would allow what it
// rejects.
func Match(all []v1alpha1.PodIdentityGuardrail, namespaceLabels map[string]string) (Set, error) {
	var matching Set
	for _, g := range all {
		selector, err := metav1.LabelSelectorAsSelector(labelSelector(g.Spec.NamespaceSelector))
		if err != nil {
			return nil, fault.Errorf(fault.Blocked, v1alpha1.ReasonGuardrailViolated,
				"PodIdentityGuardrail %s: spec.namespaceSelector: %w; all PodIdentities are rejected until it is fixed", g.Name, err)
		}
		if selector.Matches(labels.Set(namespaceLabels)) {
			matching = append(matching, g)
		}
	}
	slices.SortFunc(matching, func(a, b v1alpha1.PodIdentityGuardrail) int { return cmp.Compare(a.Name, b.Name) })
	return matching, nil
}

func labelSelector(s v1alpha1.NamespaceSelector) *metav1.LabelSelector {
	out := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for key, value := range s.MatchLabels {
		out.MatchLabels[key] = string(value)
	}
	for _, r := range s.MatchExpressions {
		out.MatchExpressions = append(out.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: r.Key, Operator: metav1.LabelSelectorOperator(r.Operator), Values: policy.Strings(r.Values),
		})
	}
	return out
}

// Boundary is a permissions boundary that every role of a namespace must have.
type Boundary struct {
	ARN string // empty if none is required
	By  string // names what requires it
}

// Boundary returns the permissions boundary that every role of the namespace must
// have: the operator's own, if it has one, or that of the guardrails. A role has one
// boundary, so different ones are an error.
func (set Set) Boundary(configured string) (Boundary, error) {
	var required Boundary
	if configured != "" {
		required = Boundary{configured, "the operator's --permissions-boundary"}
	}
	for _, g := range set {
		arn, by := string(g.Spec.PermissionsBoundary), "PodIdentityGuardrail "+g.Name
		switch {
		case arn == "" || arn == required.ARN:
		case required.ARN == "":
			required = Boundary{arn, by}
		default:
			return Boundary{}, fault.Errorf(fault.Blocked, v1alpha1.ReasonGuardrailViolated,
				"conflicting permissions boundaries: %s requires %s, %s requires %s; the platform team must remove one of them",
				required.By, required.ARN, by, arn)
		}
	}
	return required, nil
}

// LimitsCount reports whether one of the guardrails limits the number of identities,
// so that Evaluate needs Facts.Older.
func (set Set) LimitsCount() bool {
	return slices.ContainsFunc(set, func(g v1alpha1.PodIdentityGuardrail) bool { return g.Spec.MaxIdentities != nil })
}

// Revokes reports whether one of the guardrails revokes the permissions of an
// identity that it rejects.
func (set Set) Revokes() bool {
	return slices.ContainsFunc(set, func(g v1alpha1.PodIdentityGuardrail) bool {
		return g.Spec.OnViolation == v1alpha1.ViolationRevoke
	})
}

// Facts are what an evaluation needs to know in addition to the identity.
type Facts struct {
	// Older is the number of older identities in the namespace.
	Older int
	// Managed holds the contents of the managed policies that Reads returns, by ARN.
	Managed map[string]Contents
}

// Reads returns the managed policies, of a list of ARNs, whose contents Evaluate and
// EvaluateRole need.
func (set Set) Reads(arns []string) []string {
	return mustRead(set.specs(), arns)
}

// specs returns the specs of the guardrails; for the baseline alone, an empty one.
func (set Set) specs() []*v1alpha1.PodIdentityGuardrailSpec {
	if len(set) == 0 {
		return []*v1alpha1.PodIdentityGuardrailSpec{{}}
	}
	specs := make([]*v1alpha1.PodIdentityGuardrailSpec, len(set))
	for i := range set {
		specs[i] = &set[i].Spec
	}
	return specs
}

// Result is the outcome of an evaluation.
type Result struct {
	// Guardrail is the first guardrail that rejects the identity, or the first of all
	// if none does. It is nil if the baseline alone applies.
	Guardrail *v1alpha1.PodIdentityGuardrail
	// Revoke reports that the role must lose its permissions.
	Revoke bool
	// Err states what is rejected, and why; nil if nothing is. It is terminal, unless
	// there are only too many identities.
	Err error
	// Unread is the error because of which the contents of a managed policy are not
	// known, nil if all are. The identity then must not get the policy. If its role
	// already has the policy, it is not revoked: the operator itself may lack a
	// permission.
	Unread error
	// UnreadPolicies are the ARNs of all policies whose contents are not known.
	UnreadPolicies []string
}

// Evaluate evaluates the spec of an identity against all guardrails of its namespace. It
// ignores what is invalid in the spec: plan.Desired rejects that. It rejects inline
// policies that no role can hold, instead of evaluating them.
func (set Set) Evaluate(pi *v1alpha1.PodIdentity, facts Facts) Result {
	r := requestOf(pi)
	result := set.evaluate(r, facts)
	if result.Err == nil {
		result.Err = r.tooLarge
	}
	return result
}

// EvaluateRole evaluates a role as it is in AWS against all guardrails of its identity's
// namespace.
func (set Set) EvaluateRole(role plan.Role, namespace string, facts Facts) Result {
	return set.evaluate(requestOfRole(role, namespace), facts)
}

func (set Set) evaluate(r request, facts Facts) Result {
	var result Result
	var rejections []error
	if len(set) == 0 {
		err := evaluate(r, &v1alpha1.PodIdentityGuardrailSpec{}, facts).
			err("rejected by the built-in baseline", "; a PodIdentityGuardrail for this namespace can allow it")
		rejections = appendError(rejections, err)
	} else {
		result.Guardrail = &set[0]
	}
	for i := range set {
		g := &set[i]
		err := evaluate(r, &g.Spec, facts).err("rejected by PodIdentityGuardrail "+g.Name, "")
		if err == nil {
			continue
		}
		if len(rejections) == 0 {
			result.Guardrail = g
		}
		result.Revoke = result.Revoke || g.Spec.OnViolation == v1alpha1.ViolationRevoke
		rejections = appendError(rejections, err)
	}
	result.Err = join(rejections)
	result.UnreadPolicies, result.Unread = unreadable(r, set.specs(), facts.Managed)
	return result
}

func appendError(list []error, err error) []error {
	if err != nil {
		list = append(list, err)
	}
	return list
}

// join returns one error. Its kind is terminal if one of the rejections is.
func join(rejections []error) error {
	if len(rejections) < 2 {
		return errors.Join(rejections...)
	}
	kind := fault.Blocked
	texts := make([]string, len(rejections))
	for i, err := range rejections {
		kind = max(kind, fault.KindOf(err))
		texts[i] = err.Error()
	}
	return fault.Errorf(kind, v1alpha1.ReasonGuardrailViolated, "%s", strings.Join(texts, "; "))
}
