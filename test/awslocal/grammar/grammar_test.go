package grammar

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// statement is a policy with one statement.
func statement(s string) string { return `{"Version":"2012-10-17","Statement":{` + s + `}}` }

const (
	allow  = `"Effect":"Allow",`
	action = `"Action":"s3:ListBucket",`
	bucket = `"Resource":"arn:aws:s3:::bucket"`
)

func resource(arn string) string { return statement(allow + action + `"Resource":"` + arn + `"`) }

func condition(c string) string { return statement(allow + action + bucket + `,"Condition":` + c) }

type grammarCase struct {
	reason, document, want string // want is empty for documents that AWS takes
}

func check(t *testing.T, cases map[string]grammarCase, f func(string) error) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := ""
			if e, ok := errors.AsType[*Error](f(tc.document)); ok {
				got = e.Message
			}
			if got != tc.want {
				t.Errorf("%s\ngot:  %s\nwant: %s", tc.document, got, tc.want)
			}
		})
	}
}

func TestCheckManaged_Messages(t *testing.T) {
	check(t, map[string]grammarCase{
		// Valid policies.
		"Minimal":         {"", statement(allow + action + bucket), ""},
		"List":            {"", `{"Version":"2012-10-17","Id":"i","Statement":[{` + allow + action + bucket + `}]}`, ""},
		"AllActions":      {"", statement(allow + `"Action":"*",` + bucket), ""},
		"OddAction":       {"Only the service prefix is checked.", statement(allow + `"Action":"iam: what ever ",` + bucket), ""},
		"NotAction":       {"", statement(allow + `"NotAction":"s3:*","NotResource":"*"`), ""},
		"Vendors":         {"", statement(allow + `"Action":["s3-x:a","s3.x:b"],` + bucket), ""},
		"ShortARN":        {"An ARN may end after the service.", resource("arn:aws:anything"), ""},
		"UnknownVendor":   {"", resource("arn:aws:s33:eu-west-1::x"), ""},
		"Region":          {"", resource("arn:aws:ec2:eu-west-1:123456789012:instance/*"), ""},
		"RegionPattern":   {"A wildcard is allowed in any segment.", resource("arn:aws:iam:*:123456789012:user/a"), ""},
		"AccessPoint":     {"A few resources of S3 have a region.", resource("arn:aws:s3:us-west-2:123456789012:accesspoint/p/object/*"), ""},
		"IAMVariable":     {"", resource("arn:aws:iam::*:user/${aws:username}"), ""},
		"IAMAll":          {"", resource("arn:aws:iam::123456789012:*"), ""},
		"Root":            {"", resource("arn:aws:iam::123456789012:root"), ""},
		"EmptySIDs":       {"", `{"Version":"2012-10-17","Statement":[{"Sid":"",` + allow + action + bucket + `},{"Sid":"",` + allow + action + bucket + `}]}`, ""},
		"NoConditions":    {"", condition(`{}`), ""},
		"EmptyOperator":   {"An operator without keys is not checked.", condition(`{"x":{},"DateLessThan":{}}`), ""},
		"Operators":       {"", condition(`{"ForAnyValue:StringEqualsIfExists":{"a":"b"},"ForAllValues:StringLike":{"a":["b","c"]},"Bool":{"a":true},"NumericEquals":{"a":1}}`), ""},
		"Date":            {"", condition(`{"DateGreaterThan":{"a":"2026-12-13T21:20:37.593194+00:00"}}`), ""},
		"DateShort":       {"", condition(`{"DateGreaterThan":{"a":"01T"}}`), ""},
		"DateZone":        {"", condition(`{"DateLessThan":{"a":"2026-12-13t2:00:00.5+23"}}`), ""},
		"DateYear":        {"", condition(`{"DateLessThan":{"a":"-292275054"}}`), ""},
		"DateEpoch":       {"", condition(`{"DateLessThan":{"a":["1500000000",[]]}}`), "Syntax errors in policy."},
		"DateNone":        {"", condition(`{"DateLessThan":{"a":[]}}`), ""},
		"OtherPartitions": {"", statement(allow + action + `"Resource":["arn:aws-cn:s3:::b","arn:aws-us-gov:s3:::b","arn:*:s3:::b"]`), ""},

		// Syntax.
		"NoJSON":          {"", "x", "Syntax errors in policy."},
		"TwoValues":       {"", statement(allow+action+bucket) + "{}", "Syntax errors in policy."},
		"Array":           {"", "[]", "Syntax errors in policy."},
		"DuplicateKey":    {"", statement(allow + allow + action + bucket), "Syntax errors in policy."},
		"NoStatement":     {"", `{"Version":"2012-10-17"}`, "Syntax errors in policy."},
		"EmptyStatements": {"", `{"Version":"2012-10-17","Statement":[]}`, "Syntax errors in policy."},
		"TextStatement":   {"", `{"Version":"2012-10-17","Statement":["x"]}`, "Syntax errors in policy."},
		"UnknownElement":  {"", `{"Version":"2012-10-17","X":1,"Statement":{` + allow + action + bucket + `}}`, "Syntax errors in policy."},
		"UnknownInside":   {"", statement(allow + action + bucket + `,"X":1`), "Syntax errors in policy."},
		"IDList":          {"", `{"Version":"2012-10-17","Id":[],"Statement":{` + allow + action + bucket + `}}`, "Syntax errors in policy."},
		"SIDObject":       {"", statement(`"Sid":{},` + allow + action + bucket), "Syntax errors in policy."},
		"NoEffect":        {"", statement(action + bucket), "Syntax errors in policy."},
		"WrongEffect":     {"", statement(`"Effect":"Maybe",` + action + bucket), "Syntax errors in policy."},
		"BothActions":     {"", statement(allow + action + `"NotAction":[],` + bucket), "Syntax errors in policy."},
		"BothResources":   {"", statement(allow + action + bucket + `,"NotResource":"*"`), "Syntax errors in policy."},
		"NestedAction":    {"", statement(allow + `"Action":[[]],` + bucket), "Syntax errors in policy."},
		"ResourceObject":  {"", statement(allow + action + `"Resource":{"a":"b"}`), "Syntax errors in policy."},
		"ConditionList":   {"", condition(`[]`), "Syntax errors in policy."},
		"ConditionFlat":   {"", condition(`{"StringEquals":"b"}`), "Syntax errors in policy."},
		"ConditionDeep":   {"", condition(`{"StringEquals":{"a":{}}}`), "Syntax errors in policy."},
		"UnknownOperator": {"", condition(`{"Equals":{"a":"b"}}`), "Syntax errors in policy."},
		"TwoColons":       {"", condition(`{"ForAnyValue::StringEquals":{"a":"b"}}`), "Syntax errors in policy."},
		"FutureVersion":   {"", `{"Version":"2013-10-17","Statement":{` + allow + action + bucket + `}}`, "Syntax errors in policy."},

		// The rest, in the order in which AWS looks.
		"NoVersion":      {"", `{"Statement":{` + allow + action + bucket + `}}`, "Policy document must be version 2012-10-17 or greater."},
		"OldVersion":     {"", `{"Version":"2008-10-17","Statement":{"Effect":"allow"}}`, "Policy document must be version 2012-10-17 or greater."},
		"EffectCase":     {"The effect is checked before missing elements.", statement(`"Effect":"allow","Resource":"arn:aws:s3:us-east-1::b"`), "The policy failed legacy parsing"},
		"NoDate":         {"The date is checked before the partition.", statement(allow + `"Resource":"arn:x:s3:::b","Condition":{"DateLessThan":{"a":"soon"}}`), "The policy failed legacy parsing"},
		"Month13":        {"", condition(`{"DateLessThan":{"a":"2026-13"}}`), "The policy failed legacy parsing"},
		"ZoneDigit":      {"", condition(`{"DateLessThan":{"a":"2026-12-13t2:00:00+1"}}`), "The policy failed legacy parsing"},
		"NanoSeconds":    {"", condition(`{"DateLessThan":{"a":"2026-12-13t2:00:00.1999999999Z"}}`), "The policy failed legacy parsing"},
		"Overflow":       {"", condition(`{"DateLessThan":{"a":"9223372036854775808"}}`), "The policy failed legacy parsing"},
		"FourParts":      {"", resource("arn:aws:s3::b"), "The policy failed legacy parsing"},
		"EmptyVendor":    {"", resource("arn:aws::::b"), "The policy failed legacy parsing"},
		"DuplicateSIDs":  {"Duplicate Sids are reported before missing actions.", `{"Version":"2012-10-17","Statement":[{"Sid":"a",` + allow + action + bucket + `},{"Sid":"a","Effect":"Allow"}]}`, "Statement IDs (SID) in a single policy must be unique."},
		"SIDCharacters":  {"", statement(`"Sid":"a b",` + allow + action + bucket), "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"},
		"Principal":      {"", statement(allow + `"Principal":"*",` + action + bucket), "Policy document should not specify a principal."},
		"NoAction":       {"Missing actions are reported before missing resources.", statement(`"Effect":"Allow"`), "Policy statement must contain actions."},
		"EmptyActions":   {"", statement(allow + `"Action":[],` + bucket), "Policy statement must contain actions."},
		"NoResource":     {"Missing resources are reported before invalid actions.", statement(allow + `"Action":"x"`), "Policy statement must contain resources."},
		"EmptyResources": {"", statement(allow + action + `"Resource":[]`), "Policy statement must contain resources."},
		"NoARN":          {"Invalid resources are reported before invalid actions.", statement(allow + `"Action":"a:b:c","Resource":"x"`), `Resource x must be in ARN format or "*".`},
		"EmptyResource":  {"", resource(""), `Resource  must be in ARN format or "*".`},
		"Partition":      {"", resource("a:x"), `Partition "x" is not valid for resource "arn:x:*:*:*:*".`},
		"PartitionThree": {"", resource("a:x:y"), `Partition "x" is not valid for resource "arn:x:y:*:*:*".`},
		"PartitionMore":  {"", resource("a:x:c:d:e:f:g:h"), `Partition "x" is not valid for resource "arn:x:c:d:e:f:g:h".`},
		"NoArnPrefix":    {"", resource("aws:s3:::b"), `Partition "s3" is not valid for resource "arn:s3:::b:*".`},
		"NoVendor":       {"", resource("arn:aws"), "Resource vendor must be fully qualified and cannot contain regexes."},
		"IAMRegion":      {"", resource("arn:aws:iam:us-east-1::b"), "IAM resource arn:aws:iam:us-east-1::b cannot contain region information."},
		"IAMPath":        {"", resource("arn:aws:iam:::b"), `IAM resource path must either be "*", root, or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`},
		"S3Region":       {"", resource("arn:aws:s3:us-east-1::b"), "Resource arn:aws:s3:us-east-1::b can not contain region information."},
		"BareAction":     {"", statement(allow + `"Action":"x",` + bucket), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		"EmptyAction":    {"", statement(allow + `"NotAction":"",` + bucket), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		"ActionColons":   {"", statement(allow + `"Action":["s3:a","s:3:b"],` + bucket), "Actions/Condition can contain only one colon."},
		"Vendor":         {"", statement(allow + `"Action":"a b:c",` + bucket), "Vendor a b is not valid"},
	}, CheckManaged)
}

func TestCheckInline_Messages(t *testing.T) {
	check(t, map[string]grammarCase{
		"NoVersion":  {"Inline policies may have the older version.", `{"Statement":{` + allow + action + bucket + `}}`, ""},
		"OldVersion": {"", `{"Version":"2008-10-17","Statement":{` + allow + action + bucket + `}}`, ""},
		"NoResource": {"", statement(allow + `"Action":"s3:*"`), "Policy statement must contain resources."},
	}, CheckInline)
}

// known are the AWS principals of a test.
type known []string

func (k known) KnownAWS(id string) bool { return slices.Contains(k, id) }

func TestCheckTrust_Messages(t *testing.T) {
	service := `"Principal":{"Service":"ec2.amazonaws.com"},`
	assume := `"Action":"sts:AssumeRole"`
	principal := func(p string) string { return statement(allow + `"Principal":` + p + `,` + assume) }
	check(t, map[string]grammarCase{
		"Service":      {"", statement(allow + service + assume), ""},
		"OldVersion":   {"", `{"Statement":[{` + allow + service + assume + `}]}`, ""},
		"Anyone":       {"", principal(`{"AWS":"*"}`), ""},
		"Known":        {"", principal(`{"AWS":["123456789012","arn:known"]}`), ""},
		"OIDC":         {"The provider of a principal need not exist.", principal(`{"Federated":"arn:aws:iam::123456789012:oidc-provider/x.example:6443/id/1"}`), ""},
		"Cognito":      {"", principal(`{"Federated":"cognito-identity.amazonaws.com"}`), ""},
		"Deny":         {"", statement(`"Effect":"Deny","NotPrincipal":{"AWS":"*"},` + assume), ""},
		"Actions":      {"", statement(allow + service + `"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`), ""},
		"AllOfSTS":     {"", statement(allow + service + `"Action":"sts:*"`), ""},
		"SID":          {"", statement(`"Sid":"a",` + allow + service + assume), ""},
		"NoJSON":       {"", "x", "This policy contains invalid Json"},
		"NoStatement":  {"", `{}`, "Missing required field Statement"},
		"NoStatements": {"", `{"Statement":[]}`, "Could not parse the policy: Statement is empty!"},
		"Unknown":      {"", `{"X":1,"Statement":[]}`, "Unknown field X"},
		"Resource":     {"", statement(allow + service + assume + `,"Resource":"*"`), "Has prohibited field Resource"},
		"NotResource":  {"", statement(allow + service + assume + `,"NotResource":"*"`), "AssumeRole policy must not contain resources."},
		"NotPrincipal": {"", statement(allow + `"NotPrincipal":{"AWS":"*"},` + assume), "Allow with NotPrincipal is not allowed."},
		"NoEffect":     {"", statement(service + assume), "Missing required field Effect"},
		"NoPrincipal":  {"", statement(allow + assume), "Missing required field Principal"},
		"Empty":        {"", principal(`{}`), "Missing required field Principal cannot be empty!"},
		"NoAction":     {"", statement(allow + strings.TrimSuffix(service, ",")), "Missing required field Action"},
		"Star":         {"", principal(`"*"`), `AssumeRolepolicy contained an invalid principal: "STAR":"*".`},
		"OtherAction":  {"", statement(allow + service + `"Action":"sts:Other"`), "AssumeRole policy may only specify STS AssumeRole actions."},
		"AnyAction":    {"", statement(allow + service + `"Action":"*"`), "AssumeRole policy may only specify STS AssumeRole actions."},
		"S3":           {"", statement(allow + service + `"Action":"s3:*"`), "AssumeRole policy may only specify STS AssumeRole actions."},
		"UnknownAWS":   {"", principal(`{"AWS":"arn:unknown"}`), `Invalid principal in policy: "AWS":"arn:unknown"`},
		"NoService":    {"", principal(`{"Service":"ec2"}`), `Invalid principal in policy: "SERVICE":"ec2"`},
		"NoFederated":  {"", principal(`{"Federated":"x"}`), "Federated principals must be valid domain names or SAML metadata ARNs"},
		"Operator":     {"", statement(allow + service + assume + `,"Condition":{"Equals":{"a":"b"}}`), "Syntax errors in policy."},
	}, func(document string) error { return CheckTrust(document, known{"123456789012", "arn:known"}) })
}

// No document leads to a panic.
func FuzzCheck(f *testing.F) {
	f.Add(statement(allow + action + bucket))
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":"sts:AssumeRole","Condition":{"DateEquals":{"a":["1-","t","-"]}}}]}`)
	f.Fuzz(func(_ *testing.T, document string) {
		_ = CheckManaged(document)
		_ = CheckTrust(document, known{})
	})
}
