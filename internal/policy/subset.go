package policy

import (
	"slices"
	"strings"
	"sync"
)

// maxSubsetCost bounds the product of the sizes of two policies, which bounds the
// work. IAM stores at most 10,240 characters.
const maxSubsetCost = 1 << 28

// IsSubset reports whether wide provably grants everything that narrow grants. See
// Policy.IsSubset. It proves nothing about a text that is not a policy, or about two
// that are much larger than IAM stores.
func IsSubset(narrow, wide Document) bool {
	if len(narrow) > 0 && len(wide) > maxSubsetCost/len(narrow) {
		return false
	}
	n, err := decode([]byte(narrow))
	if err != nil {
		return false
	}
	w, err := decode([]byte(wide))
	if err != nil {
		return false
	}
	return n.canonical().IsSubset(w.canonical())
}

// IsSubset reports whether wide provably grants everything that p grants. Both must be
// in canonical form and of one kind, identity or resource policies.
//
// It compares statements: each Allow of p must be covered by one Allow of wide, and
// each Deny of wide by one Deny of p. True is a proof; false is not, for example if
// only two statements of wide together cover one of p.
func (p Policy) IsSubset(wide Policy) bool {
	return allCovered(p, wide, Allow) && allCovered(wide, p, Deny)
}

// allCovered reports whether each statement of one effect in inner is covered by
// one of outer.
func allCovered(inner, outer Policy, effect Effect) bool {
	wide := outer.scopes(effect)
	return every(inner.scopes(effect), func(in *scope) bool {
		return slices.ContainsFunc(wide, func(out *scope) bool { return out.covers(in) })
	})
}

// scope is a statement of a policy, compiled.
type scope struct {
	Statement

	actions, resources element
	conditions         func() conditionsByKey
}

// scopes returns the statements of one effect.
func (p Policy) scopes(effect Effect) []*scope {
	const actionVariables = false // an action contains no policy variables
	variables := p.Version == Version2012
	var list []*scope
	for _, s := range p.Statements {
		if s.Effect != effect {
			continue
		}
		list = append(list, &scope{
			Statement:  s,
			actions:    newElement(foldAll(s.Actions), foldAll(s.NotActions), glob, actionVariables),
			resources:  newElement(s.Resources, s.NotResources, resourceARN, variables),
			conditions: sync.OnceValue(func() conditionsByKey { return newConditions(s.Conditions, variables) }),
		})
	}
	return list
}

// foldAll returns actions in lower case. The canonical form has some actions in AWS's
// spelling.
func foldAll(actions []string) []string { return normalizeSet(actions, lower, strings.Compare) }

// covers reports whether out applies to every request to which in applies.
func (out *scope) covers(in *scope) bool {
	return coversPrincipals(&out.Statement, &in.Statement) && out.actions.covers(in.actions) &&
		out.coversResources(in) && out.coversConditions(in)
}

func (out *scope) coversResources(in *scope) bool {
	if out.Resources == nil && out.NotResources == nil {
		return in.Resources == nil && in.NotResources == nil
	}
	return out.resources.covers(in.resources)
}

// coversConditions reports whether each condition of out follows from one of in.
func (out *scope) coversConditions(in *scope) bool {
	if len(out.Conditions) == 0 {
		return true
	}
	conditions := in.conditions()
	for key, all := range out.conditions() {
		for _, o := range all {
			if !slices.ContainsFunc(conditions[key], func(i *compiledCondition) bool { return i.implies(o) }) {
				return false
			}
		}
	}
	return true
}

// coversPrincipals follows the rules of evaluation.principal.
func coversPrincipals(out, in *Statement) bool {
	switch {
	case out.Principals == nil && out.NotPrincipals == nil:
		return in.Principals == nil && in.NotPrincipals == nil
	case in.Principals == nil && in.NotPrincipals == nil:
		return false
	case slices.Contains(out.Principals, Principal{AWS, "*"}) && out.NotPrincipals == nil:
		return true
	case out.Principals != nil && out.NotPrincipals == nil && in.Principals != nil:
		return every(in.Principals, func(p Principal) bool {
			return slices.ContainsFunc(out.Principals, func(o Principal) bool { return o.includes(p) })
		})
	case out.NotPrincipals != nil && out.Principals == nil && in.NotPrincipals != nil:
		return every(out.NotPrincipals, func(o Principal) bool { return slices.Contains(in.NotPrincipals, o) })
	default:
		return false
	}
}

func every[T any](list []T, f func(T) bool) bool {
	return !slices.ContainsFunc(list, func(item T) bool { return !f(item) })
}
