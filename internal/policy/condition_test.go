package policy

import "testing"

// holds evaluates one condition against one request context.
func holds(c Condition, context map[string][]string) bool {
	s := Statement{Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}, Conditions: []Condition{c}}
	return Evaluate(Request{Action: "a:b", Context: context}, policyOf(s)) == Allowed
}

func TestCondition_Operators(t *testing.T) {
	cases := []struct {
		operator string
		want     string // in the policy
		match    []string
		differ   []string // a negated operator holds for these
	}{
		{"StringEquals", "a*", []string{"a*"}, []string{"A*", "ab", ""}},
		{"StringNotEquals", "a*", []string{"A*", "ab", ""}, []string{"a*"}},
		{"StringEqualsIgnoreCase", "aB", []string{"Ab", "aB"}, []string{"a", "ab "}},
		{"StringNotEqualsIgnoreCase", "aB", []string{"a"}, []string{"ab"}},
		{"StringLike", "a*:?", []string{"a:b", "axx:y:z"}, []string{"A:b", "a:", "a"}},
		{"StringNotLike", "a*", []string{"b"}, []string{"a", "ab"}},
		{"NumericEquals", "1.50", []string{"1.5", "+1.5"}, []string{"1", "x", "", "15e-1", "3/2"}},
		{"NumericNotEquals", "1", []string{"2", "x"}, []string{"1.0"}},
		{"NumericLessThan", "10", []string{"9.99", "-11"}, []string{"10", "11", "x"}},
		{"NumericLessThanEquals", "10", []string{"10", "9"}, []string{"10.1"}},
		{"NumericGreaterThan", "9007199254740992", []string{"9007199254740993"}, []string{"9007199254740992"}},
		{"NumericGreaterThanEquals", "10", []string{"10"}, []string{"9"}},
		{"NumericEquals", "ten", nil, []string{"ten", "10"}},
		{"DateEquals", "2026-01-31T12:00:00Z", []string{"2026-01-31T13:00:00+01:00", "1769860800"}, []string{"2026-01-31", "x"}},
		{"DateNotEquals", "2026", []string{"2027", "x"}, []string{"2026-01-01T00:00Z"}},
		{"DateLessThan", "2026-02", []string{"2026-01-31T23:59:59.9Z", "0"}, []string{"2026-02-01", "2026-03"}},
		{"DateLessThanEquals", "2026", []string{"2026-01"}, []string{"2026-02"}},
		{"DateGreaterThan", "2026", []string{"2027"}, []string{"2026"}},
		{"DateGreaterThanEquals", "2026", []string{"2026"}, []string{"2025"}},
		{"Bool", "true", []string{"true", "True"}, []string{"false", "1"}},
		{"BinaryEquals", "QUI=", []string{"QUI="}, []string{"QUE=", "AB", "?"}},
		{"BinaryEquals", "?", nil, []string{"?"}},
		{"IpAddress", "203.0.113.7/24", []string{"203.0.113.255", "::ffff:203.0.113.1"}, []string{"203.0.114.1", "::1", "x"}},
		{"IpAddress", "203.0.113.7", []string{"203.0.113.7"}, []string{"203.0.113.8"}},
		{"IpAddress", "2001:db8::/32", []string{"2001:db8::1"}, []string{"2001:db9::1", "1.2.3.4"}},
		{"IpAddress", "all", nil, []string{"1.2.3.4"}},
		{"NotIpAddress", "10.0.0.0/8", []string{"11.0.0.1"}, []string{"10.1.2.3"}},
		{"ArnEquals", "arn:aws:sns:*:1:t*", []string{"arn:aws:sns:eu:1:topic", "arn:aws:sns::1:t:u"}, []string{"arn:aws:sns:eu:2:topic", "arn:aws:sns:eu:9:1:topic"}},
		{"ArnLike", "arn:aws:sns:eu:1*1:t", []string{"arn:aws:sns:eu:121:t"}, []string{"arn:aws:sns:eu:1:1:t"}},
		{"ArnLike", "*", []string{"arn:aws:sns:eu:1:topic"}, nil},
		{"ArnNotEquals", "arn:aws:iam::1:role/*", []string{"arn:aws:iam::2:role/x"}, []string{"arn:aws:iam::1:role/x"}},
		{"ArnNotLike", "arn:aws:iam::1:role/*", []string{"arn:aws:iam::1:user/x"}, []string{"arn:aws:iam::1:role/x/y"}},
		{"Strings", "x", nil, []string{"x", "y"}},
		{"NullIfExists", "false", nil, []string{"x"}},
		{"ForAllValues:Null", "false", nil, []string{"x"}},
	}
	for _, tc := range cases {
		t.Run(tc.operator+" "+tc.want, func(t *testing.T) {
			c := Condition{tc.operator, "aws:Key", []string{tc.want}}
			for _, value := range tc.match {
				if !holds(c, map[string][]string{"AWS:KEY": {value}}) {
					t.Errorf("%q does not hold", value)
				}
			}
			for _, value := range tc.differ {
				if holds(c, map[string][]string{"AWS:KEY": {value}}) {
					t.Errorf("%q holds", value)
				}
			}
		})
	}
}

