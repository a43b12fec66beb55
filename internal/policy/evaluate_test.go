package policy

import "testing"

const (
	testAccount = "111111111111"
	testRole    = "arn:aws:iam::111111111111:role/path/r"
	testSession = "arn:aws:sts::111111111111:assumed-role/r/s"
)

// session is a role session with all its identifiers.
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
		"Nothing":       {"A request that no statement allows is denied.", get, nil, ImplicitDeny},
		"Allowed":       {"A matching statement allows the request.", get, []Policy{policyOf(allow([]string{"s3:GetObject"}, "arn:aws:s3:::shop/*"))}, Allowed},
		"CaseOfAction":  {"Actions are case-insensitive.", get, []Policy{policyOf(allow([]string{"S3:getOBJECT"}, "*"))}, Allowed},
		"WildAction":    {"An action may be a pattern.", get, []Policy{policyOf(allow([]string{"s3:G?t*"}, "*"))}, Allowed},
		"OtherAction":   {"Another action is not allowed.", get, []Policy{policyOf(allow([]string{"s3:GetObjects", "s3:PutObject"}, "*"))}, ImplicitDeny},
		"NoAction":      {"A statement without actions does not apply.", get, []Policy{policyOf(allow(nil, "*"))}, ImplicitDeny},
		"EmptyAction":   {"A statement with an empty list of actions does not apply.", get, []Policy{policyOf(allow([]string{}, "*"))}, ImplicitDeny},
		"NotAction":     {"NotAction matches all other actions.", get, []Policy{policyOf(Statement{Effect: Allow, NotActions: []string{"iam:*"}, Resources: all})}, Allowed},
		"NotThisAction": {"NotAction does not match the listed actions.", get, []Policy{policyOf(Statement{Effect: Allow, NotActions: []string{"iam:*", "S3:*"}, Resources: all})}, ImplicitDeny},
		"BothActions":   {"Action and NotAction must both match.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all, NotActions: []string{"s3:*"}, Resources: all})}, ImplicitDeny},
		"CaseOfResource": {
			"Resources are case-sensitive.", get,
			[]Policy{policyOf(allow(all, "arn:aws:s3:::SHOP/*"))},
			ImplicitDeny,
		},
		"NoResource":    {"A statement without resources does not apply.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all})}, ImplicitDeny},
		"NotResource":   {"NotResource matches all other resources.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all, NotResources: []string{"arn:aws:s3:::other/*"}})}, Allowed},
		"NotThis":       {"NotResource does not match the listed resources.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all, NotResources: []string{"arn:aws:s3:::other/*", "arn:aws:s3:::shop/*"}})}, ImplicitDeny},
		"EmptyResource": {"An empty list matches nothing.", get, []Policy{policyOf(allow(all, []string{}...))}, ImplicitDeny},
		"DenyWins":      {"An explicit deny overrides, whatever the order.", get, []Policy{policyOf(deny(all, "*")), policyOf(allow(all, "*"))}, ExplicitDeny},
		"DenyWinsLater": {"An explicit deny overrides, whatever the order.", get, []Policy{policyOf(allow(all, "*")), policyOf(allow(all, "*"), deny(all, "*"))}, ExplicitDeny},
		"OtherDeny":     {"A Deny of something else does not apply.", get, []Policy{policyOf(deny(all, "arn:aws:s3:::other/*"), allow(all, "*"))}, Allowed},
		"NoEffect":      {"A statement without an effect has no effect.", get, []Policy{policyOf(Statement{Actions: all, Resources: all})}, ImplicitDeny},
		"Principal":     {"A statement with a principal is not part of an identity policy.", get, []Policy{policyOf(Statement{Effect: Allow, Principals: []Principal{{AWS, "*"}}, Actions: all, Resources: all})}, ImplicitDeny},
		"NoneDue":       {"An action without a resource needs *.", Request{Action: "s3:ListAllMyBuckets"}, []Policy{policyOf(allow(all, "*"))}, Allowed},
		"Condition":     {"Conditions must match.", get, []Policy{policyOf(Statement{Effect: Allow, Actions: all, Resources: all, Conditions: condition("Bool", "aws:a", "true")})}, ImplicitDeny},
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
		"Exact":           {"The ARN matches itself.", "arn:aws:s3:::a", "arn:aws:s3:::a", true},
		"Everything":      {"A * alone matches everything.", "*", "arn:aws:s3:::a/b:c", true},
		"Slash":           {"A * matches slashes.", "arn:aws:s3:::a/*/c", "arn:aws:s3:::a/b/b/c", true},
		"Question":        {"A ? matches one character.", "arn:aws:s3:::a?", "arn:aws:s3:::ab", true},
		"QuestionNone":    {"A ? does not match an empty text.", "arn:aws:s3:::a?", "arn:aws:s3:::a", false},
		"QuestionRune":    {"A ? matches a character, not a byte.", "arn:aws:s3:::a?", "arn:aws:s3:::aé", true},
		"Account":         {"A * matches any account.", "arn:aws:sqs:eu-west-1:*:q", "arn:aws:sqs:eu-west-1:1:q", true},
		"ColonInName":     {"The sixth segment may contain colons.", "arn:aws:logs:*:1:log-group:*:x", "arn:aws:logs:eu:1:log-group:a:b:x", true},
		"QuestionInName":  {"A ? matches a colon in the sixth segment.", "arn:aws:logs:eu:1:a?b", "arn:aws:logs:eu:1:a:b", true},
		"Inner":           {"A * inside a segment does not match a colon.", "arn:aws:ec2:eu-*-1:1:i/x", "arn:aws:ec2:eu-a:1:b-1:1:i/x", false},
		"InnerAccount":    {"A * inside the fifth segment does not match a colon.", "arn:aws:sqs:eu:1*1:q", "arn:aws:sqs:eu:1:x1:q", false},
		"InnerMatch":      {"A * inside a segment matches within it.", "arn:aws:ec2:eu-*-1:1:i/x", "arn:aws:ec2:eu-west-1:1:i/x", true},
		"LastOfSegment":   {"A * at the end of a segment matches colons, as AWS documents.", "arn:aws:ec2:*:i/x", "arn:aws:ec2:eu:1:i/x", true},
		"QuestionSegment": {"A ? never matches the colon after a segment.", "arn:aws:ec2:eu?1:i/x", "arn:aws:ec2:eu:1:i/x", false},
		"QuestionInside":  {"A ? matches within a segment.", "arn:aws:ec2:e?:1:i/x", "arn:aws:ec2:eu:1:i/x", true},
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
		"Session":       {"The principal is the session.", session, is(Principal{AWS, testSession}), true},
		"Role":          {"The principal is the role of the session.", session, is(Principal{AWS, testRole}), true},
		"AccountID":     {"The principal is the account of the session.", session, is(Principal{AWS, testAccount}), true},
		"Root":          {"The root ARN means the account.", session, is(Principal{AWS, "arn:aws:iam::111111111111:root"}), true},
		"AccountOfRole": {"The account is known from the ARN of the role.", session[1:2], is(Principal{AWS, testAccount}), true},
		"AccountOfSTS":  {"The account is known from the ARN of the session.", session[:1], is(Principal{AWS, testAccount}), true},
		"OtherAccount":  {"The principal is another account.", session, is(Principal{AWS, "222222222222"}), false},
		"OtherService":  {"The ARN of a queue is not a principal.", []Principal{{AWS, "arn:aws:sqs:eu:111111111111:q"}}, is(Principal{AWS, testAccount}), false},
		"NoARN":         {"A unique ID has no account.", []Principal{{AWS, "AROAEXAMPLE"}}, is(Principal{AWS, testAccount}), false},
		"NotARN":        {"The account is only known from an ARN.", []Principal{{AWS, "urn:aws:iam::111111111111:role/r"}}, is(Principal{AWS, testAccount}), false},
		"CaseOfRole":    {"Names are case-sensitive.", session, is(Principal{AWS, "arn:aws:iam::111111111111:role/path/R"}), false},
		"Anyone":        {"The principal is *.", session, is(Principal{Anyone, "*"}), true},
		"AnyoneAWS":     {"The principal is * of type AWS.", web, is(Principal{AWS, "*"}), true},
		"NoPattern":     {"A wildcard in a principal is text.", session, is(Principal{AWS, "arn:aws:iam::111111111111:role/*"}), false},
		"Federated":     {"The principal is the OIDC provider.", web, is(Principal{Federated, testProvider}), true},
		"Type":          {"The type of the principal must match.", web, is(Principal{AWS, testProvider}), false},
		"Service":       {"The principal is a service.", service, is(Principal{Service, "s3.amazonaws.com"}, Principal{Service, "ec2.amazonaws.com"}), true},
		"EmptyElement":  {"An empty element names no principal.", service, is([]Principal{}...), false},
		"NoElement":     {"A statement without a principal applies to no principal.", service, Statement{Effect: Allow, Actions: []string{"*"}}, false},
		"Not":           {"NotPrincipal matches all other principals.", service, not(Principal{Service, "s3.amazonaws.com"}), true},
		"NotThis":       {"NotPrincipal does not match the listed principals.", service, not(Principal{Service, "s3.amazonaws.com"}, Principal{Service, "ec2.amazonaws.com"}), false},
		"NotRoleOnly":   {"NotPrincipal must list all identifiers of a principal to exclude it.", session, not(Principal{AWS, testRole}), true},
		"NotAllFaces":   {"NotPrincipal lists all identifiers of the principal.", session, not(session...), false},
		"NotAnyone":     {"NotPrincipal with * matches no principal.", session, not(Principal{AWS, "*"}), false},
		"NotNoOne":      {"An empty NotPrincipal matches every principal.", service, not([]Principal{}...), true},
		"Both":          {"Principal and NotPrincipal must both match.", service, Statement{Effect: Allow, Actions: []string{"*"}, Principals: service, NotPrincipals: service}, false},
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
		"Value":         {"A variable is replaced with its value.", Version2012, "${aws:username}/*", "ann/x", true},
		"OtherValue":    {"A variable has the value of the request.", Version2012, "${aws:username}/*", "bob/x", false},
		"CaseOfKey":     {"Keys are case-insensitive.", Version2012, "${AWS:UserName}", "ann", true},
		"Tag":           {"The value of a tag is text, not a pattern.", Version2012, "${aws:principaltag/team}", "a*", true},
		"TagNoPattern":  {"A wildcard in the value of a tag is text.", Version2012, "${aws:PrincipalTag/Team}", "abc", false},
		"Missing":       {"A variable without a value matches nothing.", Version2012, "${aws:userid}*", "x", false},
		"MissingText":   {"A variable without a value is not text.", Version2012, "${aws:userid}", "${aws:userid}", false},
		"Empty":         {"A value may be empty.", Version2012, "x${aws:empty}y", "xy", true},
		"Several":       {"A key with several values is not a variable.", Version2012, "${aws:TagKeys}", "x", false},
		"Default":       {"The default is used if there is no value.", Version2012, "${aws:userid, 'anon'}/x", "anon/x", true},
		"DefaultUnused": {"The default is not used if there is a value.", Version2012, "${aws:username, 'anon'}", "ann", true},
		"EmptyDefault":  {"A default may be empty.", Version2012, "x${aws:userid, ''}", "x", true},
		"BadDefault":    {"A default needs quotes.", Version2012, "${aws:userid, anon}", "anon", false},
		"Star":          {"${*} is an asterisk.", Version2012, "a${*}b", "a*b", true},
		"StarOnly":      {"${*} is not a wildcard.", Version2012, "a${*}b", "axb", false},
		"Mark":          {"${?} is a question mark.", Version2012, "a${?}", "a?", true},
		"Dollar":        {"${$} is a dollar sign.", Version2012, "${$}{x}", "${x}", true},
		"Open":          {"Without the closing brace it is text.", Version2012, "a${b", "a${b", true},
		"LoneDollar":    {"A dollar sign alone is text.", Version2012, "a$", "a$", true},
		"Old":           {"The older version has no variables.", Version2008, "${aws:username}", "ann", false},
		"OldText":       {"In the older version a variable is text.", Version2008, "${aws:username}", "${aws:username}", true},
		"NoVersion":     {"Without a version, the older one applies.", "", "${*}", "${x}", true},
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
