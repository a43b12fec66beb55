package policy

import (
	"slices"
	"strings"
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
	for _, s := range inner.Statements {
		if s.Effect == effect && !slices.ContainsFunc(outer.Statements, func(o Statement) bool {
			return o.Effect == effect && outer.scope(o).covers(inner.scope(s))
		}) {
			return false
		}
	}
	return true
}

// scope is a statement of a policy.
type scope struct {
	Statement
	variables bool // the policy's version has policy variables
}

func (p Policy) scope(s Statement) scope {
	return scope{s, p.Version == Version2012}
}

// covers reports whether out applies to every request to which in applies.
func (out scope) covers(in scope) bool {
	return coversPrincipals(out.Statement, in.Statement) && out.coversActions(in) &&
		out.coversResources(in) && out.coversConditions(in)
}

// coversPrincipals follows the rules of evaluation.principal.
func coversPrincipals(out, in Statement) bool {
	anyone := slices.Contains(out.Principals, Principal{AWS, "*"}) && out.NotPrincipals == nil
	switch {
	case out.Principals == nil && out.NotPrincipals == nil:
		return in.Principals == nil && in.NotPrincipals == nil
	case in.Principals == nil && in.NotPrincipals == nil:
		return false
	case anyone:
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

func (out scope) coversActions(in scope) bool {
	return actions(out.Statement).covers(actions(in.Statement))
}

func (out scope) coversResources(in scope) bool {
	if out.Resources == nil && out.NotResources == nil {
		return in.Resources == nil && in.NotResources == nil
	}
	return element{out.Resources, out.NotResources, resourceARN, out.variables}.
		covers(element{in.Resources, in.NotResources, resourceARN, in.variables})
}

// element is an Action or Resource element or its negation.
type element struct {
	is, not   []string
	syntax    syntax
	variables bool
}

// actions returns the Action element in lower case. The canonical form has some actions
// in AWS's spelling.
func actions(s Statement) element {
	folded := func(list []string) []string { return normalizeSet(list, lower, strings.Compare) }
	return element{is: folded(s.Actions), not: folded(s.NotActions), syntax: glob}
}

// covers reports whether out matches everything that in matches. If in has both
// elements, it matches at most what the first one matches; if it has none, it may match
// anything.
func (out element) covers(in element) bool {
	switch {
	case (out.is == nil) == (out.not == nil):
		return false // both or none: AWS rejects such a statement
	case out.is != nil && in.is != nil:
		return every(in.is, func(p string) bool { return out.includes(out.is, in, p) })
	case out.is != nil:
		return out.includes(out.is, in, "*") // in may match anything
	case out.not != nil && in.is != nil:
		return every(in.is, func(p string) bool { return out.excludesAll(in, p) })
	default:
		return every(out.not, func(p string) bool { return out.excludes(in, p) })
	}
}

// includes reports whether one of the patterns covers p, a pattern of in.
func (out element) includes(patterns []string, in element, p string) bool {
	narrow := in.compile(p, keepVariables)
	return slices.ContainsFunc(patterns, func(o string) bool { return covers(out.compile(o, keepVariables), narrow) })
}

// excludesAll reports whether out excludes no string that p matches, whatever the values
// of variables are.
func (out element) excludesAll(in element, p string) bool {
	return every(out.not, func(o string) bool {
		return !overlap(out.compile(o, matchAnyVariable), in.compile(p, matchAnyVariable))
	})
}

// excludes reports whether in excludes everything that p, an exclusion of out, matches.
// The exclusion of in that covers p contains no variable that p does not contain, so it
// matches something whenever p does.
func (out element) excludes(in element, p string) bool {
	return in.includes(in.not, out, p)
}

func (out element) compile(pattern string, vars lookup) []token {
	if !out.variables {
		vars = nil
	}
	tokens, _ := compile(pattern, out.syntax, vars)
	return tokens
}

// coversConditions reports whether each condition of out follows from one of in.
func (out scope) coversConditions(in scope) bool {
	return every(out.Conditions, func(o Condition) bool {
		return slices.ContainsFunc(in.Conditions, func(i Condition) bool {
			return o.Key == i.Key && implies(i, o, in.variables, out.variables)
		})
	})
}

// implies reports whether out holds whenever in holds. Both have the same key.
func implies(in, out Condition, inVariables, outVariables bool) bool {
	if inVariables != outVariables && slices.ContainsFunc(slices.Concat(in.Values, out.Values), hasVariable) {
		return false
	}
	i, inKnown := parseOperator(in.Operator)
	o, outKnown := parseOperator(out.Operator)
	if !inKnown || !outKnown {
		return false
	}
	switch {
	case i == o && o.negated:
		return every(out.Values, func(v string) bool { return slices.Contains(in.Values, v) })
	case i == o && o.family != familyString:
		return every(in.Values, func(v string) bool { return slices.Contains(out.Values, v) })
	case i.asLike() == o.asLike() && !o.negated:
		return out.includes(in, inVariables)
	default:
		return false
	}
}

// asLike returns StringLike for StringEquals: a value that equals a text is like it too.
func (o operator) asLike() operator {
	if o.base == "StringEquals" {
		o.base = "StringLike"
	}
	return o
}

// includes reports whether each value of in, a string condition, is covered by one of
// c's.
func (c Condition) includes(in Condition, variables bool) bool {
	read := func(c Condition, v string) []token {
		op, _ := parseOperator(c.Operator)
		return element{syntax: op.syntax(), variables: variables}.compile(v, keepVariables)
	}
	return every(in.Values, func(v string) bool {
		return slices.ContainsFunc(c.Values, func(o string) bool { return covers(read(c, o), read(in, v)) })
	})
}

func every[T any](list []T, f func(T) bool) bool {
	return !slices.ContainsFunc(list, func(item T) bool { return !f(item) })
}
