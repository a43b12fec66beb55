package policy

import (
	"slices"
	"strings"
)

// Request is what a caller asks of AWS.
type Request struct {
	// Principals are the faces of the one caller. Those of a role session are
	// its session ARN, its role's ARN and its account; those of a web identity
	// its provider, as Federated. Empty means that the policies are identity
	// policies, attached to the caller.
	Principals []Principal
	Action     string // service:Name
	Resource   string // an ARN; empty for an action on no resource
	// Context holds the request's condition keys, in any case. A key without
	// values is as good as absent.
	Context map[string][]string
}

// Decision is the outcome of an evaluation.
type Decision int

// The decisions, each of which overrules those before it.
const (
	ImplicitDeny Decision = iota // nothing allows it
	Allowed
	ExplicitDeny
)

// String returns the decision as IAM's policy simulator writes it.
func (d Decision) String() string {
	return [...]string{"implicitDeny", "allowed", "explicitDeny"}[d]
}

// Evaluate decides r under the given policies together: denied if any statement
// denies it, else allowed if any allows it, else denied implicitly. The order
// of policies and statements does not matter.
//
// Policies of one kind go together. A caller's identity policies and a
// resource's policy are two evaluations, which the caller of Evaluate combines
// as AWS does for the case at hand. In one with Principals, a statement needs
// a Principal element that names the caller; in one without, a statement needs
// a Resource element, and one with a Principal element never applies.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func Evaluate(r Request, policies ...Policy) Decision {
	context := fold(r.Context)
	decision := ImplicitDeny
	for _, p := range policies {
		var vars lookup
		if p.Version == Version2012 {
			vars = context.values
		}
		e := evaluation{request: r, context: context, vars: vars}
		for _, s := range p.Statements {
			switch {
			case s.Effect == Deny && e.applies(s):
				return ExplicitDeny
			case s.Effect == Allow && e.applies(s):
				decision = Allowed
			}
		}
	}
	return decision
}

// requestContext is a request's context with its keys folded.
type requestContext map[string][]string

func fold(context map[string][]string) requestContext {
	folded := requestContext{}
	for _, key := range sortedKeys(context) {
		folded[foldKey(key)] = append(folded[foldKey(key)], context[key]...)
	}
	return folded
}

// evaluation is one request under one policy.
type evaluation struct {
	request Request
	context requestContext
	vars    lookup // nil if the policy's version knows no variables
}

// applies reports whether s matches the request in every element.
func (e evaluation) applies(s Statement) bool {
	return e.principal(s) && e.action(s) && e.resource(s) && e.conditions(s)
}

func (e evaluation) action(s Statement) bool {
	if s.Actions == nil && s.NotActions == nil {
		return false
	}
	action := lower(e.request.Action)
	matches := func(pattern string) bool {
		tokens, _ := compile(lower(pattern), glob, nil)
		return covers(tokens, literals(action))
	}
	return contains(s.Actions, matches, true) && !contains(s.NotActions, matches, false)
}

// contains reports whether f holds for an item of list, or absent if there is
// no list.
func contains[T any](list []T, f func(T) bool, absent bool) bool {
	return slices.ContainsFunc(list, f) || list == nil && absent
}

// resource matches the request's resource. A variable that stands for nothing
// makes a Resource entry match nothing; in NotResource it voids the statement,
// or else a missing tag would widen it to everything.
func (e evaluation) resource(s Statement) bool {
	if s.Resources == nil && s.NotResources == nil {
		return len(e.request.Principals) > 0 // a trust policy has none: its resource is its role
	}
	resource := literals(e.request.Resource)
	for _, pattern := range s.NotResources {
		tokens, ok := compile(pattern, resourceARN, e.vars)
		if !ok || covers(tokens, resource) {
			return false
		}
	}
	return contains(s.Resources, func(pattern string) bool {
		tokens, ok := compile(pattern, resourceARN, e.vars)
		return ok && covers(tokens, resource)
	}, true)
}

// principal matches the caller: one of its faces in Principal is enough, but
// all of them must be in NotPrincipal to be left out. That is why AWS tells
// people to list a session, its role and its account there.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
func (e evaluation) principal(s Statement) bool {
	faces := e.request.Principals
	if len(faces) == 0 {
		return s.Principals == nil && s.NotPrincipals == nil
	}
	if s.Principals == nil && s.NotPrincipals == nil {
		return false
	}
	named := contains(s.Principals, func(p Principal) bool {
		return contains(faces, p.includes, false)
	}, true)
	out := s.NotPrincipals != nil && !contains(faces, func(face Principal) bool {
		return !contains(s.NotPrincipals, func(p Principal) bool { return p.is(face) }, false)
	}, false)
	return named && !out
}

// is reports whether p names face itself, or everybody.
func (p Principal) is(face Principal) bool {
	p, face = canonicalPrincipal(p), canonicalPrincipal(face)
	return p == face || p == Principal{AWS, "*"}
}

// includes reports whether p names face, its account or everybody. An account
// delegates to all its identities.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-accounts
func (p Principal) includes(face Principal) bool {
	if p.is(face) {
		return true
	}
	account := canonicalPrincipal(p).ID
	return p.Type == AWS && face.Type == AWS && isAccount(account) && accountOf(face.ID) == account
}

// accountOf returns the account of an IAM or STS ARN, or "".
func accountOf(arn string) string {
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 || part[0] != "arn" || part[2] != "iam" && part[2] != "sts" {
		return ""
	}
	return part[4]
}
