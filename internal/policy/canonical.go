package policy

import (
	"cmp"
	"slices"
	"strings"
)

// canonical returns p in canonical form. Policies that differ only in the following,
// which AWS treats as equal, have the same one:
//
//   - a missing Version and 2008-10-17; an empty Sid or Id and none;
//   - a string and an array of one; the order and repetition in an array, of
//     statements, of conditions; an empty Condition and none;
//   - the case of actions, condition keys and operators;
//   - an account's ID and its root ARN; "*" and {"AWS": "*"}.
//
// The form keeps what is significant: the case of resources, principals and condition
// values, a Sid, an Id, and an element that is present but empty. It does not simplify
// patterns: s3:Get* next to s3:* stays.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
func (p Policy) canonical() Policy {
	c, _ := p.canonicalForm()
	return c
}

// canonicalForm returns p in canonical form, and its statements as JSON.
func (p Policy) canonicalForm() (Policy, []string) {
	type written struct {
		Statement

		text string
	}
	all := make([]written, len(p.Statements))
	var b []byte
	for i, s := range p.Statements {
		s = s.canonical()
		b = appendStatement(b[:0], s)
		all[i] = written{s, string(b)}
	}
	slices.SortFunc(all, func(a, b written) int { return strings.Compare(a.text, b.text) })
	all = slices.CompactFunc(all, func(a, b written) bool { return a.text == b.text })
	c := Policy{Version: cmp.Or(p.Version, Version2008), ID: p.ID}
	var texts []string
	for _, s := range all {
		c.Statements = append(c.Statements, s.Statement)
		texts = append(texts, s.text)
	}
	return c, texts
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

// normalizeSet returns the items of in, each in canonical form, sorted and without
// duplicates. Nil stays nil: an absent element differs from an empty one.
func normalizeSet[T any](in []T, canonical func(T) T, compare func(a, b T) int) []T {
	if in == nil || isNormalized(in, canonical, compare) {
		return in
	}
	out := make([]T, 0, len(in))
	for _, item := range in {
		out = append(out, canonical(item))
	}
	slices.SortFunc(out, compare)
	return slices.CompactFunc(out, func(a, b T) bool { return compare(a, b) == 0 })
}

// isNormalized reports whether normalizeSet would change nothing.
func isNormalized[T any](in []T, canonical func(T) T, compare func(a, b T) int) bool {
	for i, item := range in {
		if compare(item, canonical(item)) != 0 || i > 0 && compare(in[i-1], item) >= 0 {
			return false
		}
	}
	return true
}

func identity(s string) string { return s }

// canonicalPrincipal writes every caller as {"AWS": "*"}, because IAM rejects a trust
// policy with "*" (`AssumeRolepolicy contained an invalid principal: "STAR":"*"`,
// hashicorp/terraform-provider-aws#4248), and an account as its ID, which has no
// partition.
func canonicalPrincipal(p Principal) Principal {
	if p.Type == Anyone && p.ID == "*" {
		return Principal{AWS, "*"}
	}
	if p.Type == AWS {
		p.ID = accountOfRoot(p.ID)
	}
	return p
}

// accountOfRoot returns the account ID of an account's root ARN, and other IDs
// unchanged.
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

// canonicalAction returns an action in lower case, because IAM compares actions
// case-insensitively. The actions of trust policies get AWS's spelling, because
// people and security scanners read these documents.
func canonicalAction(a string) string {
	folded := lower(a)
	if known, ok := trustActions[folded]; ok {
		return known
	}
	return folded
}

// foldKey returns a condition key in lower case. The issuer in the key of an OIDC claim
// (oidc.eks.eu-west-1.amazonaws.com/id/0A1B:sub) keeps its case: it contains the path
// of a URL, which is case-sensitive.
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
	if c := cmp.Compare(a.Operator, b.Operator); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	return slices.Compare(a.Values, b.Values)
}

// lower folds ASCII letters only. Unicode folding would turn the Kelvin sign into k.
func lower(s string) string {
	if !strings.ContainsFunc(s, isUpper) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isUpper(r) {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func isUpper(r rune) bool { return r >= 'A' && r <= 'Z' }
