package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Place is where a policy is used. Its zero value is any place.
type Place struct {
	Partition string // of the account, such as aws-cn
}

// CheckDocument reads an identity policy and checks it for an account in that place. It
// returns all problems as Errors. A statement that cannot be read is not checked.
func CheckDocument(raw []byte, place Place) (Policy, error) {
	p, err := decode(raw)
	found, _ := errors.AsType[Errors](err)
	c := checker{names: elements, place: place, unreadable: map[string]bool{}}
	for _, f := range found {
		c.unreadable[statementOf(f.Path)] = true
	}
	if len(found) == 0 || len(p.Statements) > 0 {
		c.check(p, c.identity)
	}
	return p, append(found, c.faults...).err()
}

// statementOf returns the path of the statement that a path is in.
func statementOf(path string) string {
	if end := strings.IndexByte(path, ']'); end > 0 && strings.HasPrefix(path, "Statement[") {
		return path[:end+1]
	}
	first, _, _ := strings.Cut(path, ".")
	return first
}

// CheckStatements checks typed statements as CheckDocument does. The paths of its Errors
// are those of the fields, such as statements[0].actions[1].
func (p Policy) CheckStatements(place Place) error {
	c := checker{names: fields, place: place}
	c.check(p, c.identity)
	return c.faults.err()
}

// CheckIdentity returns Errors for everything that AWS would reject in p as an identity
// policy, nil if there is nothing. It knows the grammar, but no names of services, actions
// and condition keys. Where AWS documents no rule it accepts the policy, because users
// could not work around a wrong rejection.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
//
// AWS documents Id for resource policies only, but IAM accepts it in identity policies.
func (p Policy) CheckIdentity() error {
	c := checker{names: elements}
	c.check(p, c.identity)
	return c.faults.err()
}

// CheckTrust returns Errors for everything that AWS would reject in p as a role's trust
// policy, nil if there is nothing.
func (p Policy) CheckTrust() error {
	c := checker{names: elements}
	c.check(p, c.trust)
	return c.faults.err()
}

// checker collects the problems of a policy.
type checker struct {
	names      naming
	place      Place
	unreadable map[string]bool // the statements that were not read, by path
	faults     Errors
}

func (c *checker) reject(path, format string, args ...any) {
	c.faults = append(c.faults, &Error{Path: path, Msg: fmt.Sprintf(format, args...)})
}

func (c *checker) identity(s Statement, path, version string) {
	if s.Principals != nil || s.NotPrincipals != nil {
		c.reject(path, "must not have a Principal; the principal is implied by the attachment")
	}
	c.resources(s, path, version)
}

func (c *checker) trust(s Statement, path, _ string) {
	if s.Resources != nil || s.NotResources != nil {
		c.reject(path, "must not have a Resource; the resource is the role itself")
	}
	if s.NotActions != nil {
		c.reject(path+".NotAction", "must be Action; a trust policy lists the actions that it allows")
	}
	for i, a := range s.Actions {
		if isAction(a) && !isTrustAction(lower(a)) {
			c.reject(item(path+".Action", i), "must be one of %s, not %q", names(trustNames()), a)
		}
	}
	c.principals(s, path)
}

// trustActions are the actions of trust policies, by their names in lower case:
// "AssumeRole policy may only specify STS AssumeRole actions".
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-sts
var trustActions = map[string]string{
	"sts:assumerole":                "sts:AssumeRole",
	"sts:assumerolewithsaml":        "sts:AssumeRoleWithSAML",
	"sts:assumerolewithwebidentity": "sts:AssumeRoleWithWebIdentity",
	"sts:setcontext":                "sts:SetContext",
	"sts:setsourceidentity":         "sts:SetSourceIdentity",
	"sts:tagsession":                "sts:TagSession",
}

// isTrustAction accepts patterns of STS actions: AWS documents no rule about them.
func isTrustAction(folded string) bool {
	_, known := trustActions[folded]
	return known || strings.HasPrefix(folded, "sts:") && strings.ContainsAny(folded, "*?")
}

func trustNames() map[string]bool {
	all := map[string]bool{}
	for _, name := range trustActions {
		all[name] = true
	}
	return all
}