func TestCondition_Values(t *testing.T) {
	key := func(values ...string) map[string][]string { return map[string][]string{"aws:k": values} }
	in := func(operator string) Condition { return Condition{operator, "aws:k", []string{"a", "b"}} }
	cases := map[string]struct {
		reason    string
		condition Condition
		context   map[string][]string
		want      bool
	}{
		"AnyOf":              {"Values in the policy are alternatives.", in("StringEquals"), key("b"), true},
		"NoneOf":             {"A negated operator requires that all values differ.", in("StringNotEquals"), key("b"), false},
		"NoneOfOther":        {"All values differ.", in("StringNotEquals"), key("c"), true},
		"Missing":            {"A missing key does not match.", in("StringEquals"), nil, false},
		"Empty":              {"A key without values is missing.", in("StringEquals"), key(), false},
		"MissingNegated":     {"A missing key matches a negated operator.", in("StringNotEquals"), nil, true},
		"MissingNotIP":       {"NotIpAddress is a negated operator.", Condition{"NotIpAddress", "aws:k", []string{"10.0.0.0/8"}}, nil, true},
		"IfExists":           {"A missing key matches with IfExists.", in("StringEqualsIfExists"), nil, true},
		"IfExistsThere":      {"IfExists compares a key that exists.", in("StringEqualsIfExists"), key("c"), false},
		"NegatedIfExists":    {"A missing key matches a negated operator with IfExists.", in("StringNotEqualsIfExists"), nil, true},
		"SeveralInRequest":   {"Several values require a quantifier.", in("StringEquals"), key("c", "a"), false},
		"SeveralAllMatch":    {"Without a quantifier, several values do not match, even if each would.", in("StringEquals"), key("a", "b"), false},
		"SeveralNegated":     {"A negated operator also requires a quantifier.", in("StringNotEquals"), key("c", "a"), false},
		"SeveralAllDiffer":   {"Without a quantifier, several values do not match, even if all differ.", in("StringNotEquals"), key("c", "d"), false},
		"SeveralIfExists":    {"The key exists, so IfExists does not matter.", in("StringEqualsIfExists"), key("a", "b"), false},
		"All":                {"Every value matches.", in("ForAllValues:StringEquals"), key("a", "b"), true},
		"NotAll":             {"One value does not match.", in("ForAllValues:StringEquals"), key("a", "c"), false},
		"AllMissing":         {"ForAllValues matches an empty set.", in("ForAllValues:StringEquals"), nil, true},
		"AllEmptyText":       {"An empty text is an empty set.", in("ForAllValues:StringEquals"), key(""), true},
		"AllNegated":         {"No value equals one in the policy.", in("ForAllValues:StringNotEquals"), key("c", "d"), true},
		"AllNegatedOne":      {"One value equals one in the policy.", in("ForAllValues:StringNotEquals"), key("c", "a"), false},
		"AllNegatedMissing":  {"ForAllValues matches an empty set.", in("ForAllValues:StringNotEquals"), nil, true},
		"Any":                {"One value matches.", in("ForAnyValue:StringEquals"), key("c", "a"), true},
		"NotAny":             {"No value matches.", in("ForAnyValue:StringEquals"), key("c", "d"), false},
		"AnyMissing":         {"ForAnyValue does not match an empty set.", in("ForAnyValue:StringEquals"), nil, false},
		"AnyEmptyText":       {"An empty text is an empty set.", Condition{"ForAnyValue:StringEquals", "aws:k", []string{""}}, key(""), false},
		"AnyNegated":         {"One value differs from all in the policy.", in("ForAnyValue:StringNotEquals"), key("a", "c"), true},
		"AnyNegatedAll":      {"No value differs from all in the policy.", in("ForAnyValue:StringNotEquals"), key("a", "b"), false},
		"AnyNegatedMissing":  {"ForAnyValue does not match an empty set.", in("ForAnyValue:StringNotEquals"), nil, false},
		"AnyIfExistsMissing": {"IfExists does not change that.", in("ForAnyValue:StringEqualsIfExists"), nil, false},
		"EmptyTextEquals":    {"Without a quantifier an empty text is a value.", Condition{"StringEquals", "aws:k", []string{""}}, key(""), true},
		"Null":               {"The key is absent.", Condition{"Null", "aws:k", []string{"true"}}, nil, true},
		"NullThere":          {"The key is not absent.", Condition{"Null", "aws:k", []string{"True"}}, key("x"), false},
		"NotNull":            {"The key is present.", Condition{"Null", "aws:k", []string{"false"}}, key("x"), true},
		"NotNullMissing":     {"The key is not present.", Condition{"Null", "aws:k", []string{"false"}}, key(), false},
		"NullOdd":            {"A value other than true and false does not match.", Condition{"Null", "aws:k", []string{"yes"}}, nil, false},
		"CaseOfOperator":     {"Evaluate accepts the spellings that Check accepts.", Condition{"forallvalues:stringequals", "aws:k", []string{"a"}}, key("a"), true},
		"NoValues":           {"Without alternatives nothing matches.", Condition{"StringEquals", "aws:k", nil}, key("a"), false},
		"Variable":           {"A value may contain a policy variable.", Condition{"StringEquals", "aws:k", []string{"${aws:u}"}}, map[string][]string{"aws:k": {"x"}, "aws:u": {"x"}}, true},
		"VariableARN":        {"An ARN may contain a policy variable.", Condition{"ArnLike", "aws:k", []string{"arn:aws:iam::${aws:u}:*"}}, map[string][]string{"aws:k": {"arn:aws:iam::1:role/x"}, "aws:u": {"1"}}, true},
		"NoVariable":         {"A number contains no policy variable.", Condition{"NumericEquals", "aws:k", []string{"${aws:u}"}}, map[string][]string{"aws:k": {"1"}, "aws:u": {"1"}}, false},
		"VariableMissing":    {"A policy variable without a value does not match.", Condition{"StringEquals", "aws:k", []string{"${aws:u}", "a"}}, key("b"), false},
		"VariableOther":      {"The other values still match.", Condition{"StringEquals", "aws:k", []string{"${aws:u}", "a"}}, key("a"), true},
		"VariableNegated":    {"A policy variable without a value matches a negated operator.", Condition{"StringNotEquals", "aws:k", []string{"${aws:u}", "a"}}, key("b"), true},
		"CaseInContext":      {"Keys of the request are case-insensitive, and their values are merged.", in("ForAllValues:StringEquals"), map[string][]string{"AWS:K": {"a"}, "aws:k": {"c"}}, false},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := holds(tc.condition, tc.context); got != tc.want {
				t.Errorf("holds: %t, want %t", got, tc.want)
			}
		})
	}
}

func TestCondition_AllMustHold(t *testing.T) {
	s := Statement{Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}, Conditions: []Condition{
		{"StringEquals", "aws:a", []string{"1"}}, {"StringEquals", "aws:b", []string{"2"}},
	}}
	for b, want := range map[string]Decision{"2": Allowed, "1": ImplicitDeny} {
		r := Request{Action: "a:b", Context: map[string][]string{"aws:a": {"1"}, "aws:b": {b}}}
		if got := Evaluate(r, policyOf(s)); got != want {
			t.Errorf("Evaluate(b=%s) = %v, want %v", b, got, want)
		}
	}
}
