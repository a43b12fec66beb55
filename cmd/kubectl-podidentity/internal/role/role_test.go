package role

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseARN_OfRoles(t *testing.T) {
	valid := map[string]ARN{
		"arn:aws:iam::123456789012:role/r":             {Partition: "aws", AccountID: "123456789012", Path: "/", Name: "r"},
		"arn:aws-cn:iam::123456789012:role/a/b/r+=,@-": {Partition: "aws-cn", AccountID: "123456789012", Path: "/a/b/", Name: "r+=,@-"},
	}
	for in, want := range valid {
		got, ok := ParseARN(in)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("ParseARN(%q) = %t: -want, +got:\n%s", in, ok, diff)
		}
	}
	invalid := map[string]string{
		"":                                   "nothing",
		"r":                                  "a name",
		" arn:aws:iam::123456789012:role/r":  "a space",
		"arn:aws:iam::123456789012:role/":    "no name",
		"arn:aws:iam::123456789012:role/a/":  "a path",
		"arn:aws:iam::12345678901:role/r":    "an account of eleven digits",
		"arn:aws:iam::123456789012:policy/r": "a policy",
		"arn:aws:sts::123456789012:assumed-role/r/s":           "a session",
		"arn:aws:iam:eu-west-1:123456789012:role/r":            "IAM has no regions",
		"arn:aws:iam::123456789012:role/*":                     "a pattern",
		"arn:aws:iam::123456789012:role/r;rm -rf ~":            "what a shell would run",
		"arn:aws:iam::123456789012:role/$(id)":                 "what a shell would run",
		"arn:aws:iam::123456789012:role/r\narn:aws:iam::1:x/y": "two lines",
	}
	for in, reason := range invalid {
		if got, ok := ParseARN(in); ok {
			t.Errorf("ParseARN(%q) = %v; it is not a role: %s", in, got, reason)
		}
	}
}

func TestNewDocument_DecodesOnce(t *testing.T) {
	cases := map[string]struct{ reason, in, want string }{
		"Encoded": {"IAM encodes by RFC 3986, in which + is a plus.", "%7B%22Id%22%3A%20%22a+b%22%7D", `{"Id": "a+b"}`},
		"Plain":   {"A percent sign in a plain document stays.", `{"Id": "100%25"}`, `{"Id": "100%25"}`},
		"Broken":  {"A text that cannot be decoded stays as it is.", "%7", "%7"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := NewDocument(tc.in); string(got) != tc.want {
				t.Errorf("NewDocument(%q) = %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

func TestSpelling_IsThatOfTheDocument(t *testing.T) {
	const d Document = `{"Statement":[{"Action":["s3:GetObject","s3:GetObjectAcl"],"Condition":{"StringEquals":{"aws:PrincipalTag/Team":"x"}}}]}`
	for in, want := range map[string]string{
		"s3:getobject":          "s3:GetObject",
		"s3:getobjectacl":       "s3:GetObjectAcl",
		"aws:principaltag/team": "aws:PrincipalTag/Team",
		"s3:putobject":          "s3:putobject",
	} {
		if got := d.Spelling(in); got != want {
			t.Errorf("Spelling(%q) = %q, want %q", in, got, want)
		}
	}
}
