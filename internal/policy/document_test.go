package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inStatement puts elements into the one statement of a policy.
func inStatement(elements string) string {
	return `{"Version":"2012-10-17","Statement":[{` + elements + `}]}`
}

func mustParse(t *testing.T, raw string) Document {
	t.Helper()
	d, err := Parse([]byte(raw))
	if err != nil {
		t.Fatalf("Parse(%s): %v", raw, err)
	}
	return d
}

func TestParse_SameMeaningSameDocument(t *testing.T) {
	cases := map[string]struct {
		reason string
		a, b   string
		want   Document // "" to compare a and b only
	}{
		"WhiteSpace": {
			reason: "Layout means nothing.",
			a:      "\n{ \"Version\" : \"2012-10-17\",\t\"Statement\" : [ ] }\r\n",
			b:      `{"Version":"2012-10-17","Statement":[]}`,
		},
		"PercentEncodedOnce": {
			reason: "IAM's read calls return documents percent-encoded, with %20 for a space and %2B for a plus.",
			a:      `%7B%22Statement%22%3A%5B%7B%22Resource%22%3A%22a%20b%2Bc%2541%22%7D%5D%7D`,
			b:      `{"Statement":[{"Resource":"a b+c%41"}]}`,
		},
		"PlusIsNoSpace": {
			reason: "RFC 3986 leaves a plus alone, and a role's name may hold one.",
			a:      `%7B%22Statement%22:[%7B%22Resource%22:%22a+b%22%7D]}`,
			b:      `{"Statement":{"Resource":"a+b"}}`,
		},
		"StringOrList": {
			reason: "One value may stand with or without brackets, and so may one statement.",
			a:      `{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"Bool":{"aws:x":"true"}}}}`,
			b:      `{"Statement":[{"Effect":"Allow","Action":["a:b"],"Resource":["*"],"Condition":{"Bool":{"aws:x":["true"]}}}]}`,
			want:   `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"Bool":{"aws:x":"true"}}}]}`,
		},
		"OrderOfSets": {
			reason: "Values, keys, operators, principals and statements are sets.",
			a: `{"Statement":[{"Sid":"B","Resource":["y","x"]},{"Sid":"A","NotResource":["y","x"],"Principal":{"Service":["t","s"],"AWS":["*"]},
			     "Condition":{"StringLike":{"aws:b":["2","1"],"aws:a":"1"},"Bool":{"aws:c":"true"}}}]}`,
			b: `{"Statement":[{"Principal":{"AWS":"*","Service":["s","t"]},"NotResource":["x","y"],"Sid":"A",
			     "Condition":{"Bool":{"aws:c":"true"},"StringLike":{"aws:a":"1","aws:b":["1","2"]}}},{"Resource":["x","y"],"Sid":"B"}]}`,
			want: `{"Version":"2008-10-17","Statement":[` +
				`{"Sid":"A","Principal":{"AWS":"*","Service":["s","t"]},"NotResource":["x","y"],` +
				`"Condition":{"Bool":{"aws:c":"true"},"StringLike":{"aws:a":"1","aws:b":["1","2"]}}},` +
				`{"Sid":"B","Resource":["x","y"]}]}`,
		},
		"Repetition": {
			reason: "A value, a principal or a statement said twice is said once.",
			a:      `{"Statement":[{"Action":["a:b","A:B","a:b"],"NotPrincipal":{"AWS":["x","x"]}},{"Action":"a:b","NotPrincipal":{"AWS":"x"}}]}`,
			b:      `{"Statement":[{"Action":"a:b","NotPrincipal":{"AWS":"x"}}]}`,
		},
		"CaseOfActions": {
			reason: "IAM is blind to it.",
			a:      inStatement(`"Action":"S3:GetObject","NotAction":"EC2:Describe*"`),
			b:      inStatement(`"Action":"s3:getobject","NotAction":"ec2:describe*"`),
		},
		"CaseOfTrustActions": {
			reason: "Trust policies are read by people; the actions there get AWS's spelling.",
			a:      inStatement(`"Action":["STS:assumerolewithwebidentity","sts:tagsession"]`),
			b:      inStatement(`"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`),
			want:   Document(inStatement(`"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`)),
		},
		"CaseOfConditions": {
			reason: "Keys are matched in any case. Operators are not by IAM, so they get the spelling it takes.",
			a:      inStatement(`"Condition":{"forallvalues:STRINGLIKEIFEXISTS":{"AWS:TagKeys":"A"}}`),
			b:      inStatement(`"Condition":{"ForAllValues:StringLikeIfExists":{"aws:tagkeys":"A"}}`),
			want:   Document(inStatement(`"Condition":{"ForAllValues:StringLikeIfExists":{"aws:tagkeys":"A"}}`)),
		},
		"CaseOfClaims": {
			reason: "The claim is a key like any other.",
			a:      inStatement(`"Condition":{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/0A1B:SUB":"x"}}`),
			b:      inStatement(`"Condition":{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/0A1B:sub":"x"}}`),
			want:   Document(inStatement(`"Condition":{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/0A1B:sub":"x"}}`)),
		},
		"BoolsAndNumbers": {
			reason: "Quotation marks are optional around them.",
			a:      inStatement(`"Condition":{"Bool":{"aws:a":true},"NumericEquals":{"aws:b":[10,1.50]}}`),
			b:      inStatement(`"Condition":{"Bool":{"aws:a":"true"},"NumericEquals":{"aws:b":["10","1.50"]}}`),
		},
		"NoCondition": {
			reason: "An empty Condition, or an operator of no keys, tests nothing.",
			a:      `{"Statement":[{"Condition":{}},{"Condition":{"Bool":{}}}]}`,
			b:      `{"Statement":[{}]}`,
		},
		"Version": {
			reason: "2008-10-17 is the default.",
			a:      `{"Statement":[]}`,
			b:      `{"Version":"2008-10-17"}`,
		},
		"EmptySidAndId": {
			reason: "Terraform writes an empty Sid for none.",
			a:      `{"Id":"","Statement":{"Sid":"","Effect":"Deny"}}`,
			b:      `{"Statement":{"Effect":"Deny"}}`,
		},
		"Account": {
			reason: "IAM turns an account's ID into its root ARN.",
			a:      inStatement(`"Principal":{"AWS":["123456789012","arn:aws-cn:iam::210987654321:root"]}`),
			b:      inStatement(`"Principal":{"AWS":["210987654321","arn:aws:iam::123456789012:root"]}`),
			want:   Document(inStatement(`"Principal":{"AWS":["123456789012","210987654321"]}`)),
		},
		"Everybody": {
			reason: `They are documented as the same, and only the second is valid in a trust policy.`,
			a:      inStatement(`"Principal":"*"`),
			b:      inStatement(`"Principal":{"AWS":"*"}`),
			want:   Document(inStatement(`"Principal":{"AWS":"*"}`)),
		},
		"NobodyInParticular": {
			reason: "A type of principal without IDs adds no principal.",
			a:      inStatement(`"Principal":{"AWS":[],"Service":"x"}`),
			b:      inStatement(`"Principal":{"Service":"x"}`),
		},
		"Escapes": {
			reason: "Escapes are one way to write a character; beyond U+00FF they are the only one IAM takes.",
			a:      inStatement(`"Sid":"\u0041\/<>&\u00e9é中😀\"\\\n"`),
			b:      inStatement(`"Sid":"A/<>&éé\u4e2d\ud83d\ude00\u0022\u005c\u000a"`),
			want:   Document(inStatement(`"Sid":"A/<>&éé\u4e2d\ud83d\ude00\"\\\u000a"`)),
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			a, b := mustParse(t, tc.a), mustParse(t, tc.b)
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("Parse(a) and Parse(b): -a, +b:\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, a); tc.want != "" && diff != "" {
				t.Errorf("Parse(a): -want, +got:\n%s", diff)
			}
		})
	}
}

