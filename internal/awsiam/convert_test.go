package awsiam

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

func TestDocument_DecodesAndCanonicalizes(t *testing.T) {
	cases := map[string]struct {
		reason, encoded string
		want            policy.Document
	}{
		"Encoded": {
			reason:  "IAM encodes by RFC 3986: a space is %20, and + stands for itself.",
			encoded: "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3AGetObject%22%2C%22Resource%22%3A%22arn%3Aaws%3As3%3A%3A%3Aa+b%2520c%2F%24%7Baws%3Ausername%7D%20%C3%A9%2A%22%7D%5D%7D",
			want:    allow(t, "s3:GetObject"),
		},
		"Plain": {
			reason:  "A document that is not encoded is also decoded.",
			encoded: string(policy.DenyAllTrust()),
			want:    policy.DenyAllTrust(),
		},
		"NotAPolicy": {
			reason:  "A text that is not a policy is returned as it is, and equals no desired policy.",
			encoded: "%7B%22Version%22%3A%221999%22%7D",
			want:    `{"Version":"1999"}`,
		},
		"NotEncoded": {
			reason:  "A text that cannot be decoded is returned as it is.",
			encoded: "100%",
			want:    "100%",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, document(tc.encoded)); diff != "" {
				t.Errorf("document(...): -want, +got:\n%s", diff)
			}
		})
	}
}

func TestTags_ConvertBothWays(t *testing.T) {
	list := tagList(map[string]string{"b": "2", "a": "1", "c": ""})
	want := []iamtypes.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}, {Key: aws.String("c"), Value: aws.String("")}}
	if diff := cmp.Diff(want, list, cmpopts.IgnoreUnexported(iamtypes.Tag{})); diff != "" {
		t.Errorf("tagList(...): -want, +got:\n%s", diff)
	}

	// The tags of CloudFormation cannot be taken away, so they are not there.
	got := tagMap(append(slices.Clone(list), iamtypes.Tag{Key: aws.String("aws:cloudformation:stack-name"), Value: aws.String("x")}))
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2", "c": ""}, got); diff != "" {
		t.Errorf("tagMap(...): -want, +got:\n%s", diff)
	}
}

// unknownChange is a change that Apply does not know.
type unknownChange struct{ plan.Change }
