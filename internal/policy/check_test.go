package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkCase is a policy made of one valid statement with one edit.
type checkCase struct {
	reason string
	edit   func(p *Policy, s *Statement)
	want   *Error // nil: it passes
}

func (tc checkCase) run(t *testing.T, valid Policy, check func(Policy) error) {
	t.Helper()
	s := valid.Statements[0]
	valid.Statements = nil
	tc.edit(&valid, &s)
	valid.Statements = append([]Statement{s}, valid.Statements...)
	got, _ := errors.AsType[*Error](check(valid))
	if diff := cmp.Diff(tc.want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func condition(operator, key string, values ...string) []Condition {
	return []Condition{{operator, key, values}}
}

func TestCheck_IdentityPolicies(t *testing.T) {
	valid := Policy{Version: Version2012, Statements: []Statement{{
		SID: "Read", Effect: Allow, Actions: []string{"s3:Get*"}, Resources: []string{"arn:aws:s3:::shop/*"},
		Conditions: condition("StringEquals", "aws:PrincipalAccount", "123456789012"),
	}}}
	const notAction = "must be * or service:Name such as s3:GetObject, not "
	cases := map[string]checkCase{
		"Valid":           {"An ordinary policy passes.", func(*Policy, *Statement) {}, nil},
		"Version2008":     {"The older version is valid.", func(p *Policy, _ *Statement) { p.Version = Version2008 }, nil},
		"NoVersion":       {"The version is optional.", func(p *Policy, _ *Statement) { p.Version = "" }, nil},
		"Version":         {"There are two versions.", func(p *Policy, _ *Statement) { p.Version = "2020-01-01" }, &Error{"Version", `must be 2012-10-17 or 2008-10-17, not "2020-01-01"`}},
		"Id":              {"IAM accepts an Id.", func(p *Policy, _ *Statement) { p.ID = "x" }, nil},
		"Sid":             {"IAM accepts only alphanumeric Sids.", func(_ *Policy, s *Statement) { s.SID = "a b" }, &Error{"Statement[0].Sid", `must contain only letters A-Z, a-z and digits, not "a b"`}},
		"SidTwice":        {"A Sid is unique.", func(p *Policy, s *Statement) { p.Statements = []Statement{*s} }, &Error{"Statement[1].Sid", `must be unique in the policy; "Read" is a duplicate`}},
		"NoSids":          {"Statements without a Sid do not have the same one.", func(p *Policy, s *Statement) { s.SID = ""; p.Statements = []Statement{*s} }, nil},
		"Effect":          {"The effect is required.", func(_ *Policy, s *Statement) { s.Effect = "" }, &Error{"Statement[0].Effect", `must be Allow or Deny, not ""`}},
		"Principal":       {"An identity policy has no Principal.", func(_ *Policy, s *Statement) { s.Principals = []Principal{{AWS, "*"}} }, &Error{"Statement[0]", "must not have a Principal; the principal is implied by the attachment"}},
		"NotPrincipal":    {"An identity policy has no NotPrincipal.", func(_ *Policy, s *Statement) { s.NotPrincipals = []Principal{} }, &Error{"Statement[0]", "must not have a Principal; the principal is implied by the attachment"}},
		"NoAction":        {"A statement needs actions.", func(_ *Policy, s *Statement) { s.Actions = nil }, &Error{"Statement[0]", "must have Action or NotAction, with at least one value"}},
		"EmptyAction":     {"An empty list has no action.", func(_ *Policy, s *Statement) { s.Actions = []string{} }, &Error{"Statement[0]", "must have Action or NotAction, with at least one value"}},
		"BothActions":     {"A statement has either Action or NotAction.", func(_ *Policy, s *Statement) { s.NotActions = []string{"a:b"} }, &Error{"Statement[0]", "must have one of Action and NotAction, not both"}},
		"Star":            {"All actions are a valid pattern.", func(_ *Policy, s *Statement) { s.Actions = []string{"*", "*:*"} }, nil},
		"Bare":            {"An action has a service prefix.", func(_ *Policy, s *Statement) { s.Actions = []string{"a:b", "GetObject"} }, &Error{"Statement[0].Action[1]", notAction + `"GetObject"`}},
		"NoName":          {"An action has a name.", func(_ *Policy, s *Statement) { s.Actions = []string{"s3:"} }, &Error{"Statement[0].Action[0]", notAction + `"s3:"`}},
		"WildService":     {"The service prefix must not contain a wildcard.", func(_ *Policy, s *Statement) { s.Actions = []string{"s*:Get"} }, &Error{"Statement[0].Action[0]", notAction + `"s*:Get"`}},
		"AnyService":      {"The service prefix must not be a wildcard.", func(_ *Policy, s *Statement) { s.Actions = []string{"*:Get"} }, &Error{"Statement[0].Action[0]", notAction + `"*:Get"`}},
		"Space":           {"An action contains no space.", func(_ *Policy, s *Statement) { s.Actions = []string{"s3:Get Object"} }, &Error{"Statement[0].Action[0]", notAction + `"s3:Get Object"`}},
		"NotActionSyntax": {"NotAction has the same syntax.", func(_ *Policy, s *Statement) { s.Actions = nil; s.NotActions = []string{"x"} }, &Error{"Statement[0].NotAction[0]", notAction + `"x"`}},
		"NoResource":      {"A statement needs resources.", func(_ *Policy, s *Statement) { s.Resources = nil }, &Error{"Statement[0]", "must have Resource or NotResource, with at least one value"}},
		"BothResources":   {"A statement has either Resource or NotResource.", func(_ *Policy, s *Statement) { s.NotResources = []string{} }, &Error{"Statement[0]", "must have one of Resource and NotResource, not both"}},
		"AnyResource": {"All resources are a valid pattern.", func(_ *Policy, s *Statement) {
			s.Resources = []string{"*", "arn:aws:s3:*", "arn:aws:iam::aws:policy/x:y"}
		}, nil},
		"Name":        {"The name of a bucket is not an ARN.", func(_ *Policy, s *Statement) { s.Resources = []string{"*", "shop"} }, &Error{"Statement[0].Resource[1]", `must be * or an ARN, not "shop"`}},
		"Short":       {"A part of an ARN is not an ARN.", func(_ *Policy, s *Statement) { s.Resources = []string{"arn:aws:s3"} }, &Error{"Statement[0].Resource[0]", `must be * or an ARN, not "arn:aws:s3"`}},
		"NoPartition": {"An ARN has a partition.", func(_ *Policy, s *Statement) { s.Resources = []string{"arn::s3:::x"} }, &Error{"Statement[0].Resource[0]", `must be * or an ARN, not "arn::s3:::x"`}},
		"WildVendor":  {"IAM rejects a wildcard in the service.", func(_ *Policy, s *Statement) { s.Resources = nil; s.NotResources = []string{"arn:aws:s?:::x"} }, &Error{"Statement[0].NotResource[0]", `must name the service, without wildcards, not "arn:aws:s?:::x"`}},
		"Variable":    {"A policy variable is allowed in the resource's own part.", func(_ *Policy, s *Statement) { s.Resources = []string{"arn:aws:s3:::${aws:username}"} }, nil},
		"Partition": {"The partition is one of AWS's, or *.", func(_ *Policy, s *Statement) {
			s.Resources = []string{"arn:*:s3:::b", "arn:aws-iso-b:s3:::b", "arn:a*:s3:::b"}
		}, &Error{"Statement[0].Resource[2]", `must have a partition such as aws after the first colon, or *, not "arn:a*:s3:::b"`}},
		"Account": {"An account ID has 12 digits.", func(_ *Policy, s *Statement) {
			s.Resources = []string{"arn:aws:sqs:*:12*:q", "arn:aws:ec2:*:amazon:image/*", "arn:aws:sqs:eu-west-1:ACCOUNT_2:q"}
		}, &Error{"Statement[0].Resource[2]", `must have an account ID of 12 digits, or *, or nothing, after the fourth colon, not "arn:aws:sqs:eu-west-1:ACCOUNT_2:q"`}},
		"ShortAccount": {"An account ID does not have 11 digits.", func(_ *Policy, s *Statement) { s.Resources = []string{"arn:aws:sqs:*:12345678901:q"} }, &Error{"Statement[0].Resource[0]", `must have an account ID of 12 digits, or *, or nothing, after the fourth colon, not "arn:aws:sqs:*:12345678901:q"`}},
		"BucketRegionAndAccount": {"The ARN of a bucket has no region, with or without an account.", func(_ *Policy, s *Statement) {
			s.Resources = []string{"arn:aws:s3:us-west-2:123456789012:b/athena"}
		}, &Error{"Statement[0].Resource[0]", `must have no region: bucket names are global, not "arn:aws:s3:us-west-2:123456789012:b/athena"`}},
		"RegionPatterns": {"A wildcard is allowed in any segment.", func(_ *Policy, s *Statement) {
			s.Resources = []string{
				"arn:aws:iam:*:123456789012:role/a", "arn:aws:s3:*:*:b", "arn:aws:s3:us-west-?:*:accesspoint/*", "arn:aws:s3:us-west-2:*:*",
				"arn:aws:ec2:us-*:*:instance/*", "arn:*:s3:::b",
			}
		}, nil},
		"BucketRegion": {"The ARN of a bucket has no region, that of an access point has one.", func(_ *Policy, s *Statement) {
			s.Resources = []string{"arn:aws:s3:us-west-2:123456789012:accesspoint/p", "arn:aws:s3:us-west-2::b"}
		}, &Error{"Statement[0].Resource[1]", `must have no region: bucket names are global, not "arn:aws:s3:us-west-2::b"`}},
		"IAMRegion": {"IAM is global, so its ARNs have no region.", func(_ *Policy, s *Statement) { s.Resources = []string{"arn:aws:iam:us-east-1:123456789012:role/a"} }, &Error{"Statement[0].Resource[0]", `must have no region: IAM is global, not "arn:aws:iam:us-east-1:123456789012:role/a"`}},
		"IAMPath": {"IAM checks the type of its own resources.", func(_ *Policy, s *Statement) {
			s.Resources = []string{"arn:aws:iam::123456789012:*", "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:roles/a"}
		}, &Error{"Statement[0].Resource[2]", "must be *, root, or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/ after the fifth colon" + `, not "arn:aws:iam::123456789012:roles/a"`}},
		"EarlyVariable": {"A policy variable is not allowed before the fifth colon.", func(_ *Policy, s *Statement) { s.Resources = []string{"arn:aws:sqs:${aws:a}:1:x"} }, &Error{"Statement[0].Resource[0]", `must contain policy variables after the fifth colon only, not "arn:aws:sqs:${aws:a}:1:x"`}},
		"OldVariable": {"In the older version a policy variable is text.", func(p *Policy, s *Statement) {
			p.Version = Version2008
			s.Resources = []string{"arn:aws:sqs:${aws:a}:1:x"}
		}, nil},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) { tc.run(t, valid, Policy.CheckIdentity) })
	}
}

