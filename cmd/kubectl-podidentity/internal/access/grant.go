// Package access determines what identities can do in AWS: what their identity policies
// allow within their permissions boundary. It is pure.
//
// It errs towards more access: a condition may hold, and a Deny with a condition may not
// apply. A grant that is limited in a way that it cannot express is marked.
package access

import (
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Grant is one action that an identity may use, or a pattern of actions.
type Grant struct {
	Action string `json:"action"` // such as s3:GetObject, s3:* or *
	// Except are the actions that the grant leaves out (NotAction).
	Except []string `json:"except,omitempty"`
	// Resources are those that it covers; ExceptResources those that it leaves out
	// (NotResource).
	Resources       []string `json:"resources"`
	ExceptResources []string `json:"exceptResources,omitempty"`
	// Conditional reports that it depends on the conditions of a statement.
	Conditional bool `json:"conditional,omitempty"`
	// Limited lists what limits it: the boundary, a Deny, or both.
	Limited []string `json:"limited,omitempty"`
	// Policy is the policy that grants it.
	Policy string `json:"policy"`
}

// The reasons why a grant is limited.
const (
	byBoundary = "permissions boundary"
	byDeny     = "explicit deny"
)

// Service returns the prefix of the action, such as s3, and * for all services.
func (g Grant) Service() string {
	service, _, found := strings.Cut(g.Action, ":")
	if !found || policy.IsPattern(service) {
		return everything
	}
	return strings.ToLower(service)
}

const everything = "*"

// OnEverything reports whether the grant covers all resources.
func (g Grant) OnEverything() bool { return slices.Contains(g.Resources, everything) }

// Wildcard reports whether the grant covers more than one named action.
func (g Grant) Wildcard() bool { return policy.IsPattern(g.Action) || len(g.Except) > 0 }

// statement is a statement of a policy, prepared for comparisons.
type statement struct {
	policy.Statement
	spelled role.Document
	title   string

	actions, resources       *policy.Allowlist // what it certainly covers
	mayActions, mayResources *policy.Denylist  // what it may cover
}

// prepare returns the statements of a policy. One that cannot be read has none.
func prepare(p role.Policy) (prepared []statement, err error) {
	if p.Document == "" {
		return nil, nil
	}
	parsed, err := p.Document.Policy()
	if err != nil {
		return nil, err
	}
	for _, s := range parsed.Statements {
		prepared = append(prepared, statement{
			Statement: s, spelled: p.Document, title: p.Title(),
			actions: policy.NewAllowlist(policy.AnyCase, patterns(s.Actions)...), mayActions: policy.NewDenylist(policy.AnyCase, patterns(s.Actions)...),
			resources: policy.NewAllowlist(policy.ExactCase, patterns(s.Resources)...), mayResources: policy.NewDenylist(policy.ExactCase, patterns(s.Resources)...),
		})
	}
	return prepared, nil
}

// patterns returns the patterns of an element; everything for one with a negation.
func patterns(list []string) []string {
	if list == nil {
		return []string{everything}
	}
	return list
}

// covers reports whether the statement certainly covers all of an action on all of the
// resources.
func (s *statement) covers(action string, resources []string) bool {
	if len(s.Conditions) > 0 || s.mayExclude(action, resources) || !s.actions.Covers(action) {
		return false
	}
	return !slices.ContainsFunc(resources, func(r string) bool { return !s.resources.Covers(r) })
}

// mayExclude reports whether NotAction or NotResource may leave out a part.
func (s *statement) mayExclude(action string, resources []string) bool {
	if s.NotActions != nil && policy.NewDenylist(policy.AnyCase, s.NotActions...).Overlaps(action) {
		return true
	}
	return s.NotResources != nil && slices.ContainsFunc(resources, policy.NewDenylist(policy.ExactCase, s.NotResources...).Overlaps)
}

// overlaps reports whether the statement may cover a part of an action on one of the
// resources.
func (s *statement) overlaps(action string, resources []string) bool {
	switch {
	case !s.mayActions.Overlaps(action), !slices.ContainsFunc(resources, s.mayResources.Overlaps):
		return false
	case s.NotActions != nil && policy.NewAllowlist(policy.AnyCase, s.NotActions...).Covers(action):
		return false
	}
	excluded := func(r string) bool {
		return s.NotResources != nil && policy.NewAllowlist(policy.ExactCase, s.NotResources...).Covers(r)
	}
	return slices.ContainsFunc(resources, func(r string) bool { return !excluded(r) })
}

// policies are the prepared policies of a role.
type policies struct {
	allows, denies []statement
	boundary       []statement // that allow; nil if the role has no boundary
	bounded        bool
	unreadable     []string // titles of policies that cannot be read
}

// Reader prepares policies. It reads each document once: most identities share
// boundaries and managed policies.
type Reader struct{ read map[role.Policy]read }

type read struct {
	statements []statement
	err        error
}

// NewReader returns a reader.
func NewReader() *Reader { return &Reader{read: map[role.Policy]read{}} }

func (r *Reader) statements(p role.Policy) ([]statement, error) {
	done, ok := r.read[p]
	if !ok {
		done.statements, done.err = prepare(p)
		if p.ARN != "" { // an inline policy rarely equals that of another role
			r.read[p] = done
		}
	}
	return done.statements, done.err
}

func (r *Reader) policies(of *role.Role) policies {
	var ps policies
	for _, p := range of.Policies {
		statements, err := r.statements(p)
		if err != nil || p.Document == "" && p.ARN != "" {
			ps.unreadable = append(ps.unreadable, p.Title())
		}
		ps.add(statements, &ps.allows)
	}
	if of.Boundary != nil {
		statements, err := r.statements(*of.Boundary)
		if err != nil {
			ps.unreadable = append(ps.unreadable, "permissions boundary "+of.Boundary.Name)
		}
		ps.bounded = true
		ps.add(statements, &ps.boundary)
	}
	return ps
}

func (ps *policies) add(statements []statement, allows *[]statement) {
	for _, s := range statements {
		if s.Effect == policy.Deny {
			ps.denies = append(ps.denies, s)
		} else {
			*allows = append(*allows, s)
		}
	}
}

// Grants returns what a role, read with its policies, may do, in the order of its
// policies, and the titles of policies that cannot be read.
func (r *Reader) Grants(of *role.Role) (grants []Grant, unreadable []string) {
	ps := r.policies(of)
	for i := range ps.allows {
		s := &ps.allows[i]
		for _, action := range patterns(s.Actions) {
			g := Grant{
				Action: s.spelled.Spelling(action), Except: spelled(s, s.NotActions), Resources: patterns(s.Resources), ExceptResources: s.NotResources,
				Conditional: len(s.Conditions) > 0, Policy: s.title,
			}
			grants = append(grants, ps.within(g)...)
		}
	}
	return grants, ps.unreadable
}

func spelled(s *statement, actions []string) []string {
	var out []string
	for _, a := range actions {
		out = append(out, s.spelled.Spelling(a))
	}
	return out
}

// within returns what the boundary and Deny statements leave of a grant.
func (ps *policies) within(g Grant) []Grant {
	left := []Grant{g}
	if ps.bounded {
		left = bounded(g, ps.boundary)
	}
	kept := left[:0]
	for _, one := range left {
		if denied := ps.deny(&one); !denied {
			kept = append(kept, one)
		}
	}
	return kept
}

// deny marks a grant that a Deny may limit. It reports whether nothing is left of it.
func (ps *policies) deny(g *Grant) bool {
	limited := false
	for i := range ps.denies {
		d := &ps.denies[i]
		if d.covers(g.Action, g.Resources) {
			return true
		}
		limited = limited || d.overlaps(g.Action, g.Resources)
	}
	if limited {
		g.Limited = append(slices.Clone(g.Limited), byDeny)
	}
	return false
}

// bounded returns the parts of a grant that the statements of a boundary allow.
func bounded(g Grant, boundary []statement) []Grant {
	var parts []Grant
	for i := range boundary {
		b := &boundary[i]
		if b.covers(g.Action, g.Resources) {
			return []Grant{g}
		}
		if !b.overlaps(g.Action, g.Resources) {
			continue
		}
		for _, action := range b.within(g.Action) {
			part := g
			part.Action, part.Conditional = action, g.Conditional || len(b.Conditions) > 0
			if !covered(b, action, g.Resources) {
				part.Limited = []string{byBoundary}
			}
			parts = add(parts, part)
		}
	}
	return parts
}

// covered reports whether the statement is about all of an action, but for its
// conditions.
func covered(b *statement, action string, resources []string) bool {
	plain := *b
	plain.Conditions = nil
	return plain.covers(action, resources)
}

// within returns the statement's actions that are a part of an action, and the action
// itself if it overlaps in another way.
func (s *statement) within(action string) []string {
	of := policy.NewAllowlist(policy.AnyCase, action)
	var parts []string
	whole := false
	for _, b := range patterns(s.Actions) {
		switch {
		case of.Covers(b) && s.Actions != nil:
			parts = append(parts, s.spelled.Spelling(b))
		case policy.NewDenylist(policy.AnyCase, b).Overlaps(action):
			whole = true
		}
	}
	if whole {
		return []string{action}
	}
	return parts
}

// add adds a grant unless there is the same, with the fewest limits.
func add(parts []Grant, g Grant) []Grant {
	for i := range parts {
		if strings.EqualFold(parts[i].Action, g.Action) {
			if len(g.Limited) == 0 && !g.Conditional {
				parts[i] = g
			}
			return parts
		}
	}
	return append(parts, g)
}