func TestParse_OtherMeaningOtherDocument(t *testing.T) {
	cases := map[string]struct {
		reason string
		a, b   string
	}{
		"CaseOfResource":  {"Names in ARNs have a case.", inStatement(`"Resource":"arn:aws:s3:::A"`), inStatement(`"Resource":"arn:aws:s3:::a"`)},
		"CaseOfPrincipal": {"So have names of users.", inStatement(`"Principal":{"AWS":"arn:aws:iam::1:user/A"}`), inStatement(`"Principal":{"AWS":"arn:aws:iam::1:user/a"}`)},
		"CaseOfValue":     {"StringEquals sees it.", inStatement(`"Condition":{"StringEquals":{"aws:a":"X"}}`), inStatement(`"Condition":{"StringEquals":{"aws:a":"x"}}`)},
		"CaseOfIssuer":    {"A URL's path has a case, and a cluster's ID is in it.", inStatement(`"Condition":{"StringEquals":{"a.b/id/X:sub":"x"}}`), inStatement(`"Condition":{"StringEquals":{"a.b/id/x:sub":"x"}}`)},
		"CaseOfIssuerWithPort": {
			"The same behind a port.", inStatement(`"Condition":{"StringEquals":{"localhost:8443/X:sub":"x"}}`),
			inStatement(`"Condition":{"StringEquals":{"localhost:8443/x:sub":"x"}}`),
		},
		"Version":         {"Only the newer one has variables.", `{"Version":"2012-10-17"}`, `{}`},
		"Sid":             {"A Sid is part of the document.", inStatement(`"Sid":"A"`), inStatement(`"Sid":"B"`)},
		"Id":              {"So is an Id.", `{"Id":"A"}`, `{"Id":"B"}`},
		"Effect":          {"The effect decides everything.", inStatement(`"Effect":"Allow"`), inStatement(`"Effect":"Deny"`)},
		"Negation":        {"NotAction is not Action.", inStatement(`"NotAction":"a:b"`), inStatement(`"Action":"a:b"`)},
		"EmptyList":       {"No values match nothing; no element is something else.", inStatement(`"Action":[]`), inStatement(``)},
		"EmptyPrincipal":  {"An element without principals differs from no element.", inStatement(`"Principal":{}`), inStatement(``)},
		"EmptyValues":     {"No values match nothing.", inStatement(`"Condition":{"Bool":{"aws:a":[]}}`), inStatement(``)},
		"TypeOfPrincipal": {"The type is part of the name.", inStatement(`"Principal":{"AWS":"x"}`), inStatement(`"Principal":{"Service":"x"}`)},
		"NoRoot":          {"An ARN with a region is no account's.", inStatement(`"Principal":{"AWS":"arn:aws:iam:eu:123456789012:root"}`), inStatement(`"Principal":{"AWS":"123456789012"}`)},
		"Kelvin":          {"Only ASCII letters fold.", inStatement(`"Action":"\u212a:x"`), inStatement(`"Action":"k:x"`)},
		"EncodedTwice":    {"Percent signs inside JSON are text.", inStatement(`"Resource":"%41"`), inStatement(`"Resource":"A"`)},
		"Operator":        {"IfExists is another operator.", inStatement(`"Condition":{"Bool":{"aws:a":"true"}}`), inStatement(`"Condition":{"BoolIfExists":{"aws:a":"true"}}`)},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if a, b := mustParse(t, tc.a), mustParse(t, tc.b); a == b {
				t.Errorf("Parse(a) == Parse(b) == %s", a)
			}
		})
	}
}