func TestCheck_Conditions(t *testing.T) {
	const path = `Statement[0].Condition.`
	cases := map[string]struct {
		reason string
		list   []Condition
		want   *Error
	}{
		"CaseOfOperator": {"The document gets the correct spelling.", condition("forallvalues:stringlikeifexists", "aws:a", "x"), nil},
		"Operator": {"A misspelled operator could make a Deny ineffective.", condition("StringEqual", "aws:a", "x"), &Error{
			path + "StringEqual",
			"unknown condition operator; allowed: ArnEquals, ArnLike, ArnNotEquals, ArnNotLike, BinaryEquals, Bool, DateEquals, DateGreaterThan, " +
				"DateGreaterThanEquals, DateLessThan, DateLessThanEquals, DateNotEquals, IpAddress, NotIpAddress, Null, NumericEquals, NumericGreaterThan, " +
				"NumericGreaterThanEquals, NumericLessThan, NumericLessThanEquals, NumericNotEquals, StringEquals, StringEqualsIgnoreCase, StringLike, " +
				"StringNotEquals, StringNotEqualsIgnoreCase, StringNotLike, with the prefix ForAllValues: or ForAnyValue: and the suffix IfExists (except for Null)",
		}},
		"Key":        {"IAM accepts a key without a prefix.", condition("Bool", "SourceIp", "true"), nil},
		"NoKey":      {"A condition has a key.", condition("Bool", "", "true"), &Error{path + `Bool[""]`, "must be a condition key, such as aws:SourceIp"}},
		"Twice":      {"A JSON object cannot contain a key twice.", append(condition("Bool", "aws:a", "true"), condition("bool", "AWS:a", "false")...), &Error{path + `bool["AWS:a"]`, "duplicate key for this operator"}},
		"NoValues":   {"IAM accepts an empty list.", condition("Bool", "aws:a"), nil},
		"Numeric":    {"A number is valid.", condition("NumericLessThan", "s3:max-keys", "-10.5"), nil},
		"NotNumeric": {"A word is not a number.", condition("NumericLessThan", "s3:max-keys", "1", "ten"), &Error{path + `NumericLessThan["s3:max-keys"][1]`, `must be a number, not "ten"`}},
		"Date":       {"A date is valid.", condition("DateLessThan", "aws:a", "2026-01-31T12:00:00Z", "1790000000"), nil},
		"NotDate":    {"A word is not a date.", condition("DateLessThan", "aws:a", "tomorrow"), &Error{path + `DateLessThan["aws:a"][0]`, `must be a date such as 2026-01-31T12:00:00Z, or seconds since 1970, not "tomorrow"`}},
		"Bool":       {"A boolean has any case, or is a policy variable.", condition("Bool", "aws:a", "True", "${aws:b}"), nil},
		"NotBool":    {"No other value is a boolean.", condition("Bool", "aws:a", "yes"), &Error{path + `Bool["aws:a"][0]`, `must be true or false, not "yes"`}},
		"NotNull":    {"Null does not replace policy variables.", condition("Null", "aws:a", "${aws:b}"), &Error{path + `Null["aws:a"][0]`, `must be true or false, not "${aws:b}"`}},
		"Binary":     {"A base64 text is valid.", condition("BinaryEquals", "aws:a", "QQ=="), nil},
		"NotBinary":  {"Another text is not valid.", condition("BinaryEquals", "aws:a", "Q"), &Error{path + `BinaryEquals["aws:a"][0]`, `must be base64, not "Q"`}},
		"IP":         {"Addresses and ranges are valid.", condition("IpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.113.1", "2001:db8::/32"), nil},
		"NotIP":      {"A pattern is not a range.", condition("IpAddress", "aws:SourceIp", "203.0.113.*"), &Error{path + `IpAddress["aws:SourceIp"][0]`, `must be an IP address or a range such as 203.0.113.0/24, not "203.0.113.*"`}},
		"Anything":   {"Strings and ARNs may have any value.", append(condition("StringLike", "aws:a", ""), condition("ArnLike", "aws:a", "x")...), nil},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			p := Policy{Statements: []Statement{{Effect: Deny, Actions: []string{"*"}, Resources: []string{"*"}, Conditions: tc.list}}}
			got, _ := errors.AsType[*Error](p.CheckIdentity())
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("CheckIdentity(): -want, +got:\n%s", diff)
			}
		})
	}
}

