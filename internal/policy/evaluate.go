package policy

import (
	"slices"
	"strings"
)

// Request is a request to AWS.
type Request struct {
	// Principals are all principals that the caller is. A role session is its
	// session ARN, its role's ARN and its account; a web identity is its provider,
	// as Federated. Empty means that the policies are identity policies, attached to
	// the caller.
	Principals []Principal
	Action     string // service:Name
	Resource   string // an ARN; empty for an action without a resource
	// Context holds the values of the request's condition keys, which are in any
	// case. A key without values is absent.
	Context map[string][]string
}

// Decision is the outcome of an evaluation.
type Decision int

// The decisions, each of which overrules those before it.
const (
	ImplicitDeny Decision = iota // no statement allows it
	Allowed
	ExplicitDeny
)

// String returns the decision in the spelling of IAM's policy simulator.
func (d Decision) String() string {
	return [...]string{"implicitDeny", "allowed", "explicitDeny"}[d]
}

// Evaluate decides r under all of the policies: denied if any statement denies it, else
// allowed if any allows it, else denied implicitly. The order of policies and
// statements does not matter.
//
// The policies must be of one kind. Identity policies and a resource's policy are
// evaluated separately, and the caller of Evaluate combines the decisions. If r has
// Principals, a statement applies only with a Principal element that names the caller;
// otherwise it applies only with a Resource element and without a Principal element.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func Evaluate(r Request, policies ...Policy) Decision {
	context := fold(r.Context)
	decision := ImplicitDeny
	for _, p := range policies {
		e := newEvaluation(r, context, p)
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
	vars    lookup // nil if the policy's version has no variables
}

func newEvaluation(r Request, context requestContext, p Policy) evaluation {
	e := evaluation{request: r, context: context}
	if p.Version == Version2012 {
		e.vars = context.values
	}
	return e
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
	return absentOrContains(s.Actions, matches) && !slices.ContainsFunc(s.NotActions, matches)
}

// absentOrContains reports whether list is nil, or f holds for an item of it.
func absentOrContains[T any](list []T, f func(T) bool) bool {
	return list == nil || slices.ContainsFunc(list, f)
}

// resource reports whether s applies to the request's resource. An entry of Resource or
// NotResource with a variable without a value matches nothing.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value
func (e evaluation) resource(s Statement) bool {
	if s.Resources == nil && s.NotResources == nil {
		return len(e.request.Principals) > 0 // the resource of a trust policy is its role
	}
	resource := literals(e.request.Resource)
	matches := func(pattern string) bool {
		tokens, ok := compile(pattern, resourceARN, e.vars)
		return ok && covers(tokens, resource)
	}
	return absentOrContains(s.Resources, matches) && !slices.ContainsFunc(s.NotResources, matches)
}

// principal reports whether s applies to the caller. Principal must contain one of the
// caller's principals. NotPrincipal excludes the caller only if it contains all of
// them, so AWS recommends to list a session, its role and its account there.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
func (e evaluation) principal(s Statement) bool {
	caller := e.request.Principals
	if len(caller) == 0 {
		return s.Principals == nil && s.NotPrincipals == nil
	}
	if s.Principals == nil && s.NotPrincipals == nil {
		return false
	}
	named := absentOrContains(s.Principals, func(p Principal) bool {
		return slices.ContainsFunc(caller, p.includes)
	})
	excluded := s.NotPrincipals != nil && every(caller, func(c Principal) bool {
		return slices.ContainsFunc(s.NotPrincipals, func(p Principal) bool { return p.is(c) })
	})
	return named && !excluded
}

// is reports whether p is the caller, or every caller.
func (p Principal) is(caller Principal) bool {
	p, caller = canonicalPrincipal(p), canonicalPrincipal(caller)
	return p == caller || p == Principal{AWS, "*"}
}

// includes reports whether p is the caller, its account or every caller. An account
// includes all its identities.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-accounts
func (p Principal) includes(caller Principal) bool {
	if p.is(caller) {
		return true
	}
	account := canonicalPrincipal(p).ID
	return p.Type == AWS && caller.Type == AWS && isAccount(account) && accountOf(caller.ID) == account
}

// accountOf returns the account of an IAM or STS ARN, or "".
func accountOf(arn string) string {
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 || part[0] != "arn" || part[2] != "iam" && part[2] != "sts" {
		return ""
	}
	return part[4]
}