func TestParse_RejectsWhatIsNoPolicy(t *testing.T) {
	cases := map[string]struct {
		reason string
		raw    string
		want   Error
	}{
		"Empty":          {"Nothing is not a policy.", ``, Error{"", "is not JSON: unexpected end of JSON input (line 1, column 1)"}},
		"NotJSON":        {"The place helps to find it.", `{"Version":}`, Error{"", "is not JSON: invalid character '}' looking for beginning of value (line 1, column 12)"}},
		"Trailing":       {"What follows would not be read.", `{} {}`, Error{"", "is not JSON: invalid character '{' after top-level value (line 1, column 4)"}},
		"BadEncoding":    {"It is neither form.", `%7`, Error{"", `is neither JSON nor percent-encoded JSON: invalid URL escape "%7"`}},
		"EncodedTwice":   {"Only one round is undone.", `%257B%257D`, Error{"", `is not JSON: invalid character '%' looking for beginning of value (line 1, column 1)`}},
		"TooLarge":       {"Input is bounded.", `{"Id":"` + strings.Repeat("x", maxBytes) + `"}`, Error{"", "is larger than 131072 bytes, which exceeds IAM's limit"}},
		"FarTooLarge":    {"So is encoded input.", strings.Repeat("%20", maxBytes+1), Error{"", "is larger than 131072 bytes, which exceeds IAM's limit"}},
		"NotUTF8":        {"Different bytes would look alike.", "{\"Id\":\"\xff\"}", Error{"", "is not valid UTF-8"}},
		"HalfSurrogate":  {"It has no character.", `{"Id":"\ud800"}`, Error{"Id", "contains invalid Unicode"}},
		"SurrogateName":  {"Nor in a name.", `{"\ud800":1}`, Error{"", "contains invalid Unicode"}},
		"Deep":           {"Nesting is bounded.", inStatement(`"Action":` + strings.Repeat("[", 20) + strings.Repeat("]", 20)), Error{"Statement[0].Action" + strings.Repeat("[0]", 14), "is nested too deeply"}},
		"DeepInObject":   {"By objects too.", strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20), Error{"a" + strings.Repeat(".a", 16), "is nested too deeply"}},
		"List":           {"A policy is an object.", `[]`, Error{"", "must be an object, not an array"}},
		"Unknown":        {"Unknown elements are not dropped.", `{"Statements":[]}`, Error{"Statements", "unknown element; allowed (case-sensitive): Id, Statement, Version"}},
		"CaseOfElement":  {"IAM knows elements to the letter.", `{"Statement":[{"effect":"Allow"}]}`, Error{"Statement[0].effect", "unknown element; allowed (case-sensitive): Action, Condition, Effect, NotAction, NotPrincipal, NotResource, Principal, Resource, Sid"}},
		"Duplicate":      {"A second Effect smuggles.", inStatement(`"Effect":"Deny","Effect":"Allow"`), Error{"Statement[0].Effect", "duplicate element; remove one of them"}},
		"DuplicateFolds": {"So does a second key in another case.", inStatement(`"Condition":{"Bool":{"aws:a":"true","AWS:a":"false"}}`), Error{`Statement[0].Condition.Bool["AWS:a"]`, "duplicate in different case; remove one of them"}},
		"DuplicateOp":    {"And a second operator.", inStatement(`"Condition":{"Bool":{"aws:a":"true"},"bool":{"aws:a":"false"}}`), Error{`Statement[0].Condition.bool["aws:a"]`, "duplicate in different case; remove one of them"}},
		"Version":        {"There are two.", `{"Version":"2012-10-18"}`, Error{"Version", "must be exactly 2012-10-17 or 2008-10-17 (case-sensitive)"}},
		"VersionType":    {"It is a string.", `{"Version":2012}`, Error{"Version", "must be exactly 2012-10-17 or 2008-10-17 (case-sensitive)"}},
		"IdType":         {"It is a string.", `{"Id":1}`, Error{"Id", "must be a string, not a bool or number"}},
		"Effect":         {"Its case counts.", inStatement(`"Effect":"allow"`), Error{"Statement[0].Effect", "must be exactly Allow or Deny (case-sensitive)"}},
		"SidType":        {"Null is no value.", inStatement(`"Sid":null`), Error{"Statement[0].Sid", "must be a string, not null"}},
		"StatementType":  {"A list or one.", `{"Statement":"x"}`, Error{"Statement", "must be a statement or an array of statements, not a string"}},
		"StatementItem":  {"Of objects.", `{"Statement":[[]]}`, Error{"Statement[0]", "must be an object, not an array"}},
		"OneStatement":   {"Errors in the short form have a path too.", `{"Statement":{"Sid":[]}}`, Error{"Statement.Sid", "must be a string, not an array"}},
		"ActionType":     {"Numbers are for conditions.", inStatement(`"Action":1`), Error{"Statement[0].Action", "must be a string or an array of strings, not a bool or number"}},
		"ActionItem":     {"In arrays too.", inStatement(`"Action":["a:b",{}]`), Error{"Statement[0].Action[1]", "must be a string, not an object"}},
		"PrincipalText":  {"Only everybody is short.", inStatement(`"Principal":"123456789012"`), Error{"Statement[0].Principal", `must be "*" or an object such as {"AWS": "123456789012"}`}},
		"PrincipalType":  {"There are four types.", inStatement(`"NotPrincipal":{"aws":"x"}`), Error{"Statement[0].NotPrincipal.aws", "unknown element; allowed (case-sensitive): AWS, CanonicalUser, Federated, Service"}},
		"PrincipalID":    {"IDs are strings.", inStatement(`"Principal":{"AWS":123456789012}`), Error{"Statement[0].Principal.AWS", "must be a string or an array of strings, not a bool or number"}},
		"ConditionType":  {"Operators first.", inStatement(`"Condition":[]`), Error{"Statement[0].Condition", "must be an object of operators, not an array"}},
		"ConditionKeys":  {"Then keys.", inStatement(`"Condition":{"Bool":true}`), Error{"Statement[0].Condition.Bool", "must be an object of condition keys, not a bool or number"}},
		"ConditionValue": {"Then values.", inStatement(`"Condition":{"Bool":{"aws:a":null}}`), Error{`Statement[0].Condition.Bool["aws:a"]`, "must be a string, bool or number, or an array of them, not null"}},
		"EmptyName":      {"A path is readable even so.", `{"":1}`, Error{`[""]`, "unknown element; allowed (case-sensitive): Id, Statement, Version"}},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			d, err := Parse([]byte(tc.raw))
			got, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("Parse(...) = %q, %v; want an *Error", d, err)
			}
			if diff := cmp.Diff(tc.want, *got); diff != "" {
				t.Errorf("Parse(...): -want, +got:\n%s", diff)
			}
		})
	}
}

