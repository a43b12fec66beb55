package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestExplain_NamesTheDecidingStatements(t *testing.T) {
	get := Request{
		Action: "s3:GetObject", Resource: "arn:aws:s3:::shop/a",
		Context: map[string][]string{"aws:PrincipalTag/team": {"shop"}},
	}
	cases := map[string]struct {
		reason    string
		statement Statement
		want      Match
	}{
		"Applies": {
			"Every element matches.",
			allow([]string{"s3:Get*"}, "*"),
			Match{Principal: true, Action: true, Resource: true},
		},
		"OtherAction": {
			"The elements are independent of each other.",
			allow([]string{"s3:PutObject"}, "*"),
			Match{Principal: true, Resource: true},
		},
		"OtherResource": {
			"The elements are independent of each other.",
			allow([]string{"*"}, "arn:aws:s3:::other/*"),
			Match{Principal: true, Action: true},
		},
		"ConditionWithValue": {
			"The request's own value is part of the explanation.",
			Statement{
				Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"},
				Conditions: []Condition{{"StringEquals", "aws:principaltag/TEAM", []string{"pay"}}},
			},
			Match{Principal: true, Action: true, Resource: true, Failed: []FailedCondition{
				{Condition: Condition{"StringEquals", "aws:principaltag/TEAM", []string{"pay"}}, Actual: []string{"shop"}},
			}},
		},
		"ConditionWithoutValue": {
			"The key is not in the request, so it has no value.",
			Statement{
				Effect: Deny, Actions: []string{"*"}, Resources: []string{"*"},
				Conditions: []Condition{{"StringEquals", "aws:PrincipalTag/team", []string{"shop"}}, {"Bool", "aws:SecureTransport", []string{"false"}}},
			},
			Match{Principal: true, Action: true, Resource: true, Failed: []FailedCondition{
				{Condition: Condition{"Bool", "aws:SecureTransport", []string{"false"}}},
			}},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			tc.want.Statement = tc.statement
			if diff := cmp.Diff([]Match{tc.want}, Explain(get, policyOf(tc.statement))); diff != "" {
				t.Errorf("Explain(): -want, +got:\n%s", diff)
			}
		})
	}
}

// The statements that Explain reports as applying are those that determine the decision.
func TestExplain_AgreesWithEvaluate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trusts := rapid.Bool().Draw(t, "trusts")
		p := genPolicy(trusts).Draw(t, "policy")
		r := genRequest(trusts).Draw(t, "request")
		want := ImplicitDeny
		for _, m := range Explain(r, p) {
			switch {
			case m.Applies() && m.Statement.Effect == Deny:
				want = ExplicitDeny
			case m.Applies() && want == ImplicitDeny:
				want = Allowed
			}
		}
		if got := Evaluate(r, p); got != want {
			t.Fatalf("Evaluate() = %v, but Explain() says %v", got, want)
		}
	})
}

func TestIsPattern_HasWildcards(t *testing.T) {
	cases := map[string]bool{
		"system:serviceaccount:shop:*":        true,
		"system:serviceaccount:shop:check?ut": true,
		"system:serviceaccount:shop:checkout": false,
		"a${*}b":                              false, // a star that stands for itself
		"${aws:username}":                     false,
		"":                                    false,
	}
	for in, want := range cases {
		if got := IsPattern(in); got != want {
			t.Errorf("IsPattern(%q) = %t, want %t", in, got, want)
		}
	}
}