func TestCheck_TrustPolicies(t *testing.T) {
	provider := Principal{Federated, "arn:aws:iam::123456789012:oidc-provider/example.com/id/A"}
	valid := Policy{Version: Version2012, ID: "x", Statements: []Statement{{
		Effect: Allow, Principals: []Principal{provider}, Actions: []string{"sts:assumerolewithwebidentity"},
	}}}
	only := func(list ...Principal) func(*Policy, *Statement) {
		return func(_ *Policy, s *Statement) { s.Principals = list }
	}
	const trustNames = "sts:AssumeRole, sts:AssumeRoleWithSAML, sts:AssumeRoleWithWebIdentity, sts:SetContext, sts:SetSourceIdentity, sts:TagSession"
	cases := map[string]checkCase{
		"Valid":        {"A trust policy with an OIDC provider is valid.", func(*Policy, *Statement) {}, nil},
		"Effect":       {"The effect is required.", func(_ *Policy, s *Statement) { s.Effect = "x" }, &Error{"Statement[0].Effect", `must be Allow or Deny, not "x"`}},
		"Resource":     {"A trust policy has no Resource.", func(_ *Policy, s *Statement) { s.Resources = []string{"*"} }, &Error{"Statement[0]", "must not have a Resource; the resource is the role itself"}},
		"NotResource":  {"A trust policy has no NotResource.", func(_ *Policy, s *Statement) { s.NotResources = []string{} }, &Error{"Statement[0]", "must not have a Resource; the resource is the role itself"}},
		"Action":       {"Only actions on roles are allowed.", func(_ *Policy, s *Statement) { s.Actions = []string{"sts:TagSession", "s3:*"} }, &Error{"Statement[0].Action[1]", `must be one of ` + trustNames + `, not "s3:*"`}},
		"TagSessions":  {"The names of the actions must match exactly.", func(_ *Policy, s *Statement) { s.Actions = []string{"sts:TagSessions"} }, &Error{"Statement[0].Action[0]", `must be one of ` + trustNames + `, not "sts:TagSessions"`}},
		"Pattern":      {"AWS documents no rule against patterns.", func(_ *Policy, s *Statement) { s.Actions = []string{"sts:Assume*"} }, nil},
		"NotAction":    {"NotAction would allow actions that its author did not consider.", func(_ *Policy, s *Statement) { s.Actions, s.NotActions = nil, []string{"a:b"} }, &Error{"Statement[0].NotAction", "must be Action; a trust policy lists the actions that it allows"}},
		"NoPrincipal":  {"A trust policy must trust a principal.", only(), &Error{"Statement[0]", "must have Principal or NotPrincipal, with at least one value"}},
		"Both":         {"A statement has either Principal or NotPrincipal.", func(_ *Policy, s *Statement) { s.NotPrincipals = s.Principals }, &Error{"Statement[0]", "must have one of Principal and NotPrincipal, not both"}},
		"NotPrincipal": {"NotPrincipal has the same rules.", func(_ *Policy, s *Statement) { s.Principals, s.NotPrincipals = nil, []Principal{{AWS, "a*"}} }, &Error{"Statement[0].Principal.AWS", `must be named in full, without wildcards, not "a*"`}},
		"Anyone":       {"The document has the form that IAM accepts.", only(Principal{Anyone, "*"}, Principal{AWS, "*"}), nil},
		"AWS":          {"Accounts, ARNs and unique IDs are valid.", only(Principal{AWS, "123456789012"}, Principal{AWS, "arn:aws:iam::1:role/a"}, Principal{AWS, "AROAEXAMPLE"}), nil},
		"NotAWS":       {"No other text is valid.", only(Principal{AWS, "role/a"}), &Error{"Statement[0].Principal.AWS", `must be an account ID or an ARN, not "role/a"`}},
		"Federated":    {"Domains and ARNs are valid.", only(provider, Principal{Federated, "accounts.google.com"}), nil},
		"NotFederated": {"A URL is not valid.", only(Principal{Federated, "https://x"}), &Error{"Statement[0].Principal.Federated", `must be a provider's ARN or a domain name, not "https://x"`}},
		"AnyFederated": {"A wildcard is not valid.", only(Principal{Federated, "*"}), &Error{"Statement[0].Principal.Federated", `must be named in full, without wildcards, not "*"`}},
		"Service":      {"The name of a service is valid.", only(Principal{Service, "pods.eks.amazonaws.com"}), nil},
		"NotService":   {"An ARN is not a service.", only(Principal{Service, "arn:aws:iam::1:role/a"}), &Error{"Statement[0].Principal.Service", `must be a service such as ec2.amazonaws.com, not "arn:aws:iam::1:role/a"`}},
		"Canonical":    {"Canonical users exist only in S3.", only(Principal{CanonicalUser, "x"}), &Error{"Statement[0].Principal.CanonicalUser", `must be of type AWS, Federated or Service in a trust policy, not "x"`}},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) { tc.run(t, valid, Policy.CheckTrust) })
	}
}

