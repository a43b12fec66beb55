package plan

import (
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// The path of a fault in typed statements is that of the YAML, which the user wrote,
// not that of the document that the operator generates.
func TestDesired_StatementPaths(t *testing.T) {
	good := v1alpha1.Statement{Effect: "Allow", Actions: []v1alpha1.Action{"s3:*"}, Resources: []v1alpha1.Resource{"*"}}
	with := func(change func(*v1alpha1.Statement)) v1alpha1.Statement {
		s := good
		change(&s)
		return s
	}
	when := func(conditions ...v1alpha1.Condition) v1alpha1.Statement {
		return with(func(s *v1alpha1.Statement) { s.Conditions = conditions })
	}
	const subject = "oidc.eks.eu-west-1.amazonaws.com/id/0A1B:sub"
	for name, tc := range map[string]struct {
		reason string
		fault  v1alpha1.Statement
		want   string // after spec.policies.inline[p].statements[1]
	}{
		"Sid":         {"The path names a field.", with(func(s *v1alpha1.Statement) { s.SID = "a b" }), ".sid: must contain only letters"},
		"Effect":      {"The path names a field.", with(func(s *v1alpha1.Statement) { s.Effect = "allow" }), ".effect: must be Allow or Deny"},
		"Action":      {"The path names an item of a list.", with(func(s *v1alpha1.Statement) { s.Actions = []v1alpha1.Action{"s3:*", "Get"} }), ".actions[1]: must be * or service:Name"},
		"NotAction":   {"The path names the negated list.", with(func(s *v1alpha1.Statement) { s.Actions, s.NotActions = nil, []v1alpha1.Action{"Get"} }), ".notActions[0]: must be"},
		"Resource":    {"The path names an item of a list.", with(func(s *v1alpha1.Statement) { s.Resources = []v1alpha1.Resource{"*", "*", "shop"} }), ".resources[2]: must be * or an ARN"},
		"NotResource": {"The path names the negated list.", with(func(s *v1alpha1.Statement) { s.Resources, s.NotResources = nil, []v1alpha1.Resource{"shop"} }), ".notResources[0]: must be"},
		"Elements":    {"The path names the statement.", with(func(s *v1alpha1.Statement) { s.Actions = nil }), ": must have actions or notActions"},
		"Operator":    {"The path names the operator of one of several conditions.", when(v1alpha1.Condition{Operator: "Null", Key: subject, Values: []v1alpha1.ConditionValue{"true"}}, v1alpha1.Condition{Operator: "Equals", Key: subject}), ".conditions[1].operator: unknown condition operator"},
		"Key":         {"The path names the key of a condition.", when(v1alpha1.Condition{Operator: "Null"}), ".conditions[0].key: must be a condition key"},
		"Value":       {"The path quotes a key with dots and colons.", when(v1alpha1.Condition{Operator: "Bool", Key: "aws:x", Values: []v1alpha1.ConditionValue{"true"}}, v1alpha1.Condition{Operator: "Bool", Key: subject, Values: []v1alpha1.ConditionValue{"true", "yes"}}), `.conditions[1].values[1]: must be true or false, not "yes"`},
		"ValueOfWord": {"The path does not quote a key that is a word.", when(v1alpha1.Condition{Operator: "NumericEquals", Key: "word", Values: []v1alpha1.ConditionValue{"x"}}), ".conditions[0].values[0]: must be a number"},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			_, err := Desired(identity(func(s *v1alpha1.PodIdentitySpec) {
				s.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Statements: []v1alpha1.Statement{good, tc.fault}}}
			}), testCluster)
			if want := "spec.policies.inline[p].statements[1]" + tc.want; err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("Desired(...) = %v, want %s", err, want)
			}
		})
	}
}
