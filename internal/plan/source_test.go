package plan

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// typed draws a statement such as somebody writes one in YAML, in any case and
// with characters that JSON, HTML and IAM each have their own mind about.
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

// What is sent to AWS for typed statements means what is compared, and is sent in
// characters that IAM takes.
func TestWrittenMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := v1alpha1.InlinePolicy{Name: "p", Statements: rapid.SliceOfN(typed, 1, 3).Draw(t, "statements")}
		state, err := Desired(identity(func(s *v1alpha1.PodIdentitySpec) { s.Policies.Inline = []v1alpha1.InlinePolicy{in} }), testCluster)
		if err != nil {
			t.Fatal(err)
		}
		text := state.Role.Sources["p"]
		if back, err := policy.Parse([]byte(text)); err != nil || back != state.Role.Inline["p"] {
			t.Fatalf("%s is compared as %s (%v)", text, state.Role.Inline["p"], err)
		}
		for _, r := range text {
			if r < ' ' || r > '\u00ff' {
				t.Fatalf("%s holds %q, which IAM does not take", text, r)
			}
		}
	})
}

// A copy of a role shares nothing with it.
func TestCloneOfWritten(t *testing.T) {
	role := Role{Sources: map[string]string{"p": "declared"}}
	role.Clone().Sources["p"] = "changed"
	if got := role.Sources["p"]; got != "declared" {
		t.Errorf("A change of the copy is in the role: %q", got)
	}
}
