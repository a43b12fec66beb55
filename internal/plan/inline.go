package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// inlineChange is an inline policy that differs from the desired one.
type inlineChange struct {
	name     string
	from, to content
	text     InlinePolicy // what to write, if the change does not delete the policy

	// narrows and widens report whether the change only removes or only adds
	// permissions, whatever other policies the role has.
	narrows, widens bool
}

// content is the content of an inline policy, decoded once.
type content struct {
	document policy.Document // empty if there is no policy
	policy   policy.Policy
}

func contentOf(d policy.Document) content {
	c := content{document: d}
	if d != "" {
		c.policy = d.Policy()
	}
	return c
}

// unreadable reports whether the document is not a policy, so that what it grants is
// unknown. Someone can put such a document on a role out of band.
func (c content) unreadable() bool { return c.document != "" && len(c.policy.Statements) == 0 }

// mayAllow and mayDeny report whether the policy has a statement of that effect. One
// that cannot be read may have any.
func (c content) mayAllow() bool { return c.has(policy.Allow) }
func (c content) mayDeny() bool  { return c.has(policy.Deny) }

func (c content) has(effect policy.Effect) bool {
	return c.unreadable() || slices.ContainsFunc(c.policy.Statements, func(s policy.Statement) bool { return s.Effect == effect })
}

// isSubset reports whether a provably grants no more than b. Both exist.
func isSubset(a, b content) bool {
	return !a.unreadable() && !b.unreadable() && a.policy.IsSubset(b.policy)
}

// inlineChanges returns the changes from one set of inline policies to another, sorted
// by name.
func inlineChanges(from, to map[string]InlinePolicy) []inlineChange {
	all := maps.Clone(from)
	if all == nil {
		all = map[string]InlinePolicy{}
	}
	maps.Copy(all, to)
	var changes []inlineChange
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if from[name].Document != to[name].Document {
			changes = append(changes, newInlineChange(name, from[name].Document, to[name]))
		}
	}
	return changes
}

func newInlineChange(name string, from policy.Document, to InlinePolicy) inlineChange {
	c := inlineChange{name: name, from: contentOf(from), to: contentOf(to.Document), text: to}
	switch {
	case c.adds():
		c.narrows, c.widens = !c.to.mayAllow(), !c.to.mayDeny()
	case c.deletes():
		c.narrows, c.widens = !c.from.mayDeny(), !c.from.mayAllow()
	default:
		c.narrows, c.widens = isSubset(c.to, c.from), isSubset(c.from, c.to)
	}
	return c
}

func (c inlineChange) adds() bool    { return c.from.document == "" }
func (c inlineChange) deletes() bool { return c.to.document == "" }

// change returns the change as one call.
func (c inlineChange) change() Change {
	if c.deletes() {
		return DeleteRolePolicy{Name: c.name}
	}
	return PutRolePolicy{Name: c.name, Policy: c.text}
}

// bidirectional reports whether the change of an existing policy both removes and adds
// permissions.
func (c inlineChange) bidirectional() bool { return !c.adds() && !c.narrows && !c.widens }

// involvesDeny reports whether the old or the new policy has a Deny statement.
func (c inlineChange) involvesDeny() bool { return c.from.mayDeny() || c.to.mayDeny() }

// split returns the change in two steps. The first one leaves what the old and the new
// policy have in common and the Deny statements of both. The second one completes the
// change.
func (c inlineChange) split() (narrow, widen Change) {
	common := intersectInline(c.from, c.to)
	if common == "" {
		return DeleteRolePolicy{Name: c.name}, c.change()
	}
	return PutRolePolicy{Name: c.name, Policy: InlinePolicy{Document: common}}, c.change()
}

// denyStatements returns the part of the new policy that denies.
func (c inlineChange) denyStatements() policy.Document { return intersectInline(c.to, content{}) }

// intersectInline returns a policy that grants at most what both a and b grant, empty if
// they have nothing in common and deny nothing.
func intersectInline(a, b content) policy.Document {
	if versionsConflict(a, b) {
		return denyAll
	}
	inB := map[policy.Document]bool{}
	for _, s := range b.policy.Statements {
		inB[withoutSID(s)] = true
	}
	common := policy.Policy{Version: max(a.policy.Version, b.policy.Version)}
	for _, s := range a.policy.Statements {
		if s.Effect == policy.Deny || inB[withoutSID(s)] {
			s.SID = "" // a Sid must be unique in a policy
			common.Statements = append(common.Statements, s)
		}
	}
	for _, s := range b.policy.Statements {
		if s.Effect == policy.Deny {
			s.SID = ""
			common.Statements = append(common.Statements, s)
		}
	}
	if len(common.Statements) == 0 {
		return ""
	}
	return common.Document()
}

// withoutSID returns what identifies a statement apart from its Sid.
func withoutSID(s policy.Statement) policy.Document {
	s.SID = ""
	return policy.Policy{Statements: []policy.Statement{s}}.Document()
}

// denyAll is a policy that grants at most what any other policy grants.
var denyAll = policy.Policy{Version: policy.Version2012, Statements: []policy.Statement{
	{Effect: policy.Deny, Actions: []string{"*"}, Resources: []string{"*"}},
}}.Document()

// versionsConflict reports whether the same text may have different meanings in a and
// b: ${aws:username} is a variable in one version of the policy language and plain
// text in the other, so no document can contain statements of both.
func versionsConflict(a, b content) bool {
	return a.document != "" && b.document != "" && a.policy.Version != b.policy.Version &&
		strings.Contains(string(a.document+b.document), "${")
}
