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
		"Itself":           {"A policy is within itself.", one(read), one(read), true},
		"Admin":            {"Anything is within everything.", one(read), one(all), true},
		"AdminNot":         {"Not the other way.", one(all), one(read), false},
		"Nothing":          {"Nothing is within anything.", Policy{}.Document(), one(read), true},
		"NothingWide":      {"Something is not within nothing.", one(read), Policy{}.Document(), false},
		"FewerActions":     {"Fewer actions.", one(`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::shop/*"`), one(read), true},
		"OtherActions":     {"Another action.", one(`"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::shop/*"`), one(read), false},
		"FewerResources":   {"Part of the resources.", one(`"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::shop/a/*"`), one(read), true},
		"OtherResources":   {"Other resources.", one(`"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::sho*"`), one(read), false},
		"CaseOfTrust":      {"Canonical spelling does not matter to patterns.", one(who + `"Principal":{"AWS":"*"}`), one(`"Effect":"Allow","Action":"sts:assume*","Principal":{"AWS":"*"}`), true},
		"CaseOfTrustNot":   {"Nor to what is left out.", one(who + `"Principal":{"AWS":"*"}`), one(`"Effect":"Allow","NotAction":"sts:assume*","Principal":{"AWS":"*"}`), false},
		"AddedCondition":   {"A condition takes away.", one(read + `,"Condition":{"Bool":{"aws:a":"true"}}`), one(read), true},
		"DroppedCondition": {"Without it there is more.", one(read), one(read + `,"Condition":{"Bool":{"aws:a":"true"}}`), false},
		"OtherKey":         {"Another key is another condition.", one(read + `,"Condition":{"Bool":{"aws:b":"true"}}`), one(read + `,"Condition":{"Bool":{"aws:a":"true"}}`), false},
		"OtherOperator":    {"Another operator is too.", one(read + `,"Condition":{"BoolIfExists":{"aws:a":"true"}}`), one(read + `,"Condition":{"Bool":{"aws:a":"true"}}`), false},
		"FewerValues":      {"Fewer alternatives.", one(read + `,"Condition":{"NumericEquals":{"aws:a":"1"}}`), one(read + `,"Condition":{"NumericEquals":{"aws:a":["1","2"]}}`), true},
		"MoreValues":       {"More are more.", one(read + `,"Condition":{"NumericEquals":{"aws:a":["1","2"]}}`), one(read + `,"Condition":{"NumericEquals":{"aws:a":"1"}}`), false},
		"NegatedMore":      {"More of what it must not be is less.", one(read + `,"Condition":{"StringNotLike":{"aws:a":["1","2"]}}`), one(read + `,"Condition":{"StringNotLike":{"aws:a":"1"}}`), true},
		"NegatedFewer":     {"Fewer are more.", one(read + `,"Condition":{"StringNotLike":{"aws:a":"1"}}`), one(read + `,"Condition":{"StringNotLike":{"aws:a":["1","2"]}}`), false},
		"EqualsInLike":     {"A text is like its pattern.", one(read + `,"Condition":{"StringEquals":{"aws:a":"ab"}}`), one(read + `,"Condition":{"StringLike":{"aws:a":"a*"}}`), true},
		"EqualsNotInLike":  {"A star is text for StringEquals.", one(read + `,"Condition":{"StringLike":{"aws:a":"a*"}}`), one(read + `,"Condition":{"StringEquals":{"aws:a":"a*"}}`), false},
		"LikeInLike":       {"A pattern inside a pattern.", one(read + `,"Condition":{"StringLike":{"aws:a":"ab*"}}`), one(read + `,"Condition":{"StringLike":{"aws:a":"a*"}}`), true},
		"Quantifier":       {"All is not any.", one(read + `,"Condition":{"ForAllValues:StringEquals":{"aws:a":"a"}}`), one(read + `,"Condition":{"ForAnyValue:StringEquals":{"aws:a":"a"}}`), false},
		"UnknownOperator":  {"Nothing is known about an unknown operator.", one(read + `,"Condition":{"X":{"aws:a":"a"}}`), one(read + `,"Condition":{"X":{"aws:a":"a"}}`), false},
		"DenyAdded":        {"A deny takes away.", both(one(read), one(`"Effect":"Deny","Action":"*","Resource":"*"`)), one(read), true},
		"DenyDropped":      {"Without it there is more.", one(read), both(one(read), one(`"Effect":"Deny","Action":"s3:*","Resource":"*"`)), false},
		"DenyWidened":      {"A wider deny does the same and more.", both(one(read), one(`"Effect":"Deny","Action":"*","Resource":"*"`)), both(one(read), one(`"Effect":"Deny","Action":"s3:*","Resource":"*"`)), true},
		"TwoTogether":      {"Two of wide together are no proof.", one(read), both(one(`"Effect":"Allow","Action":"s3:Get*","Resource":"*"`), one(`"Effect":"Allow","Action":"s3:List*","Resource":"*"`)), false},

		"NotActionFewer":    {"To leave out less is to grant more.", one(`"Effect":"Allow","NotAction":["iam:*","s3:*"],"Resource":"*"`), one(`"Effect":"Allow","NotAction":"iam:Get*","Resource":"*"`), true},
		"NotActionMore":     {"Not the other way.", one(`"Effect":"Allow","NotAction":"iam:Get*","Resource":"*"`), one(`"Effect":"Allow","NotAction":"iam:*","Resource":"*"`), false},
		"ActionInNot":       {"An action that is not left out.", one(read), one(`"Effect":"Allow","NotAction":"iam:*","Resource":"*"`), true},
		"ActionNotInNot":    {"One that may be.", one(read), one(`"Effect":"Allow","NotAction":"*Object","Resource":"*"`), false},
		"NotInAction":       {"All but some are not within some.", one(`"Effect":"Allow","NotAction":"iam:*","Resource":"*"`), one(read), false},
		"NotInAny":          {"But within all.", one(`"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::x"`), one(all), true},
		"NeitherAction":     {"No action at all proves nothing.", one(`"Effect":"Allow","Action":"s3:*","Resource":"*"`), one(`"Effect":"Allow","Resource":"*"`), false},
		"BothActions":       {"Nor do both.", one(`"Effect":"Allow","Action":"s3:*","Resource":"*"`), one(`"Effect":"Allow","Action":"*","NotAction":"s3:*","Resource":"*"`), false},
		"NotResource":       {"Left out by both.", one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::*"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::a*"`), true},
		"ResourceInNot":     {"Not left out.", one(read), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::other/*"`), true},
		"NoResource":        {"A trust policy without resources is for all of them.", one(who + `"Principal":"*"`), one(who + `"Principal":"*","Resource":"arn:aws:iam::1:role/r"`), false},
		"SegmentsApart":     {"A star left out does not reach past its segment.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu-a:b-1:1:q"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:sqs:eu-*-1:1:q"`), true},
		"SegmentsApartToo":  {"Nor does one allowed.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu-*-1:1:q"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:sqs:eu-a:b-1:1:q"`), true},
		"SegmentsMeet":      {"Inside it, it does.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu-*-1:1:q"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:sqs:eu-b*:1:q"`), false},
		"ResourceElement":   {"A policy with resources is of another kind.", one(read), one(`"Effect":"Allow","Action":"*"`), false},
		"Segment":           {"A star in a segment stays there.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:eu-*:1:x"`), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:e*-*-1:1:x"`), false},
		"Variable":          {"The same variable has the same value.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}/a"`), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${AWS:UserName}/*"`), true},
		"VariableInStar":    {"Any value is within a star.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"`), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::*"`), true},
		"TextInVariable":    {"A value is not known.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::a"`), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"`), false},
		"VariableNot":       {"Without a value it excludes nothing.", one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::*"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:username}"`), true},
		"VariableNotSame":   {"In both, then.", one(`"Effect":"Allow","Action":"*","NotResource":["x","arn:aws:s3:::${aws:username}"]`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:username}"`), true},
		"VariableNotApart":  {"A variable of another service excludes nothing of this one.", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu:1:q"`), one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:username}"`), true},
		"OldVariable":       {"Text in one version is a variable in the other.", old(one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:a}"`)), one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:a}"`), false},
		"OldCondition":      {"In conditions too.", old(one(read + `,"Condition":{"StringEquals":{"aws:a":"${aws:b}"}}`)), one(read + `,"Condition":{"StringEquals":{"aws:a":"${aws:b}"}}`), false},
		"OldOtherwise":      {"Without variables versions do not differ.", old(one(read)), one(read), true},
		"ConditionVariable": {"One value stands for itself.", one(read + `,"Condition":{"StringEquals":{"aws:a":"x${aws:b}"}}`), one(read + `,"Condition":{"StringLike":{"aws:a":"x${aws:b}*"}}`), true},

		"Account":         {"A role is within its account.", one(who + `"Principal":{"AWS":"arn:aws:iam::111111111111:role/r"}`), one(who + `"Principal":{"AWS":["222222222222","111111111111"]}`), true},
		"OtherAccount":    {"Not within another.", one(who + `"Principal":{"AWS":"arn:aws:iam::111111111111:role/r"}`), one(who + `"Principal":{"AWS":"222222222222"}`), false},
		"FewerPrincipals": {"Fewer people.", one(who + `"Principal":{"Service":"a"}`), one(who + `"Principal":{"Service":["a","b"]}`), true},
		"MorePrincipals":  {"More people.", one(who + `"Principal":{"Service":["a","b"]}`), one(who + `"Principal":{"Service":"a"}`), false},
		"Everybody":       {"Every principal.", one(who + `"NotPrincipal":{"Service":"a"}`), one(who + `"Principal":"*"`), true},
		"NotPrincipal":    {"To leave out more is less.", one(who + `"NotPrincipal":{"Service":["a","b"]}`), one(who + `"NotPrincipal":{"Service":"a"}`), true},
		"NotPrincipalNot": {"Not the other way.", one(who + `"NotPrincipal":{"Service":"a"}`), one(who + `"NotPrincipal":{"Service":["a","b"]}`), false},
		"Mixed":           {"One kind is not compared with the other.", one(who + `"Principal":{"Service":"b"}`), one(who + `"NotPrincipal":{"Service":"a"}`), false},
		"NoPrincipal":     {"An identity policy is of another kind.", one(`"Effect":"Allow","Action":"sts:AssumeRole"`), one(who + `"Principal":"*"`), false},
		"NoPrincipalWide": {"On either side.", one(who + `"Principal":{"Service":"a"}`), one(`"Effect":"Allow","Action":"sts:AssumeRole"`), false},

		"Garbage":     {"Of what is no policy nothing is proved.", "x", one(all), false},
		"GarbageWide": {"On either side.", Policy{}.Document(), "x", false},

		"TrustFewer":     {"A ServiceAccount less.", Trust(spec()), Trust(spec(func(t *TrustSpec) { t.ServiceAccounts = []string{"cart", "x"} })), true},
		"TrustMore":      {"A ServiceAccount more.", Trust(spec(func(t *TrustSpec) { t.ServiceAccounts = []string{"cart", "x"} })), Trust(spec()), false},
		"TrustNamespace": {"One of a namespace.", Trust(spec()), Trust(spec(func(t *TrustSpec) { t.WholeNamespace = true })), true},
		"TrustWidened":   {"The namespace for one.", Trust(spec(func(t *TrustSpec) { t.WholeNamespace = true })), Trust(spec()), false},
		"TrustNobody":    {"No principal is a subset of any principal.", DenyAllTrust(), Trust(spec()), true},
		"TrustRestored":  {"Not the other way.", Trust(spec()), DenyAllTrust(), false},
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

// old returns d as a policy of the version that knows no variables.
func old(d Document) Document {
	p := d.Policy()
	p.Version = Version2008
	return p.Document()
}
