// Package guardrail says whether an identity stays within what the platform team
// allows its namespace. It is pure.
//
// A guardrail bounds what it speaks of; the baseline, which is built in, bounds
// the rest, and namespaces that no guardrail matches. Every comparison errs towards
// refusal: what is allowed must be covered by a pattern, what is denied need only
// meet one.
package guardrail

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// Set are the guardrails of one namespace, sorted by name. Without any, the
// baseline alone rules.
type Set []v1alpha1.PodIdentityGuardrail

// Match returns those of all guardrails that match a namespace with these labels.
// A guardrail whose selector cannot be read is an error: to pass it over would
// let through what it refuses.
func Match(all []v1alpha1.PodIdentityGuardrail, namespaceLabels map[string]string) (Set, error) {
	var rails Set
	for _, g := range all {
		selector, err := metav1.LabelSelectorAsSelector(labelSelector(g.Spec.NamespaceSelector))
		if err != nil {
			return nil, fault.Errorf(fault.Blocked, v1alpha1.ReasonGuardrailViolated,
				"PodIdentityGuardrail %s: spec.namespaceSelector: %w; nothing is allowed until the platform team corrects it", g.Name, err)
		}
		if selector.Matches(labels.Set(namespaceLabels)) {
			rails = append(rails, g)
		}
	}
	slices.SortFunc(rails, func(a, b v1alpha1.PodIdentityGuardrail) int { return cmp.Compare(a.Name, b.Name) })
	return rails, nil
}

func labelSelector(s v1alpha1.NamespaceSelector) *metav1.LabelSelector {
	out := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for key, value := range s.MatchLabels {
		out.MatchLabels[key] = string(value)
	}
	for _, r := range s.MatchExpressions {
		out.MatchExpressions = append(out.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: r.Key, Operator: metav1.LabelSelectorOperator(r.Operator), Values: toStrings(r.Values),
		})
	}
	return out
}

// Boundary returns the permissions boundary that every role of the namespace must
// have, empty if none is forced: the one of the operator's own configuration, or
// the one of the guardrails. A role has one boundary only, so it is an error if
// they want different ones.
func (rs Set) Boundary(configured string) (string, error) {
	forced, by := configured, "the operator's --permissions-boundary"
	for _, g := range rs {
		want := string(g.Spec.PermissionsBoundary)
		switch {
		case want == "" || want == forced:
		case forced == "":
			forced, by = want, "PodIdentityGuardrail "+g.Name
		default:
			return "", fault.Errorf(fault.Blocked, v1alpha1.ReasonGuardrailViolated,
				"PodIdentityGuardrail %s forces the permissions boundary %s, and %s forces %s; a role has one boundary: the platform team has to choose",
				g.Name, want, by, forced)
		}
	}
	return forced, nil
}

// LimitsCount reports whether any of the guardrails bounds the number of identities, so
// that Judge needs to know a rank.
func (rs Set) LimitsCount() bool {
	return slices.ContainsFunc(rs, func(g v1alpha1.PodIdentityGuardrail) bool { return g.Spec.MaxIdentities != nil })
}

// Result is what guardrails say of an identity.
type Result struct {
	// Guardrail is the guardrail that the verdict rests on: the first that refuses or, if
	// none does, the first of all. Nil is the baseline.
	Guardrail *v1alpha1.PodIdentityGuardrail
	// Revoke says that the rights which the identity has are to be taken away.
	Revoke bool
	// Err says what is refused, and why; nil if all is allowed. It is terminal,
	// unless all that is wrong is that there are too many identities.
	Err error
}

// Evaluate holds an identity against all guardrails of its namespace. Rank is how
// many other identities of the namespace came before it; see Count.
func (rs Set) Evaluate(pi *v1alpha1.PodIdentity, rank int) Result {
	if len(rs) == 0 {
		problems := evaluate(pi, &v1alpha1.PodIdentityGuardrailSpec{}, rank)
		return Result{Err: errorFor(problems, "the operator's built-in baseline refuses", "; the platform team can allow it by a PodIdentityGuardrail for this namespace")}
	}
	verdict := Result{Guardrail: &rs[0]}
	var refusals []error
	for i := range rs {
		g := &rs[i]
		err := errorFor(evaluate(pi, &g.Spec, rank), "PodIdentityGuardrail "+g.Name+" refuses", "")
		if err == nil {
			continue
		}
		if len(refusals) == 0 {
			verdict.Guardrail = g
		}
		verdict.Revoke = verdict.Revoke || g.Spec.OnViolation == v1alpha1.ViolationRevoke
		refusals = append(refusals, err)
	}
	verdict.Err = join(refusals)
	return verdict
}

// violation is one thing that is refused.
type violation struct {
	text string
	// overQuota says that it would be allowed if there were fewer identities.
	overQuota bool
}

// errorFor returns problems as one error, nil if there are none.
func errorFor(problems []violation, who, hint string) error {
	if len(problems) == 0 {
		return nil
	}
	kind := fault.Blocked
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.text
		if !p.overQuota {
			kind = fault.Terminal
		}
	}
	return fault.Errorf(kind, v1alpha1.ReasonGuardrailViolated, "%s: %s%s", who, strings.Join(texts, "; "), hint)
}

// join returns one error of the gravest kind.
func join(refusals []error) error {
	if len(refusals) < 2 {
		return errors.Join(refusals...)
	}
	kind := fault.Blocked
	texts := make([]string, len(refusals))
	for i, err := range refusals {
		kind = max(kind, fault.KindOf(err))
		texts[i] = err.Error()
	}
	return fault.Errorf(kind, v1alpha1.ReasonGuardrailViolated, "%s", strings.Join(texts, "; "))
}

// evaluate returns what a guardrail, over the baseline, refuses of an identity.
func evaluate(pi *v1alpha1.PodIdentity, rail *v1alpha1.PodIdentityGuardrailSpec, rank int) []violation {
	var problems []violation
	refuse := func(format string, args ...any) {
		problems = append(problems, violation{text: fmt.Sprintf(format, args...)})
	}
	evaluateManaged(pi, rail, refuse)
	evaluateInline(pi, rail, refuse)
	evaluateNames(pi, rail, refuse)
	evaluateRetention(pi, rail, refuse)
	if limit := rail.MaxIdentities; limit != nil && rank >= int(*limit) {
		problems = append(problems, violation{
			text:      fmt.Sprintf("the namespace may have %d PodIdentities, and that many came before this one: delete one, or ask the platform team for more", *limit),
			overQuota: true,
		})
	}
	return problems
}

func toStrings[S ~string](in []S) []string {
	if in == nil {
		return nil
	}
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}
