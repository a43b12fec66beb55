package policy

import "testing"

const (
	testAccount = "111111111111"
	testRole    = "arn:aws:iam::111111111111:role/path/r"
	testSession = "arn:aws:sts::111111111111:assumed-role/r/s"
)

// session is a role session with all its faces.
var session = []Principal{{AWS, testSession}, {AWS, testRole}, {AWS, testAccount}}

func policyOf(statements ...Statement) Policy {
	return Policy{Version: Version2012, Statements: statements}
}

func allow(actions []string, resources ...string) Statement {
	return Statement{Effect: Allow, Actions: actions, Resources: resources}
}

func deny(actions []string, resources ...string) Statement {
	return Statement{Effect: Deny, Actions: actions, Resources: resources}
}

func TestEvaluate_DenyBeatsAllow(t *testing.T) {
	get := Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::shop/a"}
	all := []string{"*"}
	cases := map[string]struct {
		reason   string
		request  Request
		policies []Policy
		want     Decision
	}{
		"Nothing":       {"What no statement allows is denied.", get, nil, ImplicitDeny},
		"Allowed":       {"A match allows.", get, []Policy{policyOf(allow([]string{"s3:GetObject"}, "arn:aws:s3:::shop/*"))}, Allowed},
		"CaseOfAction":  {"Actions have no case.", get, []Policy{policyOf(allow([]string{"S3:getOBJECT"}, "*"))}, Allowed},
		"WildAction":    {"Patterns in actions.", get, []Policy{policyOf(allow([]string{"s3:G?t*"}, "*"))}, Allowed},
		"OtherAction":   {"Another action is not allowed.", get, []Policy{policyOf(allow([]string{"s3:GetObjects", "s3:PutObject"}, "*"))}, ImplicitDeny},
		"NoAction":      {"A statement of no action does not apply.", get, []Policy{policyOf(allow(nil, "*"))}, ImplicitDeny},
		"EmptyAction":   {"Nor one of an empty list.", get, []Policy{policyOf(allow([]string{}, "*"))}, ImplicitDeny},
		"NotAction":     {"Everything else.", get, []Policy{policyOf(Statement{Effect: Allow, NotActions: []string{"iam:*"}, Resources: all})}, Allowed},
		"NotThisAction": {"But not this.", get, []Policy{policyOf(Statement{Effect: Allow, NotActions: []string{"iam:*", "S3:*"}, Resources: all})}, ImplicitDeny},
		"BothActions":   {"Both elements hold.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all, NotActions: []string{"s3:*"}, Resources: all})}, ImplicitDeny},
		"CaseOfResource": {
			"Resources have a case.", get,
			[]Policy{policyOf(allow(all, "arn:aws:s3:::SHOP/*"))},
			ImplicitDeny,
		},
		"NoResource":    {"An identity policy says on what.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all})}, ImplicitDeny},
		"NotResource":   {"Everything else.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all, NotResources: []string{"arn:aws:s3:::other/*"}})}, Allowed},
		"NotThis":       {"But not this.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all, NotResources: []string{"arn:aws:s3:::other/*", "arn:aws:s3:::shop/*"}})}, ImplicitDeny},
		"EmptyResource": {"An empty list matches nothing.", get, []Policy{policyOf(allow(all, []string{}...))}, ImplicitDeny},
		"DenyWins":      {"Whatever the order.", get, []Policy{policyOf(deny(all, "*")), policyOf(allow(all, "*"))}, ExplicitDeny},
		"DenyWinsLater": {"Whatever the order.", get, []Policy{policyOf(allow(all, "*")), policyOf(allow(all, "*"), deny(all, "*"))}, ExplicitDeny},
		"OtherDeny":     {"A deny of something else does not.", get, []Policy{policyOf(deny(all, "arn:aws:s3:::other/*"), allow(all, "*"))}, Allowed},
		"NoEffect":      {"A statement without an effect has none.", get, []Policy{policyOf(Statement{Actions: all, Resources: all})}, ImplicitDeny},
		"Principal":     {"A resource's statement is not the caller's.", get, []Policy{policyOf(Statement{Effect: Allow, Principals: []Principal{{AWS, "*"}}, Actions: all, Resources: all})}, ImplicitDeny},
		"NoneDue":       {"An action on no resource needs *.", Request{Action: "s3:ListAllMyBuckets"}, []Policy{policyOf(allow(all, "*"))}, Allowed},
		"Condition":     {"Conditions are part of the match.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all, Resources: all, Conditions: condition("Bool", "aws:a", "true")})}, ImplicitDeny},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := Evaluate(tc.request, tc.policies...); got != tc.want {
				t.Errorf("Evaluate(...) = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestEvaluate_Resources(t *testing.T) {
	cases := map[string]struct {
		reason            string
		pattern, resource string
		want              bool
	}{
		"Exact":           {"Itself.", "arn:aws:s3:::a", "arn:aws:s3:::a", true},
		"Everything":      {"A star alone.", "*", "arn:aws:s3:::a/b:c", true},
		"Slash":           {"A slash is a character.", "arn:aws:s3:::a/*/c", "arn:aws:s3:::a/b/b/c", true},
		"Question":        {"One character.", "arn:aws:s3:::a?", "arn:aws:s3:::ab", true},
		"QuestionNone":    {"Not none.", "arn:aws:s3:::a?", "arn:aws:s3:::a", false},
		"QuestionRune":    {"A character, not a byte.", "arn:aws:s3:::a?", "arn:aws:s3:::aé", true},
		"Account":         {"Any account.", "arn:aws:sqs:eu-west-1:*:q", "arn:aws:sqs:eu-west-1:1:q", true},
		"ColonInName":     {"The sixth segment is the resource's own.", "arn:aws:logs:*:1:log-group:*:x", "arn:aws:logs:eu:1:log-group:a:b:x", true},
		"QuestionInName":  {"There ? matches a colon too.", "arn:aws:logs:eu:1:a?b", "arn:aws:logs:eu:1:a:b", true},
		"Inner":           {"A star inside a segment stays there.", "arn:aws:ec2:eu-*-1:1:i/x", "arn:aws:ec2:eu-a:1:b-1:1:i/x", false},
		"InnerAccount":    {"In the fifth segment as well.", "arn:aws:sqs:eu:1*1:q", "arn:aws:sqs:eu:1:x1:q", false},
		"InnerMatch":      {"And matches there.", "arn:aws:ec2:eu-*-1:1:i/x", "arn:aws:ec2:eu-west-1:1:i/x", true},
		"LastOfSegment":   {"At the end of a segment it expands, as documented.", "arn:aws:ec2:*:i/x", "arn:aws:ec2:eu:1:i/x", true},
		"QuestionSegment": {"? never leaves a segment.", "arn:aws:ec2:eu?1:i/x", "arn:aws:ec2:eu:1:i/x", false},
		"QuestionInside":  {"But matches in it.", "arn:aws:ec2:e?:1:i/x", "arn:aws:ec2:eu:1:i/x", true},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			r := Request{Action: "a:b", Resource: tc.resource}
			if got := Evaluate(r, policyOf(allow([]string{"*"}, tc.pattern))) == Allowed; got != tc.want {
				t.Errorf("%q matches %q: %t, want %t", tc.pattern, tc.resource, got, tc.want)
			}
		})
	}
}

func TestEvaluate_Principals(t *testing.T) {
	web := []Principal{{Federated, testProvider}}
	service := []Principal{{Service, "ec2.amazonaws.com"}}
	is := func(p ...Principal) Statement {
		return Statement{Effect: Allow, Actions: []string{"*"}, Principals: p}
	}
	not := func(p ...Principal) Statement {
		return Statement{Effect: Allow, Actions: []string{"*"}, NotPrincipals: p}
	}
	cases := map[string]struct {
		reason    string
		caller    []Principal
		statement Statement
		want      bool
	}{
		"Session":       {"The session by name.", session, is(Principal{AWS, testSession}), true},
		"Role":          {"Its role.", session, is(Principal{AWS, testRole}), true},
		"AccountID":     {"Its account.", session, is(Principal{AWS, testAccount}), true},
		"Root":          {"The root ARN means the account.", session, is(Principal{AWS, "arn:aws:iam::111111111111:root"}), true},
		"AccountOfRole": {"An ARN tells its account.", session[1:2], is(Principal{AWS, testAccount}), true},
		"AccountOfSTS":  {"A session's too.", session[:1], is(Principal{AWS, testAccount}), true},
		"OtherAccount":  {"Another account.", session, is(Principal{AWS, "222222222222"}), false},
		"OtherService":  {"A queue is no principal.", []Principal{{AWS, "arn:aws:sqs:eu:111111111111:q"}}, is(Principal{AWS, testAccount}), false},
		"NoARN":         {"A unique ID has no account.", []Principal{{AWS, "AROAEXAMPLE"}}, is(Principal{AWS, testAccount}), false},
		"NotARN":        {"It must be an ARN.", []Principal{{AWS, "urn:aws:iam::111111111111:role/r"}}, is(Principal{AWS, testAccount}), false},
		"CaseOfRole":    {"Names have a case.", session, is(Principal{AWS, "arn:aws:iam::111111111111:role/path/R"}), false},
		"Everybody":     {"Everybody.", session, is(Principal{Anyone, "*"}), true},
		"EverybodyAWS":  {"In the other form.", web, is(Principal{AWS, "*"}), true},
		"NoPattern":     {"A star is no pattern in a principal.", session, is(Principal{AWS, "arn:aws:iam::111111111111:role/*"}), false},
		"Federated":     {"By provider.", web, is(Principal{Federated, testProvider}), true},
		"Type":          {"The type counts.", web, is(Principal{AWS, testProvider}), false},
		"Service":       {"A service.", service, is(Principal{Service, "s3.amazonaws.com"}, Principal{Service, "ec2.amazonaws.com"}), true},
		"EmptyElement":  {"An empty element names no principal.", service, is([]Principal{}...), false},
		"NoElement":     {"Without one, a resource's policy applies to no principal.", service, Statement{Effect: Allow, Actions: []string{"*"}}, false},
		"Not":           {"Everybody else.", service, not(Principal{Service, "s3.amazonaws.com"}), true},
		"NotThis":       {"But not this.", service, not(Principal{Service, "s3.amazonaws.com"}, Principal{Service, "ec2.amazonaws.com"}), false},
		"NotRoleOnly":   {"All faces must be listed to be left out.", session, not(Principal{AWS, testRole}), true},
		"NotAllFaces":   {"All are.", session, not(session...), false},
		"NotEverybody":  {"No principal is left.", session, not(Principal{AWS, "*"}), false},
		"NotNobody":     {"No principal is left out.", service, not([]Principal{}...), true},
		"Both":          {"Both elements hold.", service, Statement{Effect: Allow, Actions: []string{"*"}, Principals: service, NotPrincipals: service}, false},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			r := Request{Principals: tc.caller, Action: "sts:AssumeRole"}
			if got := Evaluate(r, policyOf(tc.statement)) == Allowed; got != tc.want {
				t.Errorf("applies: %t, want %t", got, tc.want)
			}
		})
	}
}

