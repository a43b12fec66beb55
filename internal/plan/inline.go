package plan

import (
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// change returns the change as one call.
func (c inlineChange) change() Change {
	if c.to == "" {
		return DeleteRolePolicy{Name: c.name}
	}
	return PutRolePolicy{Name: c.name, Document: c.to, Text: c.text}
}

// narrows reports whether the change only takes rights away, whatever else is on
// the role.
func (c inlineChange) narrows() bool {
	switch {
	case c.from == "":
		return !hasAllow(c.to)
	case c.to == "":
		return !hasDeny(c.from)
	default:
		return policy.IsSubset(c.to, c.from)
	}
}

// widens reports whether the change only gives rights.
func (c inlineChange) widens() bool {
	switch {
	case c.from == "":
		return !hasDeny(c.to)
	case c.to == "":
		return !hasAllow(c.from)
	default:
		return policy.IsSubset(c.from, c.to)
	}
}

// bidirectional reports whether a policy that was there both gives and takes.
func (c inlineChange) bidirectional() bool { return c.from != "" && !c.narrows() && !c.widens() }

// involvesDeny reports whether the policy denies something before or after.
func (c inlineChange) involvesDeny() bool { return hasDeny(c.from) || hasDeny(c.to) }

// split returns the change in two: the first leaves what old and new policy have
// in common, and the denials of both, the second makes it whole.
func (c inlineChange) split() (narrow, widen Change) {
	common := intersectInline(c.from, c.to)
	if common == "" {
		return DeleteRolePolicy{Name: c.name}, c.change()
	}
	return PutRolePolicy{Name: c.name, Document: common}, c.change()
}

// intersectInline returns a policy within both a and b, empty if they have nothing in
// common and deny nothing.
func intersectInline(a, b policy.Document) policy.Document {
	if versionsConflict(a, b) {
		return denyAll
	}
	var meet policy.Policy
	meet.Version = version(a, b)
	for _, s := range statements(a) {
		if s.Effect == policy.Deny || slices.ContainsFunc(statements(b), func(o policy.Statement) bool { return same(s, o) }) {
			meet.Statements = append(meet.Statements, withoutSID(s))
		}
	}
	for _, s := range statements(b) {
		if s.Effect == policy.Deny {
			meet.Statements = append(meet.Statements, withoutSID(s))
		}
	}
	if len(meet.Statements) == 0 {
		return ""
	}
	return meet.Document()
}

// denyAll is a policy within every other.
var denyAll = policy.Policy{Version: policy.Version2012, Statements: []policy.Statement{
	{Effect: policy.Deny, Actions: []string{"*"}, Resources: []string{"*"}},
}}.Document()

// versionsConflict reports whether the same words may mean different things in a and
// b: ${aws:username} is a variable in one version of the language and a plain
// text in the other, so no document can hold statements of both.
func versionsConflict(a, b policy.Document) bool {
	return a != "" && b != "" && a.Policy().Version != b.Policy().Version &&
		strings.Contains(string(a+b), "${")
}

// denyStatements returns the part of d that denies.
func denyStatements(d policy.Document) policy.Document { return intersectInline(d, "") }

// intersectTrust returns a trust policy within both a and b: the subjects that both
// admit if the policies differ in nothing else, and nobody otherwise.
func intersectTrust(a, b policy.Document) policy.Document {
	meet := b.Policy()
	from := statements(a)
	for i := range meet.Statements {
		if i >= len(from) {
			return policy.DenyAllTrust()
		}
		for j, condition := range meet.Statements[i].Conditions {
			values := intersection(condition, from[i].Conditions)
			if len(values) == 0 {
				return policy.DenyAllTrust()
			}
			meet.Statements[i].Conditions[j].Values = values
		}
	}
	document := meet.Document()
	if !policy.IsSubset(document, a) || !policy.IsSubset(document, b) {
		return policy.DenyAllTrust()
	}
	return document
}

// intersection returns the values of condition that the like one among others
// has too.
func intersection(condition policy.Condition, others []policy.Condition) []string {
	i := slices.IndexFunc(others, func(o policy.Condition) bool {
		return o.Operator == condition.Operator && o.Key == condition.Key
	})
	if i < 0 {
		return nil
	}
	var values []string
	for _, v := range condition.Values {
		if slices.Contains(others[i].Values, v) {
			values = append(values, v)
		}
	}
	return values
}

// mayDeny reports whether a may deny something that b allows.
func mayDeny(a, b policy.Document) bool {
	for _, d := range statements(a) {
		for _, s := range statements(b) {
			if d.Effect == policy.Deny && s.Effect == policy.Allow && overlaps(d, s) {
				return true
			}
		}
	}
	return false
}

// overlaps reports whether two statements may be about the same action on the same
// resource. It does not look at conditions, and takes exclusions for everything.
func overlaps(a, b policy.Statement) bool {
	return overlap(a.Actions, b.Actions, policy.OverlapFold) && overlap(a.Resources, b.Resources, policy.Overlap)
}

func overlap(as, bs []string, meet func(a, b string) bool) bool {
	if len(as) == 0 || len(bs) == 0 {
		return true
	}
	return slices.ContainsFunc(as, func(a string) bool {
		return slices.ContainsFunc(bs, func(b string) bool { return meet(a, b) })
	})
}

func hasAllow(d policy.Document) bool { return has(d, policy.Allow) }
func hasDeny(d policy.Document) bool  { return has(d, policy.Deny) }

// has reports whether d has a statement of that effect. A document that cannot be
// read, because somebody put it there, may have any.
func has(d policy.Document, effect policy.Effect) bool {
	all := statements(d)
	if d != "" && len(all) == 0 {
		return true
	}
	return slices.ContainsFunc(all, func(s policy.Statement) bool { return s.Effect == effect })
}

func statements(d policy.Document) []policy.Statement {
	if d == "" {
		return nil
	}
	return d.Policy().Statements
}

// same reports whether two statements are alike but for their Sid.
func same(a, b policy.Statement) bool {
	return policy.Policy{Statements: []policy.Statement{withoutSID(a)}}.Document() ==
		policy.Policy{Statements: []policy.Statement{withoutSID(b)}}.Document()
}

// withoutSID returns s without its Sid, which must be unique in a policy.
func withoutSID(s policy.Statement) policy.Statement {
	s.SID = ""
	return s
}

// version returns the newer of the policies' versions of the language.
func version(a, b policy.Document) string {
	newest := ""
	for _, d := range []policy.Document{a, b} {
		if d != "" {
			newest = max(newest, d.Policy().Version)
		}
	}
	return newest
}
