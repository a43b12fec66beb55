package policy

import (
	"strings"
	"testing"
)

func TestIsSubset_OfStatements(t *testing.T) {
	one := func(elements string) Document {
		return Policy{Version: Version2012, Statements: mustStatements(elements)}.Document()
	}
	const (
		read = `"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"arn:aws:s3:::shop/*"`
		all  = `"Effect":"Allow","Action":"*","Resource":"*"`
		who  = `"Effect":"Allow","Action":"sts:AssumeRole",`
	)
	cases := map[string]struct {
		reason       string
		narrow, wide Document
		want         bool
	}{
		"Itself":           {"Every policy is its own subset.", one(read), one(read), true},
		"Admin":            {"Every policy is a subset of all permissions.", one(read), one(all), true},
		"AdminNot":         {"All permissions are not a subset of a narrower policy.", one(all), one(read), false},
		"Nothing":          {"An empty policy is a subset of every policy.", Policy{}.Document(), one(read), true},
		"NothingWide":      {"No permission is within an empty policy.", one(read), Policy{}.Document(), false},
		"FewerActions":     {"The policy has fewer actions.", one(`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::shop/*"`), one(read), true},
		"OtherActions":     {"The policy has another action.", one(`"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::shop/*"`), one(read), false},
		"FewerResources":   {"The policy has fewer resources.", one(`"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::shop/a/*"`), one(read), true},
		"OtherResources":   {"The policy has other resources.", one(`"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::sho*"`), one(read), false},
		"CaseOfTrust":      {"The case of an action does not matter to patterns.", one(who + `"Principal":{"AWS":"*"}`), one(`"Effect":"Allow","Action":"sts:assume*","Principal":{"AWS":"*"}`), true},
		"CaseOfTrustNot":   {"The case of an action does not matter in NotAction.", one(who + `"Principal":{"AWS":"*"}`), one(`"Effect":"Allow","NotAction":"sts:assume*","Principal":{"AWS":"*"}`), false},
		"AddedCondition":   {"A condition removes permissions.", one(read + `,"Condition":{"Bool":{"aws:a":"true"}}`), one(read), true},
		"DroppedCondition": {"Without the condition there are more permissions.", one(read), one(read + `,"Condition":{"Bool":{"aws:a":"true"}}`), false},
		"OtherKey":         {"Another key is another condition.", one(read + `,"Condition":{"Bool":{"aws:b":"true"}}`), one(read + `,"Condition":{"Bool":{"aws:a":"true"}}`), false},
		"OtherOperator":    {"Another operator is another condition.", one(read + `,"Condition":{"BoolIfExists":{"aws:a":"true"}}`), one(read + `,"Condition":{"Bool":{"aws:a":"true"}}`), false},
		"FewerValues":      {"Fewer values are fewer alternatives.", one(read + `,"Condition":{"NumericEquals":{"aws:a":"1"}}`), one(read + `,"Condition":{"NumericEquals":{"aws:a":["1","2"]}}`), true},
		"MoreValues":       {"More values are more alternatives.", one(read + `,"Condition":{"NumericEquals":{"aws:a":["1","2"]}}`), one(read + `,"Condition":{"NumericEquals":{"aws:a":"1"}}`), false},
		"NegatedMore":      {"More values of a negated operator allow less.", one(read + `,"Condition":{"StringNotLike":{"aws:a":["1","2"]}}`), one(read + `,"Condition":{"StringNotLike":{"aws:a":"1"}}`), true},
		"NegatedFewer":     {"Fewer values of a negated operator allow more.", one(read + `,"Condition":{"StringNotLike":{"aws:a":"1"}}`), one(read + `,"Condition":{"StringNotLike":{"aws:a":["1","2"]}}`), false},
		"EqualsInLike":     {"A text matches its pattern.", one(read + `,"Condition":{"StringEquals":{"aws:a":"ab"}}`), one(read + `,"Condition":{"StringLike":{"aws:a":"a*"}}`), true},
		"EqualsNotInLike":  {"A * is text for StringEquals.", one(read + `,"Condition":{"StringLike":{"aws:a":"a*"}}`), one(read + `,"Condition":{"StringEquals":{"aws:a":"a*"}}`), false},
		"LikeInLike":       {"A pattern can be narrower than another one.", one(read + `,"Condition":{"StringLike":{"aws:a":"ab*"}}`), one(read + `,"Condition":{"StringLike":{"aws:a":"a*"}}`), true},
		"Quantifier":       {"ForAllValues is not ForAnyValue.", one(read + `,"Condition":{"ForAllValues:StringEquals":{"aws:a":"a"}}`), one(read + `,"Condition":{"ForAnyValue:StringEquals":{"aws:a":"a"}}`), false},
		"UnknownOperator":  {"Nothing is known about an unknown operator.", one(read + `,"Condition":{"X":{"aws:a":"a"}}`), one(read + `,"Condition":{"X":{"aws:a":"a"}}`), false},
		"DenyAdded":        {"A Deny removes permissions.", both(one(read), one(`"Effect":"Deny","Action":"*","Resource":"*"`)), one(read), true},
		"DenyDropped":      {"Without the Deny there are more permissions.", one(read), both(one(read), one(`"Effect":"Deny","Action":"s3:*","Resource":"*"`)), false},
		"DenyWidened":      {"A wider Deny removes more permissions.", both(one(read), one(`"Effect":"Deny","Action":"*","Resource":"*"`)), both(one(read), one(`"Effect":"Deny","Action":"s3:*","Resource":"*"`)), true},
		"TwoTogether":      {"Two statements together are not considered.", one(read), both(one(`"Effect":"Allow","Action":"s3:Get*","Resource":"*"`), one(`"Effect":"Allow","Action":"s3:List*","Resource":"*"`)), false},

		"NotActionFewer":    {"A longer NotAction allows less.", one(`"Effect":"Allow","NotAction":["iam:*","s3:*"],"Resource":"*"`), one(`"Effect":"Allow","NotAction":"iam:Get*","Resource":"*"`), true},
		"NotActionMore":     {"A narrower NotAction allows more.", one(`"Effect":"Allow","NotAction":"iam:Get*","Resource":"*"`), one(`"Effect":"Allow","NotAction":"iam:*","Resource":"*"`), false},
		"ActionInNot":       {"The action is not excluded.", one(read), one(`"Effect":"Allow","NotAction":"iam:*","Resource":"*"`), true},
		"ActionNotInNot":    {"The action may be excluded.", one(read), one(`"Effect":"Allow","NotAction":"*Object","Resource":"*"`), false},
		"NotInAction":       {"All actions but some are not within a list.", one(`"Effect":"Allow","NotAction":"iam:*","Resource":"*"`), one(read), false},
		"NotInAny":          {"All actions but some are within all.", one(`"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::x"`), one(all), true},
		"NeitherAction":     {"A statement without actions proves nothing.", one(`"Effect":"Allow","Action":"s3:*","Resource":"*"`), one(`"Effect":"Allow","Resource":"*"`), false},
		"BothActions":       {"A statement with Action and NotAction proves nothing.", one(`"Effect":"Allow","Action":"s3:*","Resource":"*"`), one(`"Effect":"Allow","Action":"*","NotAction":"s3:*","Resource":"*"`), false},
		"NotResource":       {"Both exclude the resource.", one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::*"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::a*"`), true},
		"ResourceInNot":     {"The resource is not excluded.", one(read), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::other/*"`), true},
		"NoResource":        {"A trust policy without resources applies to all resources.", one(who + `"Principal":"*"`), one(who + `"Principal":"*","Resource":"arn:aws:iam::1:role/r"`), false},
		"SegmentsApart":     {"An excluded * does not match beyond its segment.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu-a:b-1:1:q"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:sqs:eu-*-1:1:q"`), true},
		"SegmentsApartToo":  {"An allowed * does not match beyond its segment.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu-*-1:1:q"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:sqs:eu-a:b-1:1:q"`), true},
		"SegmentsMeet":      {"An allowed * matches within its segment.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu-*-1:1:q"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:sqs:eu-b*:1:q"`), false},
		"ResourceElement":   {"A policy with resources is not a trust policy.", one(read), one(`"Effect":"Allow","Action":"*"`), false},
		"Segment":           {"A * inside a segment does not match beyond it.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:eu-*:1:x"`), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:e*-*-1:1:x"`), false},
		"Variable":          {"The same variable has the same value.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}/a"`), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${AWS:UserName}/*"`), true},
		"VariableInStar":    {"Any value matches a *.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"`), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::*"`), true},
		"TextInVariable":    {"The value of a variable is not known.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::a"`), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"`), false},
		"VariableNot":       {"A variable without a value excludes nothing.", one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::*"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:username}"`), true},
		"VariableNotSame":   {"A variable without a value excludes nothing, even if both have it.", one(`"Effect":"Allow","Action":"*","NotResource":["x","arn:aws:s3:::${aws:username}"]`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:username}"`), true},
		"VariableNotApart":  {"A variable in the ARN of another service excludes nothing here.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu:1:q"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:username}"`), true},
		"OldVariable":       {"A variable is text in the older version.", old(one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:a}"`)), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:a}"`), false},
		"OldCondition":      {"A variable in a condition is text in the older version.", old(one(read + `,"Condition":{"StringEquals":{"aws:a":"${aws:b}"}}`)), one(read + `,"Condition":{"StringEquals":{"aws:a":"${aws:b}"}}`), false},
		"OldOtherwise":      {"Without variables the versions do not differ.", old(one(read)), one(read), true},
		"ConditionVariable": {"A variable has one value in a request.", one(read + `,"Condition":{"StringEquals":{"aws:a":"x${aws:b}"}}`), one(read + `,"Condition":{"StringLike":{"aws:a":"x${aws:b}*"}}`), true},

		"Account":         {"A role is within its account.", one(who + `"Principal":{"AWS":"arn:aws:iam::111111111111:role/r"}`), one(who + `"Principal":{"AWS":["222222222222","111111111111"]}`), true},
		"OtherAccount":    {"A role is not within another account.", one(who + `"Principal":{"AWS":"arn:aws:iam::111111111111:role/r"}`), one(who + `"Principal":{"AWS":"222222222222"}`), false},
		"FewerPrincipals": {"The policy has fewer principals.", one(who + `"Principal":{"Service":"a"}`), one(who + `"Principal":{"Service":["a","b"]}`), true},
		"MorePrincipals":  {"The policy has more principals.", one(who + `"Principal":{"Service":["a","b"]}`), one(who + `"Principal":{"Service":"a"}`), false},
		"Anyone":          {"Every principal includes all others.", one(who + `"NotPrincipal":{"Service":"a"}`), one(who + `"Principal":"*"`), true},
		"NotPrincipal":    {"A longer NotPrincipal admits less.", one(who + `"NotPrincipal":{"Service":["a","b"]}`), one(who + `"NotPrincipal":{"Service":"a"}`), true},
		"NotPrincipalNot": {"A shorter NotPrincipal admits more.", one(who + `"NotPrincipal":{"Service":"a"}`), one(who + `"NotPrincipal":{"Service":["a","b"]}`), false},
		"Mixed":           {"Principal and NotPrincipal are not compared.", one(who + `"Principal":{"Service":"b"}`), one(who + `"NotPrincipal":{"Service":"a"}`), false},
		"NoPrincipal":     {"An identity policy is not compared with a trust policy.", one(`"Effect":"Allow","Action":"sts:AssumeRole"`), one(who + `"Principal":"*"`), false},
		"NoPrincipalWide": {"A trust policy is not compared with an identity policy.", one(who + `"Principal":{"Service":"a"}`), one(`"Effect":"Allow","Action":"sts:AssumeRole"`), false},

		"Garbage":     {"Nothing is known about a text that is not a policy.", "x", one(all), false},
		"GarbageWide": {"Nothing is known about a text that is not a policy.", Policy{}.Document(), "x", false},

		"TrustFewer":     {"The policy trusts one ServiceAccount less.", Trust(spec()), Trust(spec(func(t *TrustSpec) { t.ServiceAccounts = []string{"cart", "x"} })), true},
		"TrustMore":      {"The policy trusts one ServiceAccount more.", Trust(spec(func(t *TrustSpec) { t.ServiceAccounts = []string{"cart", "x"} })), Trust(spec()), false},
		"TrustNamespace": {"A ServiceAccount is within its namespace.", Trust(spec()), Trust(spec(func(t *TrustSpec) { t.WholeNamespace = true })), true},
		"TrustWidened":   {"A namespace is not within one ServiceAccount.", Trust(spec(func(t *TrustSpec) { t.WholeNamespace = true })), Trust(spec()), false},
		"TrustNoOne":     {"No principal is a subset of any principal.", DenyAllTrust(), Trust(spec()), true},
		"TrustRestored":  {"A trust policy is not within one that admits no principal.", Trust(spec()), DenyAllTrust(), false},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := IsSubset(tc.narrow, tc.wide); got != tc.want {
				t.Errorf("Within(\n%s,\n%s) = %t", tc.narrow, tc.wide, got)
			}
		})
	}
}

func TestIsSubset_LargePoliciesAreBounded(t *testing.T) {
	d := Policy{ID: strings.Repeat("x", 1<<14)}.Document()
	if IsSubset(d, d) {
		t.Error("Within: policies too large to compare prove nothing")
	}
}

// mustStatements reads the elements of one statement.
func mustStatements(elements string) []Statement {
	p, err := decode([]byte(`{"Statement":{` + elements + `}}`))
	if err != nil {
		panic(err)
	}
	return p.Statements
}

// both returns the statements of two policies in one.
func both(a, b Document) Document {
	p := a.Policy()
	p.Statements = append(p.Statements, b.Policy().Statements...)
	return p.Document()
}

// old returns d as a policy of the version without variables.
func old(d Document) Document {
	p := d.Policy()
	p.Version = Version2008
	return p.Document()
}