func TestEvaluate_Variables(t *testing.T) {
	const bucket = "arn:aws:s3:::"
	context := map[string][]string{
		"aws:username": {"ann"}, "aws:PrincipalTag/Team": {"a*"}, "aws:TagKeys": {"x", "y"}, "aws:empty": {""},
	}
	cases := map[string]struct {
		reason   string
		version  string
		pattern  string
		resource string
		want     bool
	}{
		"Value":         {"Replaced.", Version2012, "${aws:username}/*", "ann/x", true},
		"OtherValue":    {"By the caller's own.", Version2012, "${aws:username}/*", "bob/x", false},
		"CaseOfKey":     {"Keys have no case.", Version2012, "${AWS:UserName}", "ann", true},
		"Tag":           {"A tag's value is text, not a pattern.", Version2012, "${aws:principaltag/team}", "a*", true},
		"TagNoPattern":  {"A tag of a* does not open everything with an a.", Version2012, "${aws:PrincipalTag/Team}", "abc", false},
		"Missing":       {"Nothing stands for it.", Version2012, "${aws:userid}*", "x", false},
		"MissingText":   {"It is no text either.", Version2012, "${aws:userid}", "${aws:userid}", false},
		"Empty":         {"An empty value is a value.", Version2012, "x${aws:empty}y", "xy", true},
		"Several":       {"A key of several values is no variable.", Version2012, "${aws:TagKeys}", "x", false},
		"Default":       {"A default stands in.", Version2012, "${aws:userid, 'anon'}/x", "anon/x", true},
		"DefaultUnused": {"Unless there is a value.", Version2012, "${aws:username, 'anon'}", "ann", true},
		"EmptyDefault":  {"An empty default is one.", Version2012, "x${aws:userid, ''}", "x", true},
		"BadDefault":    {"A default has its quotes.", Version2012, "${aws:userid, anon}", "anon", false},
		"Star":          {"A literal star.", Version2012, "a${*}b", "a*b", true},
		"StarOnly":      {"Not a pattern.", Version2012, "a${*}b", "axb", false},
		"Mark":          {"A literal question mark.", Version2012, "a${?}", "a?", true},
		"Dollar":        {"A literal dollar.", Version2012, "${$}{x}", "${x}", true},
		"Open":          {"No variable without its brace.", Version2012, "a${b", "a${b", true},
		"LoneDollar":    {"A dollar alone is a dollar.", Version2012, "a$", "a$", true},
		"Old":           {"The old version has none.", Version2008, "${aws:username}", "ann", false},
		"OldText":       {"There it is text.", Version2008, "${aws:username}", "${aws:username}", true},
		"NoVersion":     {"So without a version.", "", "${*}", "${x}", true},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			r := Request{Action: "s3:GetObject", Resource: bucket + tc.resource, Context: context}
			p := policyOf(allow([]string{"*"}, bucket+tc.pattern))
			p.Version = tc.version
			if got := Evaluate(r, p) == Allowed; got != tc.want {
				t.Errorf("%q matches %q: %t, want %t", tc.pattern, tc.resource, got, tc.want)
			}
		})
	}
}