func TestError_NamesThePath(t *testing.T) {
	for want, err := range map[string]error{
		"policy document: is not valid UTF-8":                &Error{Msg: "is not valid UTF-8"},
		"policy document: Statement[0].Sid: must be unique.": &Error{Path: "Statement[0].Sid", Msg: "must be unique."},
	} {
		if got := err.Error(); got != want {
			t.Errorf("Error() = %q, want %q", got, want)
		}
	}
}

func TestPolicy_OfACanonicalDocument(t *testing.T) {
	d := mustParse(t, `{"Version":"2012-10-17","Id":"i","Statement":{"Sid":"S","Effect":"Deny",
		"Principal":{"Federated":"f","AWS":["111111111111","*"]},"NotPrincipal":{"CanonicalUser":"c"},
		"Action":"S3:x","NotAction":["b:y","b:x"],"Resource":"r","NotResource":[],
		"Condition":{"StringEquals":{"aws:b":"2","aws:a":["1","0"]}}}}`)
	want := Policy{
		Version: Version2012,
		ID:      "i",
		Statements: []Statement{{
			SID:           "S",
			Effect:        Deny,
			Principals:    []Principal{{AWS, "*"}, {AWS, "111111111111"}, {Federated, "f"}},
			NotPrincipals: []Principal{{CanonicalUser, "c"}},
			Actions:       []string{"s3:x"},
			NotActions:    []string{"b:x", "b:y"},
			Resources:     []string{"r"},
			NotResources:  []string{},
			Conditions: []Condition{
				{"StringEquals", "aws:a", []string{"0", "1"}},
				{"StringEquals", "aws:b", []string{"2"}},
			},
		}},
	}
	if diff := cmp.Diff(want, d.Policy()); diff != "" {
		t.Errorf("Policy(): -want, +got:\n%s", diff)
	}
}

