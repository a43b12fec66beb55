package plan

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// typed draws a typed statement in any case, with characters that JSON, HTML and IAM
// each treat differently.
var typed = rapid.Custom(func(t *rapid.T) v1alpha1.Statement {
	s := v1alpha1.Statement{Effect: rapid.SampledFrom([]v1alpha1.Effect{"Allow", "Deny"}).Draw(t, "effect")}
	actions := rapid.SliceOfN(rapid.SampledFrom([]v1alpha1.Action{"*", "s3:GetObject", "S3:getobject", "sqs:Send*"}), 1, 3).Draw(t, "actions")
	resources := rapid.SliceOfN(rapid.SampledFrom([]v1alpha1.Resource{
		"*", "arn:aws:s3:::Shop/<a>&\"b\"", "arn:aws:s3:::ж\u2028😀", "arn:aws:s3:::${aws:username}/\u00ff\u007f\\",
	}), 1, 3).Draw(t, "resources")
	if rapid.Bool().Draw(t, "not these actions") {
		s.NotActions = actions
	} else {
		s.Actions = actions
	}
	if rapid.Bool().Draw(t, "not these resources") {
		s.NotResources = resources
	} else {
		s.Resources = resources
	}
	s.Conditions = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) v1alpha1.Condition {
		return v1alpha1.Condition{
			Operator: rapid.SampledFrom([]string{"StringEquals", "stringLike", "forallvalues:stringEQUALS"}).Draw(t, "operator"),
			Key:      rapid.SampledFrom([]string{"aws:PrincipalTag/Team", "s3:Prefix", "oidc.example.com/id/0A1B:sub"}).Draw(t, "key"),
			Values:   rapid.SliceOfN(rapid.SampledFrom([]v1alpha1.ConditionValue{"", "A", "a", "<&>", "ж"}), 1, 3).Draw(t, "values"),
		}
	}), 0, 4, func(c v1alpha1.Condition) string { return c.Operator + " " + c.Key }).Draw(t, "conditions")
	return s
})

// The text written for typed statements means the same as the compared document, and
// contains only characters that IAM accepts.
func TestDesired_SourceOfStatementsMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := v1alpha1.InlinePolicy{Name: "p", Statements: rapid.SliceOfN(typed, 1, 3).Draw(t, "statements")}
		state, err := Desired(identity(func(s *v1alpha1.PodIdentitySpec) { s.Policies.Inline = []v1alpha1.InlinePolicy{in} }), testCluster)
		if err != nil {
			t.Fatal(err)
		}
		text := state.Role.Inline["p"].Source
		if back, err := policy.Parse([]byte(text)); err != nil || back != state.Role.Inline["p"].Document {
			t.Fatalf("%s is compared as %s (%v)", text, state.Role.Inline["p"].Document, err)
		}
		for _, r := range text {
			if r < ' ' || r > '\u00ff' {
				t.Fatalf("%s holds %q, which IAM rejects", text, r)
			}
		}
	})
}

func TestClone_SharesNothing(t *testing.T) {
	role := Role{Inline: map[string]InlinePolicy{"p": {Source: "declared"}}}
	role.Clone().Inline["p"] = InlinePolicy{Source: "changed"}
	if got := role.Inline["p"].Source; got != "declared" {
		t.Errorf("a change of the clone is in the role: %q", got)
	}
}
