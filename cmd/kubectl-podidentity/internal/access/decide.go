package access

import (
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Answer reports whether an identity can do something.
type Answer string

// The answers.
const (
	No    Answer = ""
	Maybe Answer = "maybe" // it depends on conditions, or applies to a part of the question
	Yes   Answer = "yes"
)

// Question is who can do an action on a resource. Both may be patterns; an empty one means
// any.
type Question struct {
	Action   string `json:"action,omitempty"`
	Resource string `json:"resource,omitempty"`
}

// Asked reports whether there is a question.
func (q Question) Asked() bool { return q.Action != "" || q.Resource != "" }

// precise reports whether the question is about one request.
func (q Question) precise() bool {
	return q.Action != "" && q.Resource != "" && !policy.IsPattern(q.Action) && !policy.IsPattern(q.Resource)
}

// Matching returns the grants that the question may be about.
func (q Question) Matching(grants []Grant) []Grant {
	var matching []Grant
	for _, g := range grants {
		if q.overlaps(g) {
			matching = append(matching, g)
		}
	}
	return matching
}

func (q Question) overlaps(g Grant) bool {
	action, resource := q.Action, q.Resource
	if action == "" {
		action = everything
	}
	if resource == "" {
		resource = everything
	}
	return policy.NewDenylist(policy.AnyCase, g.Action).Overlaps(action) &&
		!policy.NewAllowlist(policy.AnyCase, g.Except...).Covers(action) &&
		policy.NewDenylist(policy.ExactCase, g.Resources...).Overlaps(resource) &&
		!policy.NewAllowlist(policy.ExactCase, g.ExceptResources...).Covers(resource)
}

// Answer answers the question for a role with these grants. A question about one request
// is answered as AWS evaluates it, except that a condition may hold or not.
func (r *Reader) Answer(q Question, of *role.Role, grants []Grant) Answer {
	if q.precise() {
		return r.evaluate(q, of)
	}
	answer := No
	for _, g := range q.Matching(grants) {
		if !g.Conditional && len(g.Limited) == 0 && q.within(g) {
			return Yes
		}
		answer = Maybe
	}
	return answer
}

// within reports whether a grant covers the whole question. For a question without a
// resource, a grant on any resource is enough.
func (q Question) within(g Grant) bool {
	if q.Action != "" && (!policy.NewAllowlist(policy.AnyCase, g.Action).Covers(q.Action) || policy.NewDenylist(policy.AnyCase, g.Except...).Overlaps(q.Action)) {
		return false
	}
	return q.Resource == "" || policy.NewAllowlist(policy.ExactCase, g.Resources...).Covers(q.Resource) &&
		!policy.NewDenylist(policy.ExactCase, g.ExceptResources...).Overlaps(q.Resource)
}

// evaluate answers a question about one request.
func (r *Reader) evaluate(q Question, of *role.Role) Answer {
	request := policy.Request{Action: q.Action, Resource: q.Resource, Context: tagsContext(of)}
	var boundary []role.Policy
	if of.Boundary != nil {
		boundary = []role.Policy{*of.Boundary}
	}
	identity, limits := decide(request, of.Policies), decide(request, boundary)
	switch {
	case identity.denied == Yes || limits.denied == Yes || identity.allowed == No, of.Boundary != nil && limits.allowed == No:
		return No
	case identity.denied == Maybe || limits.denied == Maybe || identity.allowed == Maybe, of.Boundary != nil && limits.allowed == Maybe:
		return Maybe
	default:
		return Yes
	}
}

func tagsContext(of *role.Role) map[string][]string {
	context := map[string][]string{}
	for key, value := range of.Tags {
		context["aws:PrincipalTag/"+key] = []string{value}
	}
	return context
}

// decision is whether policies of one kind allow and deny a request.
type decision struct{ allowed, denied Answer }

func decide(request policy.Request, all []role.Policy) decision {
	var v decision
	for _, p := range all {
		parsed, err := p.Document.Policy()
		if err != nil {
			continue
		}
		for _, m := range policy.Explain(request, parsed) {
			to := &v.allowed
			if m.Statement.Effect == policy.Deny {
				to = &v.denied
			}
			if a := applies(m, request.Resource); a == Yes || *to == No {
				*to = a
			}
		}
	}
	return v
}

// applies reports whether a statement applies. A condition, and a policy variable in a
// resource, may have any value.
func applies(m policy.Match, resource string) Answer {
	hasVariable := func(text string) bool { return strings.Contains(text, "${") }
	variables := slices.ContainsFunc(slices.Concat(m.Statement.Resources, m.Statement.NotResources), hasVariable)
	mayMatch := variables && (m.Statement.Resources == nil || policy.NewDenylist(policy.ExactCase, m.Statement.Resources...).Overlaps(resource))
	switch {
	case !m.Action || !m.Resource && !mayMatch:
		return No
	case len(m.Statement.Conditions) > 0 || variables:
		return Maybe
	default:
		return Yes
	}
}
