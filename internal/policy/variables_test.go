package policy

import "testing"

// The statements of AWS's documentation page about policy variables, in its order, beyond
// those about variables without a value, which TestEvaluate_VariableWithoutValue has.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func TestEvaluate_VariablesPage(t *testing.T) {
	const bucket = "arn:aws:s3:::amzn-s3-demo-bucket"
	tagged := map[string][]string{"aws:PrincipalTag/team": {"yellow"}, "aws:username": {"ann"}, "aws:FederatedProvider": {"www.amazon.com"}}
	team := Statement{Resources: []string{bucket + "-${aws:PrincipalTag/team, 'company-wide'}"}}
	home := Statement{Resources: []string{bucket}, Conditions: condition("StringLike", "s3:prefix", "${aws:username}/*")}
	cases := map[string]struct {
		reason    string
		statement Statement
		resource  string
		context   map[string][]string
		want      bool
	}{
		"Resource":             {"A variable has the caller's value.", Statement{Resources: []string{bucket + "/${aws:username}/*"}}, bucket + "/ann/x", tagged, true},
		"ResourceOther":        {"A variable has no other caller's value.", Statement{Resources: []string{bucket + "/${aws:username}/*"}}, bucket + "/bob/x", tagged, false},
		"ResourceNone":         {"A role has no user name.", Statement{Resources: []string{bucket + "/${aws:username}/*"}}, bucket + "/ann/x", nil, false},
		"Condition":            {"A variable in a condition has the caller's value.", home, bucket, map[string][]string{"aws:username": {"ann"}, "s3:prefix": {"ann/x"}}, true},
		"ConditionOther":       {"A variable in a condition has no other caller's value.", home, bucket, map[string][]string{"aws:username": {"ann"}, "s3:prefix": {"bob/x"}}, false},
		"Tag":                  {"A tag can be a variable.", Statement{Resources: []string{bucket + "-${aws:PrincipalTag/team}"}}, bucket + "-yellow", tagged, true},
		"TagDefaultUnused":     {"The value of a tag precedes the default.", team, bucket + "-yellow", tagged, true},
		"TagDefaultNotBoth":    {"A caller with a tag does not get the default.", team, bucket + "-company-wide", tagged, false},
		"TagDefault":           {"A caller without a tag gets the default.", team, bucket + "-company-wide", nil, true},
		"TagDefaultOther":      {"A caller without a tag gets only the default.", team, bucket + "-yellow", nil, false},
		"Asterisk":             {"${*} is an asterisk.", Statement{Resources: []string{bucket + "/a${*}"}}, bucket + "/a*", nil, true},
		"AsteriskNoWildcard":   {"${*} is not a wildcard.", Statement{Resources: []string{bucket + "/a${*}"}}, bucket + "/ab", nil, false},
		"QuestionMark":         {"${?} is a question mark.", Statement{Resources: []string{bucket + "/a${?}"}}, bucket + "/a?", nil, true},
		"QuestionMarkNoWild":   {"${?} is not a wildcard.", Statement{Resources: []string{bucket + "/a${?}"}}, bucket + "/ab", nil, false},
		"Dollar":               {"${$} is a dollar sign.", Statement{Resources: []string{bucket + "/a${$}"}}, bucket + "/a$", nil, true},
		"DollarInCondition":    {"The three special variables work in conditions.", Statement{Resources: []string{"*"}, Conditions: condition("StringLike", "s3:prefix", "${*}${?}${$}*")}, bucket, map[string][]string{"s3:prefix": {"*?$x"}}, true},
		"AnyValueNoValue":      {"With ForAnyValue, no value equals a missing variable.", Statement{Resources: []string{"*"}, Conditions: condition("ForAnyValue:StringEquals", "aws:TagKeys", "${aws:PrincipalTag/t}")}, bucket, map[string][]string{"aws:TagKeys": {"a", "b"}}, false},
		"AnyValueNotNoValue":   {"With ForAnyValue, each value differs from a missing variable.", Statement{Resources: []string{"*"}, Conditions: condition("ForAnyValue:StringNotEquals", "aws:TagKeys", "${aws:PrincipalTag/t}")}, bucket, map[string][]string{"aws:TagKeys": {"a", "b"}}, true},
		"AllValuesNoValue":     {"With ForAllValues, no value equals a missing variable.", Statement{Resources: []string{"*"}, Conditions: condition("ForAllValues:StringLike", "aws:TagKeys", "${aws:PrincipalTag/t}*")}, bucket, map[string][]string{"aws:TagKeys": {"a"}}, false},
		"AllValuesNotNoValue":  {"With ForAllValues, each value differs from a missing variable.", Statement{Resources: []string{"*"}, Conditions: condition("ForAllValues:StringNotLike", "aws:TagKeys", "${aws:PrincipalTag/t}*")}, bucket, map[string][]string{"aws:TagKeys": {"a"}}, true},
		"BothMissing":          {"A missing key does not equal a missing variable.", Statement{Resources: []string{"*"}, Conditions: condition("StringEquals", "s3:ExistingObjectTag/t", "${aws:PrincipalTag/t}")}, bucket, nil, false},
		"BothMissingNegated":   {"A missing key differs from a missing variable.", Statement{Resources: []string{"*"}, Conditions: condition("StringNotEquals", "s3:ExistingObjectTag/t", "${aws:PrincipalTag/t}")}, bucket, nil, true},
		"ActionTakesNone":      {"An action has no variables.", Statement{Actions: []string{"s3:${aws:username}"}, Resources: []string{"*"}}, bucket, map[string][]string{"aws:username": {"GetObject"}}, false},
		"NumericTakesNone":     {"Numbers have no variables.", Statement{Resources: []string{"*"}, Conditions: condition("NumericNotEquals", "s3:max-keys", "${aws:PrincipalTag/n}")}, bucket, map[string][]string{"s3:max-keys": {"10"}}, true},
		"DefaultWithoutSpace":  {"A default is preceded by a space.", Statement{Resources: []string{bucket + "-${aws:PrincipalTag/team,'company-wide'}"}}, bucket + "-company-wide", nil, false},
		"DefaultWithoutQuotes": {"A default has quotes.", Statement{Resources: []string{bucket + "-${aws:PrincipalTag/team, company-wide}"}}, bucket + "-company-wide", nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := tc.statement
			s.Effect = Allow
			if s.Actions == nil {
				s.Actions = []string{"s3:GetObject"}
			}
			r := Request{Action: "s3:GetObject", Resource: tc.resource, Context: tc.context}
			if got := Evaluate(r, policyOf(s)) == Allowed; got != tc.want {
				t.Errorf("%s\napplies: %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

// A variable without a value does not make a Deny ineffective, neither in an identity
// policy nor in a trust policy nor with NotResource.
func TestEvaluate_DenyWithoutValue(t *testing.T) {
	const tag = "${aws:PrincipalTag/Team}"
	differs := condition("StringNotEquals", "s3:ExistingObjectTag/Team", tag)
	cases := map[string]struct {
		request Request
		deny    Statement
		allow   Statement
	}{
		"identity policy": {
			Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::shop/a", Context: map[string][]string{"s3:ExistingObjectTag/Team": {"shop"}}},
			Statement{Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::shop/*"}, Conditions: differs},
			Statement{Actions: []string{"*"}, Resources: []string{"*"}},
		},
		"NotResource": {
			Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::shop/a"},
			Statement{Actions: []string{"s3:*"}, NotResources: []string{"arn:aws:s3:::" + tag + "/*"}},
			Statement{Actions: []string{"*"}, Resources: []string{"*"}},
		},
		"trust policy": {
			Request{Principals: session, Action: "sts:AssumeRole", Context: map[string][]string{"aws:ResourceTag/Team": {"shop"}}},
			Statement{Actions: []string{"sts:AssumeRole"}, Principals: []Principal{{AWS, "*"}}, Conditions: condition("StringNotLike", "aws:ResourceTag/Team", tag)},
			Statement{Actions: []string{"sts:AssumeRole"}, Principals: session},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.deny.Effect, tc.allow.Effect = Deny, Allow
			if got := Evaluate(tc.request, policyOf(tc.allow, tc.deny)); got != ExplicitDeny {
				t.Errorf("Evaluate(...) = %v, want %v", got, ExplicitDeny)
			}
		})
	}
}
