package policy

import (
	"fmt"
	"testing"
)

// noValue is a policy variable without a value in the requests of this file.
const noValue = "${aws:PrincipalTag/none}"

// A variable without a value matches nothing: so a condition with a negated operator holds,
// and with any other operator it does not. This applies to every operator that takes
// variables, with every quantifier and with IfExists, to Allow and Deny, in identity
// policies, with NotResource, and in trust policies.
func TestEvaluate_EveryOperatorWithoutValue(t *testing.T) {
	values := map[family]string{familyString: "shop", familyARN: "arn:aws:s3:::shop"}
	tested := 0
	for _, op := range operators {
		present, ok := values[op.family]
		if !ok {
			continue // the values of other operators are not texts
		}
		for _, quantifier := range []string{"", forAnyValue, forAllValues} {
			for _, suffix := range []string{"", ifExists} {
				for _, there := range []bool{true, false} {
					tested++
					holds := op.negated
					if !there {
						holds = quantifier == forAllValues || quantifier == "" && (suffix != "" || op.negated)
					}
					c := Condition{quantifier + op.base + suffix, "aws:k", []string{noValue}}
					context := map[string][]string{}
					if there {
						context["aws:k"] = []string{present}
					}
					t.Run(fmt.Sprintf("%s/%t", c.Operator, there), func(t *testing.T) { expectInAllPolicies(t, c, context, holds) })
				}
			}
		}
	}
	if want := 10 * 3 * 2 * 2; tested != want {
		t.Errorf("%d combinations of operators, want %d", tested, want)
	}
}

// expectInAllPolicies checks whether a statement with a condition applies, wherever it is.
func expectInAllPolicies(t *testing.T, c Condition, context map[string][]string, holds bool) {
	t.Helper()
	conditions := []Condition{c}
	object := Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::shop/a", Context: context}
	places := map[string]struct {
		request   Request
		statement Statement
	}{
		"identity policy": {object, Statement{Actions: []string{"s3:*"}, Resources: []string{"*"}, Conditions: conditions}},
		"NotResource":     {object, Statement{Actions: []string{"s3:*"}, NotResources: []string{"arn:aws:s3:::" + noValue + "/*"}, Conditions: conditions}},
		"trust policy": {
			Request{Principals: session, Action: "sts:AssumeRole", Context: context},
			Statement{Actions: []string{"sts:AssumeRole"}, Principals: []Principal{{AWS, "*"}}, Conditions: conditions},
		},
	}
	for place, tc := range places {
		for effect, want := range map[Effect]Decision{Allow: Allowed, Deny: ExplicitDeny} {
			tc.statement.Effect = effect
			if !holds {
				want = ImplicitDeny
			}
			if got := Evaluate(tc.request, policyOf(tc.statement)); got != want {
				t.Errorf("%s in a %s: Evaluate(...) = %v, want %v", effect, place, got, want)
			}
		}
	}
}

// Null tests whether a key exists, and does not replace variables.
func TestEvaluate_NullWithVariable(t *testing.T) {
	for _, there := range []bool{true, false} {
		context := map[string][]string{}
		if there {
			context["aws:k"] = []string{"x"}
		}
		expectInAllPolicies(t, Condition{"Null", "aws:k", []string{noValue}}, context, false)
		expectInAllPolicies(t, Condition{"Null", "aws:k", []string{"${aws:PrincipalTag/none, 'true'}"}}, context, false)
		expectInAllPolicies(t, Condition{"Null", "aws:PrincipalTag/none", []string{"true"}}, context, true)
	}
}
