package escalation_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// An encoder writes policies that allow an action in the forms that IAM accepts for
// it: other case, wildcards, JSON escapes, policy variables, NotAction and
// NotResource, strings and lists, conditions that always hold.
type encoder struct{ *rand.Rand }

// statement draws a statement that allows an action, on resources of which one is a
// role named admin.
func (e encoder) statement(action string) policy.Statement {
	s := policy.Statement{Effect: policy.Allow, Actions: []string{e.action(action)}, Resources: []string{e.resource()}}
	if e.oneIn(6) {
		s.Actions, s.NotActions = nil, []string{"s3:GetObject", "sqs:*"}
	}
	if e.oneIn(6) {
		s.Resources, s.NotResources = nil, []string{"arn:aws:s3:::shop/*"}
	}
	if e.oneIn(3) {
		s.Actions = e.among("logs:PutLogEvents", s.Actions)
	}
	if e.oneIn(3) {
		s.Resources = e.among("arn:aws:s3:::shop", s.Resources)
	}
	if e.oneIn(3) {
		s.Conditions = []policy.Condition{e.condition()}
	}
	return s
}

// policy draws a policy that allows an action.
func (e encoder) policy(action string) policy.Policy {
	p := policy.Policy{Version: policy.Version2012, Statements: []policy.Statement{e.statement(action)}}
	if e.oneIn(3) {
		harmless := policy.Statement{Effect: policy.Allow, Actions: []string{"s3:GetObject"}, Resources: []string{"*"}}
		if p.Statements = append(p.Statements, harmless); e.oneIn(2) {
			p.Statements[0], p.Statements[1] = p.Statements[1], p.Statements[0]
		}
	}
	return p
}

func (e encoder) oneIn(n int) bool { return e.IntN(n) == 0 }

// among puts another text before or after texts.
func (e encoder) among(other string, texts []string) []string {
	if texts == nil {
		return nil
	}
	if e.oneIn(2) {
		return append([]string{other}, texts...)
	}
	return append(texts, other)
}

// action draws a pattern that matches an action.
func (e encoder) action(action string) string {
	service, name, _ := strings.Cut(action, ":")
	switch e.IntN(8) {
	case 0:
		name = name[:e.IntN(len(name))] + "*"
	case 1:
		name = "*" + name[e.IntN(len(name)):]
	case 2:
		i := e.IntN(len(name))
		name = name[:i] + "?" + name[i+1:]
	case 3:
		i := e.IntN(len(service))
		service = service[:i] + string("?*"[e.IntN(2)]) + service[i+1:]
	case 4:
		i, j := e.IntN(len(name)), e.IntN(len(name))
		name = name[:min(i, j)] + "*" + name[max(i, j):]
	default:
	}
	return e.recase(service + ":" + name)
}

// recase draws the case of each letter.
func (e encoder) recase(text string) string {
	if e.oneIn(2) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if e.oneIn(2) {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, text)
}

// resource draws a pattern that matches the role.
func (e encoder) resource() string {
	all := []string{
		"*", "arn:aws:iam::*:*", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:role/??*",
		"arn:aws:iam::123456789012:role/a*-*", "arn:aws:iam::123456789012:role/${aws:PrincipalTag/empty}*",
		"arn:aws:iam::123456789012:role/${aws:PrincipalTag/role}", "arn:${aws:PrincipalTag/partition}:iam::123456789012:role/*",
		"arn:aws:iam::123456789012:role/${aws:PrincipalTag/none, 'admin-1'}", theRole,
	}
	return all[e.IntN(len(all))]
}

const theRole = "arn:aws:iam::123456789012:role/admin-1"

// context holds the values of the condition keys that the policies use.
var requestContext = map[string][]string{
	"aws:PrincipalTag/empty": {""}, "aws:PrincipalTag/role": {"admin-1"}, "aws:PrincipalTag/partition": {"aws"},
	"aws:userid": {"AROAEXAMPLE:pod"},
}

// condition draws a condition that always holds.
func (e encoder) condition() policy.Condition {
	all := []policy.Condition{
		{Operator: "StringLike", Key: "aws:userid", Values: []string{"*"}},
		{Operator: "Null", Key: "aws:PrincipalTag/none", Values: []string{"true"}},
		{Operator: "StringEqualsIfExists", Key: "aws:PrincipalTag/none", Values: []string{"x"}},
		{Operator: "StringEquals", Key: "aws:PrincipalTag/role", Values: []string{"${aws:PrincipalTag/role}"}},
	}
	return all[e.IntN(len(all))]
}

// document writes a policy as JSON.
func (e encoder) document(p policy.Policy) string {
	statements := make([]string, len(p.Statements))
	for i, s := range p.Statements {
		statements[i] = e.object(map[string]string{
			"Effect": e.text(string(s.Effect)), "Action": e.texts(s.Actions), "NotAction": e.texts(s.NotActions),
			"Resource": e.texts(s.Resources), "NotResource": e.texts(s.NotResources), "Condition": e.conditions(s.Conditions),
		})
	}
	list := "[" + strings.Join(statements, ",") + "]"
	if len(statements) == 1 && e.oneIn(2) {
		list = statements[0]
	}
	return e.object(map[string]string{"Version": e.text(p.Version), "Statement": list})
}

// object writes an object, in any order, without members that have no value.
func (e encoder) object(members map[string]string) string {
	var all []string
	for _, key := range []string{"Version", "Statement", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"} {
		if value := members[key]; value != "" {
			all = append(all, e.text(key)+e.space()+":"+e.space()+value)
		}
	}
	e.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return "{" + e.space() + strings.Join(all, ",") + "}"
}

func (e encoder) space() string { return []string{"", " ", "\n\t"}[e.IntN(3)] }

func (e encoder) texts(texts []string) string {
	switch {
	case texts == nil:
		return ""
	case len(texts) == 1 && e.oneIn(2):
		return e.text(texts[0])
	}
	all := make([]string, len(texts))
	for i, t := range texts {
		all[i] = e.text(t)
	}
	return "[" + strings.Join(all, ",") + "]"
}

func (e encoder) conditions(conditions []policy.Condition) string {
	if len(conditions) == 0 {
		return ""
	}
	c := conditions[0]
	return fmt.Sprintf("{%s:{%s:%s}}", e.text(c.Operator), e.text(c.Key), e.texts(c.Values))
}

// text writes a string, with escapes for some of its characters.
func (e encoder) text(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if e.oneIn(8) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// inline returns a policy as statements of a PodIdentity.
func inline(p policy.Policy) v1alpha1.InlinePolicy {
	in := v1alpha1.InlinePolicy{Name: "p"}
	for _, s := range p.Statements {
		statement := v1alpha1.Statement{
			Effect:  v1alpha1.Effect(s.Effect),
			Actions: as[v1alpha1.Action](s.Actions), NotActions: as[v1alpha1.Action](s.NotActions),
			Resources: as[v1alpha1.Resource](s.Resources), NotResources: as[v1alpha1.Resource](s.NotResources),
		}
		for _, c := range s.Conditions {
			statement.Conditions = append(statement.Conditions, v1alpha1.Condition{Operator: c.Operator, Key: c.Key, Values: as[v1alpha1.ConditionValue](c.Values)})
		}
		in.Statements = append(in.Statements, statement)
	}
	return in
}

func as[S ~string](texts []string) []S {
	var all []S
	for _, text := range texts {
		all = append(all, S(text))
	}
	return all
}
