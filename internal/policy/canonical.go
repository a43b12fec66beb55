package policy

import (
	"cmp"
	"slices"
	"strings"
)

// canonical returns p in the one form that everything which means the same
// shares. Alike for AWS, and so folded here:
//
//   - a missing Version and 2008-10-17; an empty Sid or Id and none;
//   - a string and an array of one; the order and repetition in an array, of
//     statements, of conditions; an empty Condition and none;
//   - the case of actions, condition keys and operators;
//   - an account's ID and its root ARN; "*" and {"AWS": "*"}.
//
// Not alike, and so kept: the case of resources, principals and condition
// values, a Sid, an Id, and an element that is there but empty. Patterns are
// not simplified either: s3:Get* next to s3:* is another document.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
func (p Policy) canonical() Policy {
	c := Policy{Version: cmp.Or(p.Version, Version2008), ID: p.ID}
	byText := map[string]Statement{}
	for _, s := range p.Statements {
		s = s.canonical()
		byText[string(appendStatement(nil, s))] = s
	}
	for _, text := range sortedKeys(byText) {
		c.Statements = append(c.Statements, byText[text])
	}
	return c
}

func (s Statement) canonical() Statement {
	s.Principals = normalizeSet(s.Principals, canonicalPrincipal, comparePrincipals)
	s.NotPrincipals = normalizeSet(s.NotPrincipals, canonicalPrincipal, comparePrincipals)
	s.Actions = normalizeSet(s.Actions, canonicalAction, strings.Compare)
	s.NotActions = normalizeSet(s.NotActions, canonicalAction, strings.Compare)
	s.Resources = normalizeSet(s.Resources, identity, strings.Compare)
	s.NotResources = normalizeSet(s.NotResources, identity, strings.Compare)
	s.Conditions = normalizeSet(s.Conditions, canonicalCondition, compareConditions)
	if len(s.Conditions) == 0 {
		s.Conditions = nil
	}
	return s
}

// normalizeSet returns in, each item in canonical form, sorted, once. Nil stays nil: an
// absent element is not an empty one.
func normalizeSet[T any](in []T, canonical func(T) T, compare func(a, b T) int) []T {
	if in == nil {
		return nil
	}
	out := make([]T, 0, len(in))
	for _, item := range in {
		out = append(out, canonical(item))
	}
	slices.SortFunc(out, compare)
	return slices.CompactFunc(out, func(a, b T) bool { return compare(a, b) == 0 })
}

func identity(s string) string { return s }

// canonicalPrincipal writes everybody as {"AWS": "*"}, because a trust policy
// with "*" is refused (`AssumeRolepolicy contained an invalid principal:
// "STAR":"*"`, hashicorp/terraform-provider-aws#4248), and an account by its
// ID, because that has no partition to get wrong.
func canonicalPrincipal(p Principal) Principal {
	if p.Type == Anyone && p.ID == "*" {
		return Principal{AWS, "*"}
	}
	if p.Type == AWS {
		p.ID = accountOfRoot(p.ID)
	}
	return p
}

// accountOfRoot returns the account ID of an account's root ARN, and anything
// else unchanged.
func accountOfRoot(id string) string {
	part := strings.Split(id, ":")
	if len(part) == 6 && part[0] == "arn" && part[2] == "iam" && part[3] == "" && part[5] == "root" && isAccount(part[4]) {
		return part[4]
	}
	return id
}

func isAccount(s string) bool {
	return len(s) == 12 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func comparePrincipals(a, b Principal) int {
	return cmp.Or(slices.Index(principalTypes, a.Type)-slices.Index(principalTypes, b.Type),
		cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
}

var principalTypes = []string{AWS, Federated, Service, CanonicalUser}

// canonicalAction folds an action's case, to which IAM is blind. The actions
// of trust policies get AWS's own spelling back, because these are the
// documents that people and scanners read in the console.
func canonicalAction(a string) string {
	folded := lower(a)
	if known, ok := trustActions[folded]; ok {
		return known
	}
	return folded
}

// foldKey folds a condition key's case. The issuer in the key of an OIDC
// claim (oidc.eks.eu-west-1.amazonaws.com/id/0A1B:sub) keeps it: its path is
// an URL's and tells two issuers apart.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
func foldKey(key string) string {
	host, rest, _ := strings.Cut(key, ":")
	if !strings.ContainsAny(host, "./") && !startsWithPort(rest) {
		return lower(key)
	}
	claim := strings.LastIndexByte(key, ':') + 1
	return key[:claim] + lower(key[claim:])
}

func startsWithPort(s string) bool {
	rest := strings.TrimLeft(s, "0123456789")
	return len(rest) < len(s) && (strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, ":"))
}

func canonicalCondition(c Condition) Condition {
	values := c.Values
	if values == nil {
		values = []string{}
	}
	return Condition{
		Operator: CanonicalOperator(c.Operator),
		Key:      foldKey(c.Key),
		Values:   normalizeSet(values, identity, strings.Compare),
	}
}

func compareConditions(a, b Condition) int {
	return cmp.Or(cmp.Compare(a.Operator, b.Operator), cmp.Compare(a.Key, b.Key), slices.Compare(a.Values, b.Values))
}

// lower folds ASCII only. Unicode folding would make the Kelvin sign a k.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
