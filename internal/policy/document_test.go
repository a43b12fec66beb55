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
			reason: "White space does not matter.",
			a:      "\n{ \"Version\" : \"2012-10-17\",\t\"Statement\" : [ ] }\r\n",
			b:      `{"Version":"2012-10-17","Statement":[]}`,
		},
		"PercentEncodedOnce": {
			reason: "IAM's read calls return documents percent-encoded, with %20 for a space and %2B for a plus.",
			a:      `%7B%22Statement%22%3A%5B%7B%22Resource%22%3A%22a%20b%2Bc%2541%22%7D%5D%7D`,
			b:      `{"Statement":[{"Resource":"a b+c%41"}]}`,
		},
		"PlusIsNoSpace": {
			reason: "RFC 3986 does not encode a plus, and a role name may contain one.",
			a:      `%7B%22Statement%22:[%7B%22Resource%22:%22a+b%22%7D]}`,
			b:      `{"Statement":{"Resource":"a+b"}}`,
		},
		"StringOrList": {
			reason: "A single value and a single statement need no brackets.",
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
			reason: "A repeated value, principal or statement counts once.",
			a:      `{"Statement":[{"Action":["a:b","A:B","a:b"],"NotPrincipal":{"AWS":["x","x"]}},{"Action":"a:b","NotPrincipal":{"AWS":"x"}}]}`,
			b:      `{"Statement":[{"Action":"a:b","NotPrincipal":{"AWS":"x"}}]}`,
		},
		"CaseOfActions": {
			reason: "Actions are case-insensitive.",
			a:      inStatement(`"Action":"S3:GetObject","NotAction":"EC2:Describe*"`),
			b:      inStatement(`"Action":"s3:getobject","NotAction":"ec2:describe*"`),
		},
		"CaseOfTrustActions": {
			reason: "People read trust policies, so their actions get AWS's spelling.",
			a:      inStatement(`"Action":["STS:assumerolewithwebidentity","sts:tagsession"]`),
			b:      inStatement(`"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`),
			want:   Document(inStatement(`"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`)),
		},
		"CaseOfConditions": {
			reason: "Keys are case-insensitive; operators are not in IAM, so they get the spelling that IAM accepts.",
			a:      inStatement(`"Condition":{"forallvalues:STRINGLIKEIFEXISTS":{"AWS:TagKeys":"A"}}`),
			b:      inStatement(`"Condition":{"ForAllValues:StringLikeIfExists":{"aws:tagkeys":"A"}}`),
			want:   Document(inStatement(`"Condition":{"ForAllValues:StringLikeIfExists":{"aws:tagkeys":"A"}}`)),
		},
		"CaseOfClaims": {
			reason: "The name of a claim is a key like any other.",
			a:      inStatement(`"Condition":{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/0A1B:SUB":"x"}}`),
			b:      inStatement(`"Condition":{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/0A1B:sub":"x"}}`),
			want:   Document(inStatement(`"Condition":{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/0A1B:sub":"x"}}`)),
		},
		"BoolsAndNumbers": {
			reason: "Quotation marks are optional for booleans and numbers.",
			a:      inStatement(`"Condition":{"Bool":{"aws:a":true},"NumericEquals":{"aws:b":[10,1.50]}}`),
			b:      inStatement(`"Condition":{"Bool":{"aws:a":"true"},"NumericEquals":{"aws:b":["10","1.50"]}}`),
		},
		"NoCondition": {
			reason: "An empty Condition, or an operator without keys, tests nothing.",
			a:      `{"Statement":[{"Condition":{}},{"Condition":{"Bool":{}}}]}`,
			b:      `{"Statement":[{}]}`,
		},
		"Version": {
			reason: "2008-10-17 is the default.",
			a:      `{"Statement":[]}`,
			b:      `{"Version":"2008-10-17"}`,
		},
		"EmptySidAndId": {
			reason: "Terraform writes an empty Sid if there is none.",
			a:      `{"Id":"","Statement":{"Sid":"","Effect":"Deny"}}`,
			b:      `{"Statement":{"Effect":"Deny"}}`,
		},
		"Account": {
			reason: "IAM replaces an account ID with the ARN of its root user.",
			a:      inStatement(`"Principal":{"AWS":["123456789012","arn:aws-cn:iam::210987654321:root"]}`),
			b:      inStatement(`"Principal":{"AWS":["210987654321","arn:aws:iam::123456789012:root"]}`),
			want:   Document(inStatement(`"Principal":{"AWS":["123456789012","210987654321"]}`)),
		},
		"Anyone": {
			reason: `They are documented as the same, and only the second is valid in a trust policy.`,
			a:      inStatement(`"Principal":"*"`),
			b:      inStatement(`"Principal":{"AWS":"*"}`),
			want:   Document(inStatement(`"Principal":{"AWS":"*"}`)),
		},
		"NoPrincipal": {
			reason: "A type of principal without IDs adds no principal.",
			a:      inStatement(`"Principal":{"AWS":[],"Service":"x"}`),
			b:      inStatement(`"Principal":{"Service":"x"}`),
		},
		"Escapes": {
			reason: "Escapes are one way to write a character; beyond U+00FF they are the only one that IAM accepts.",
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
		"CaseOfResource":  {"Names in ARNs are case-sensitive.", inStatement(`"Resource":"arn:aws:s3:::A"`), inStatement(`"Resource":"arn:aws:s3:::a"`)},
		"CaseOfPrincipal": {"Names of users are case-sensitive.", inStatement(`"Principal":{"AWS":"arn:aws:iam::1:user/A"}`), inStatement(`"Principal":{"AWS":"arn:aws:iam::1:user/a"}`)},
		"CaseOfValue":     {"StringEquals is case-sensitive.", inStatement(`"Condition":{"StringEquals":{"aws:a":"X"}}`), inStatement(`"Condition":{"StringEquals":{"aws:a":"x"}}`)},
		"CaseOfIssuer":    {"The path of a URL is case-sensitive, and contains the ID of a cluster.", inStatement(`"Condition":{"StringEquals":{"a.b/id/X:sub":"x"}}`), inStatement(`"Condition":{"StringEquals":{"a.b/id/x:sub":"x"}}`)},
		"CaseOfIssuerWithPort": {
			"The path is case-sensitive, with and without a port.", inStatement(`"Condition":{"StringEquals":{"localhost:8443/X:sub":"x"}}`),
			inStatement(`"Condition":{"StringEquals":{"localhost:8443/x:sub":"x"}}`),
		},
		"Version":         {"Only the newer version has policy variables.", `{"Version":"2012-10-17"}`, `{}`},
		"Sid":             {"A Sid is part of the document.", inStatement(`"Sid":"A"`), inStatement(`"Sid":"B"`)},
		"Id":              {"An Id is part of the document.", `{"Id":"A"}`, `{"Id":"B"}`},
		"Effect":          {"Allow is not Deny.", inStatement(`"Effect":"Allow"`), inStatement(`"Effect":"Deny"`)},
		"Negation":        {"NotAction is not Action.", inStatement(`"NotAction":"a:b"`), inStatement(`"Action":"a:b"`)},
		"EmptyList":       {"An empty list matches nothing; a missing element is something else.", inStatement(`"Action":[]`), inStatement(``)},
		"EmptyPrincipal":  {"An element without principals differs from no element.", inStatement(`"Principal":{}`), inStatement(``)},
		"EmptyValues":     {"An empty list of values matches nothing.", inStatement(`"Condition":{"Bool":{"aws:a":[]}}`), inStatement(``)},
		"TypeOfPrincipal": {"The type is part of the principal.", inStatement(`"Principal":{"AWS":"x"}`), inStatement(`"Principal":{"Service":"x"}`)},
		"NoRoot":          {"An ARN with a region is not that of a root user.", inStatement(`"Principal":{"AWS":"arn:aws:iam:eu:123456789012:root"}`), inStatement(`"Principal":{"AWS":"123456789012"}`)},
		"Kelvin":          {"Only ASCII letters are case-insensitive.", inStatement(`"Action":"\u212a:x"`), inStatement(`"Action":"k:x"`)},
		"EncodedTwice":    {"A percent sign inside JSON is text.", inStatement(`"Resource":"%41"`), inStatement(`"Resource":"A"`)},
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
		"Empty":          {"An empty text is not a policy.", ``, Error{"", "is not JSON: unexpected end of JSON input (line 1, column 1)"}},
		"NotJSON":        {"The message has the position.", `{"Version":}`, Error{"", "is not JSON: invalid character '}' looking for beginning of value (line 1, column 12)"}},
		"Trailing":       {"Text after the object would be ignored.", `{} {}`, Error{"", "is not JSON: invalid character '{' after top-level value (line 1, column 4)"}},
		"BadEncoding":    {"The text is neither JSON nor percent-encoded.", `%7`, Error{"", `is neither JSON nor percent-encoded JSON: invalid URL escape "%7"`}},
		"EncodedTwice":   {"Only one level of encoding is removed.", `%257B%257D`, Error{"", `is not JSON: invalid character '%' looking for beginning of value (line 1, column 1)`}},
		"TooLarge":       {"The size of a document is bounded.", `{"Id":"` + strings.Repeat("x", maxBytes) + `"}`, Error{"", "is larger than 131072 bytes, which exceeds IAM's limit"}},
		"FarTooLarge":    {"The size of an encoded document is bounded.", strings.Repeat("%20", maxBytes+1), Error{"", "is larger than 131072 bytes, which exceeds IAM's limit"}},
		"NotUTF8":        {"Different invalid bytes would look alike.", "{\"Id\":\"\xff\"}", Error{"", "is not valid UTF-8"}},
		"HalfSurrogate":  {"Half a surrogate pair is not a character.", `{"Id":"\ud800"}`, Error{"Id", "contains invalid Unicode"}},
		"SurrogateName":  {"Nor is it one in a name.", `{"\ud800":1}`, Error{"", "contains invalid Unicode"}},
		"Deep":           {"The depth of lists is bounded.", inStatement(`"Action":` + strings.Repeat("[", 20) + strings.Repeat("]", 20)), Error{"Statement[0].Action" + strings.Repeat("[0]", 14), "is nested too deeply"}},
		"DeepInObject":   {"The depth of objects is bounded.", strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20), Error{"a" + strings.Repeat(".a", 16), "is nested too deeply"}},
		"List":           {"A policy is an object.", `[]`, Error{"", "must be an object, not an array"}},
		"Unknown":        {"An unknown element is not dropped.", `{"Statements":[]}`, Error{"Statements", "unknown element; allowed (case-sensitive): Id, Statement, Version"}},
		"CaseOfElement":  {"The names of elements are case-sensitive.", `{"Statement":[{"effect":"Allow"}]}`, Error{"Statement[0].effect", "unknown element; allowed (case-sensitive): Action, Condition, Effect, NotAction, NotPrincipal, NotResource, Principal, Resource, Sid"}},
		"Duplicate":      {"A second Effect could hide the first one.", inStatement(`"Effect":"Deny","Effect":"Allow"`), Error{"Statement[0].Effect", "duplicate element; remove one of them"}},
		"DuplicateFolds": {"A second key in another case is a duplicate.", inStatement(`"Condition":{"Bool":{"aws:a":"true","AWS:a":"false"}}`), Error{`Statement[0].Condition.Bool["AWS:a"]`, "duplicate in different case; remove one of them"}},
		"DuplicateOp":    {"A second operator in another case is a duplicate.", inStatement(`"Condition":{"Bool":{"aws:a":"true"},"bool":{"aws:a":"false"}}`), Error{`Statement[0].Condition.bool["aws:a"]`, "duplicate in different case; remove one of them"}},
		"Version":        {"There are two versions.", `{"Version":"2012-10-18"}`, Error{"Version", "must be exactly 2012-10-17 or 2008-10-17 (case-sensitive)"}},
		"VersionType":    {"The version is a string.", `{"Version":2012}`, Error{"Version", "must be exactly 2012-10-17 or 2008-10-17 (case-sensitive)"}},
		"IdType":         {"The Id is a string.", `{"Id":1}`, Error{"Id", "must be a string, not a bool or number"}},
		"Effect":         {"The effect is case-sensitive.", inStatement(`"Effect":"allow"`), Error{"Statement[0].Effect", "must be exactly Allow or Deny (case-sensitive)"}},
		"SidType":        {"Null is not a string.", inStatement(`"Sid":null`), Error{"Statement[0].Sid", "must be a string, not null"}},
		"StatementType":  {"Statement is an object or a list.", `{"Statement":"x"}`, Error{"Statement", "must be a statement or an array of statements, not a string"}},
		"StatementItem":  {"The list contains objects.", `{"Statement":[[]]}`, Error{"Statement[0]", "must be an object, not an array"}},
		"OneStatement":   {"An error in a single statement has a path.", `{"Statement":{"Sid":[]}}`, Error{"Statement.Sid", "must be a string, not an array"}},
		"ActionType":     {"An action is a string.", inStatement(`"Action":1`), Error{"Statement[0].Action", "must be a string or an array of strings, not a bool or number"}},
		"ActionItem":     {"An action in a list is a string.", inStatement(`"Action":["a:b",{}]`), Error{"Statement[0].Action[1]", "must be a string, not an object"}},
		"PrincipalText":  {"Only * may be written without a type.", inStatement(`"Principal":"123456789012"`), Error{"Statement[0].Principal", `must be "*" or an object such as {"AWS": "123456789012"}`}},
		"PrincipalType":  {"There are four types of principals.", inStatement(`"NotPrincipal":{"aws":"x"}`), Error{"Statement[0].NotPrincipal.aws", "unknown element; allowed (case-sensitive): AWS, CanonicalUser, Federated, Service"}},
		"PrincipalID":    {"The ID of a principal is a string.", inStatement(`"Principal":{"AWS":123456789012}`), Error{"Statement[0].Principal.AWS", "must be a string or an array of strings, not a bool or number"}},
		"ConditionType":  {"A condition is an object of operators.", inStatement(`"Condition":[]`), Error{"Statement[0].Condition", "must be an object of operators, not an array"}},
		"ConditionKeys":  {"An operator has an object of keys.", inStatement(`"Condition":{"Bool":true}`), Error{"Statement[0].Condition.Bool", "must be an object of condition keys, not a bool or number"}},
		"ConditionValue": {"A key has values.", inStatement(`"Condition":{"Bool":{"aws:a":null}}`), Error{`Statement[0].Condition.Bool["aws:a"]`, "must be a string, bool or number, or an array of them, not null"}},
		"EmptyName":      {"An empty name is quoted in the path.", `{"":1}`, Error{`[""]`, "unknown element; allowed (case-sensitive): Id, Statement, Version"}},
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

// Two conditions on one key must both hold, which JSON cannot express. The text must not
// allow more: it contains both, and IAM rejects it.
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