// check applies the rules of all policies, and then those of own to each statement.
func (c *checker) check(p Policy, own func(s Statement, path, version string)) {
	if p.Version != "" && p.Version != Version2008 && p.Version != Version2012 {
		c.reject("Version", "must be %s or %s, not %q", Version2012, Version2008, p.Version)
	}
	if len(p.Statements) == 0 {
		c.reject(c.names.name("Statement"), "must contain at least one statement")
	}
	sids := map[string]bool{}
	for i, s := range p.Statements {
		path := item(c.names.name("Statement"), i)
		if c.unreadable[path] || len(p.Statements) == 1 && c.unreadable["Statement"] {
			continue
		}
		c.statement(s, path, sids)
		own(s, path, p.Version)
	}
}

func (c *checker) statement(s Statement, path string, sids map[string]bool) {
	if strings.ContainsFunc(s.SID, func(r rune) bool { return !isAlnum(r) }) {
		c.reject(path+"."+c.names.name("Sid"), "must contain only letters A-Z, a-z and digits, not %q", s.SID)
	}
	if sids[s.SID] {
		c.reject(path+"."+c.names.name("Sid"), "must be unique in the policy; %q is a duplicate", s.SID)
	}
	sids[s.SID] = s.SID != ""
	if s.Effect != Allow && s.Effect != Deny {
		c.reject(path+"."+c.names.name("Effect"), "must be Allow or Deny, not %q", s.Effect)
	}
	c.oneElement(path, "Action", s.Actions != nil, s.NotActions != nil, len(s.Actions)+len(s.NotActions))
	c.each(path, "Action", s.Actions, actionProblem)
	c.each(path, "NotAction", s.NotActions, actionProblem)
	c.conditions(s.Conditions, path)
}

// each rejects the values of an element that have a problem.
func (c *checker) each(path, element string, values []string, problem func(string) string) {
	for i, v := range values {
		if found := problem(v); found != "" {
			c.reject(item(path+"."+c.names.name(element), i), "%s, not %q", found, v)
		}
	}
}

// oneElement requires an element or its negation, with at least one value.
func (c *checker) oneElement(path, element string, is, not bool, values int) {
	name, negation := c.names.name(element), c.names.name("Not"+element)
	switch {
	case is && not:
		c.reject(path, "must have one of %s and %s, not both", name, negation)
	case values == 0:
		c.reject(path, "must have %s or %s, with at least one value", name, negation)
	}
}

func actionProblem(a string) string {
	if isAction(a) {
		return ""
	}
	return "must be * or service:Name such as s3:GetObject"
}

// isAction reports whether a is * or service:Name, with wildcards in the name only.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
func isAction(a string) bool {
	service, name, found := strings.Cut(a, ":")
	if !found || service == "*" {
		return a == "*" || a == "*:*"
	}
	return consistsOf(service, "-") && consistsOf(name, "-_*?")
}

// consistsOf reports whether s is not empty and contains only letters, digits and
// others.
func consistsOf(s, others string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !isAlnum(r) && !strings.ContainsRune(others, r)
	})
}

func (c *checker) principals(s Statement, path string) {
	c.oneElement(path, "Principal", s.Principals != nil, s.NotPrincipals != nil, len(s.Principals)+len(s.NotPrincipals))
	for _, p := range slices.Concat(s.Principals, s.NotPrincipals) {
		if problem := principalProblem(canonicalPrincipal(p)); problem != "" {
			c.reject(path+".Principal."+p.Type, "%s, not %q", problem, p.ID)
		}
	}
}

// principalProblem returns the rule for trust policies that p violates, "" if there is
// none.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func principalProblem(p Principal) string {
	isARN := strings.HasPrefix(p.ID, "arn:") && len(strings.SplitN(p.ID, ":", 6)) == 6
	wild := strings.ContainsAny(p.ID, "*?")
	switch {
	case p.Type == AWS && p.ID == "*":
		return ""
	case !slices.Contains([]string{AWS, Federated, Service}, p.Type):
		return "must be of type AWS, Federated or Service in a trust policy"
	case wild:
		return "must be named in full, without wildcards"
	case p.Type == AWS && !isARN && !consistsOf(p.ID, ""): // a unique ID, such as AROA…, or an account
		return "must be an account ID or an ARN"
	case p.Type == Federated && !isARN && !consistsOf(p.ID, "-."):
		return "must be a provider's ARN or a domain name"
	case p.Type == Service && !consistsOf(p.ID, "-."):
		return "must be a service such as ec2.amazonaws.com"
	default:
		return ""
	}
}