// The rows of AWS's documentation about variables without a value:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value
func TestEvaluate_VariableWithoutValue(t *testing.T) {
	const tag = "${aws:PrincipalTag/Team}"
	request := Request{
		Action: "s3:GetObject", Resource: "arn:aws:s3:::shop/a",
		Context: map[string][]string{"s3:ExistingObjectTag/Team": {"shop"}, "aws:SourceArn": {"arn:aws:s3:::shop"}},
	}
	when := func(operator, key, value string) Statement {
		return Statement{Resources: []string{"*"}, Conditions: condition(operator, key, value)}
	}
	cases := map[string]struct {
		statement Statement
		applies   bool
	}{
		"Resource matches nothing":                       {Statement{Resources: []string{"arn:aws:s3:::" + tag + "*"}}, false},
		"Resource with another entry matches that":       {Statement{Resources: []string{tag, "arn:aws:s3:::shop/*"}}, true},
		"NotResource excludes nothing":                   {Statement{NotResources: []string{"arn:aws:s3:::" + tag + "*"}}, true},
		"NotResource with another entry excludes that":   {Statement{NotResources: []string{tag, "arn:aws:s3:::shop/*"}}, false},
		"StringEquals does not match":                    {when("StringEquals", "s3:ExistingObjectTag/Team", tag), false},
		"StringLike does not match":                      {when("StringLike", "s3:ExistingObjectTag/Team", tag+"*"), false},
		"ArnLike does not match":                         {when("ArnLike", "aws:SourceArn", "arn:aws:s3:::"+tag), false},
		"StringNotEquals matches":                        {when("StringNotEquals", "s3:ExistingObjectTag/Team", tag), true},
		"StringNotEqualsIgnoreCase matches":              {when("StringNotEqualsIgnoreCase", "s3:ExistingObjectTag/Team", tag), true},
		"StringNotLike matches":                          {when("StringNotLike", "s3:ExistingObjectTag/Team", tag+"*"), true},
		"ArnNotEquals matches":                           {when("ArnNotEquals", "aws:SourceArn", "arn:aws:s3:::"+tag), true},
		"ArnNotLike matches":                             {when("ArnNotLike", "aws:SourceArn", "arn:aws:s3:::"+tag), true},
		"StringNotEqualsIfExists matches":                {when("StringNotEqualsIfExists", "s3:ExistingObjectTag/Team", tag), true},
		"a default is the value":                         {when("StringEquals", "s3:ExistingObjectTag/Team", "${aws:PrincipalTag/Team, 'shop'}"), true},
		"a default without a space is not one":           {when("StringEquals", "s3:ExistingObjectTag/Team", "${aws:PrincipalTag/Team,'shop'}"), false},
		"a negated default without a space has no value": {when("StringNotEquals", "s3:ExistingObjectTag/Team", "${aws:PrincipalTag/Team,'shop'}"), true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for effect, want := range map[Effect]Decision{Allow: Allowed, Deny: ExplicitDeny} {
				s := tc.statement
				s.Effect, s.Actions = effect, []string{"*"}
				if !tc.applies {
					want = ImplicitDeny
				}
				if got := Evaluate(request, policyOf(s)); got != want {
					t.Errorf("Evaluate(...) with %s = %v, want %v", effect, got, want)
				}
			}
		})
	}
}

func TestDecision_String(t *testing.T) {
	for d, want := range map[Decision]string{ImplicitDeny: "implicitDeny", Allowed: "allowed", ExplicitDeny: "explicitDeny"} {
		if got := d.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}