func TestCheck_PolicyWithoutStatements(t *testing.T) {
	want := &Error{"Statement", "must contain at least one statement"}
	for _, check := range []func(Policy) error{Policy.CheckIdentity, Policy.CheckTrust} {
		got, _ := errors.AsType[*Error](check(Policy{}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want, +got:\n%s", diff)
		}
	}
}

// A user can fix all faults of a document in one edit: each statement is parsed and
// checked, but one that cannot be parsed is not checked.
func TestCheckDocument_AllFaults(t *testing.T) {
	const valid = `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	many := strings.Repeat(`{"Effect":"Allow","Action":"Get","Resource":"*"},`, 12)
	cases := map[string]struct{ reason, statements, want string }{
		"Valid": {"There is nothing to report.", valid, ""},
		"Both": {
			"Faults of syntax and of contents are reported together.", valid + `,{"Effect":"allow","Actions":"x","Resource":"*"},{"Effect":"Allow","Action":["s3:Get*","GetObject"],"Resource":["b"]}`,
			`policy document: Statement[1].Effect: must be exactly Allow or Deny (case-sensitive); ` +
				`Statement[1].Actions: unknown element; allowed (case-sensitive): Action, Condition, Effect, NotAction, NotPrincipal, NotResource, Principal, Resource, Sid; ` +
				`Statement[2].Action[1]: must be * or service:Name such as s3:GetObject, not "GetObject"; ` +
				`Statement[2].Resource[0]: must be * or an ARN, not "b"`,
		},
		"Duplicate": {
			"The rest of a document is checked after a duplicate element.", `{"Effect":"Allow","Effect":"Deny","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"x","Resource":"*"}`,
			`policy document: Statement[0].Effect: duplicate element; remove one of them; Statement[1].Action[0]: must be * or service:Name such as s3:GetObject, not "x"`,
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			_, err := CheckDocument([]byte(`{"Version":"2012-10-17","Statement":[`+tc.statements+`]}`), Place{"aws"})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
	_, err := CheckDocument([]byte(`{"Version":"2012-10-17","Statement":[`+many+valid+`]}`), Place{})
	if err == nil || strings.Count(err.Error(), "must be") != 10 || !strings.HasSuffix(err.Error(), "; and 2 more") {
		t.Errorf("CheckDocument(12 faults): %v, want 10 of them and the number of the others", err)
	}
}