func TestPolicy_OfOtherTextIsCanonicalized(t *testing.T) {
	want := Policy{Version: Version2008, Statements: []Statement{{Actions: []string{"s3:x"}}}}
	if diff := cmp.Diff(want, Document(`{"Statement":{"Action":["S3:X"]}}`).Policy()); diff != "" {
		t.Errorf("A text that is not canonical becomes so.\n-want, +got:\n%s", diff)
	}
}

func TestPolicy_OfUnreadableTextGrantsNothing(t *testing.T) {
	if diff := cmp.Diff(Policy{}, Document(`{"Statement":[{"Effect":"Allow"},1]}`).Policy()); diff != "" {
		t.Errorf("What cannot be read grants nothing, not even half.\n-want, +got:\n%s", diff)
	}
}

// Two conditions on one key must both hold, which JSON cannot say. The text
// must not say less: it says it twice, and IAM rejects it.
func TestDocument_KeepsContradictoryConditions(t *testing.T) {
	p := Policy{Version: Version2012, Statements: []Statement{{Conditions: []Condition{
		{"StringEquals", "aws:a", []string{"1"}},
		{"stringequals", "AWS:a", nil},
	}}}}
	want := Document(inStatement(`"Condition":{"StringEquals":{"aws:a":[],"aws:a":"1"}}`))
	if diff := cmp.Diff(want, p.Document()); diff != "" {
		t.Errorf("Document(): -want, +got:\n%s", diff)
	}
	if d, err := Parse([]byte(p.Document())); err == nil {
		t.Errorf("Parse(%s) = %s, want an error", p.Document(), d)
	}
}

func TestSize_CountsCharactersWithoutWhiteSpace(t *testing.T) {
	for raw, want := range map[string]int{
		"":                         0,
		" \t\r\n":                  0,
		`{"Sid": "a b",` + "\n}":   13,
		"é" /* one character */ :   1,
		`{"Version":"2012-10-17"}`: 24,
	} {
		if got := Size(raw); got != want {
			t.Errorf("Size(%q) = %d, want %d", raw, got, want)
		}
	}
}
