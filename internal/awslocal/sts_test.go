package awslocal_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/podidentity/podidentity-operator/internal/awslocal"
)

func TestCallerIdentity(t *testing.T) {
	for name, tc := range map[string]struct {
		o             awslocal.Options
		arn, idPrefix string
	}{
		"Default":   {awslocal.Options{}, "arn:aws:iam::123456789012:user/awslocal", "AIDA"},
		"Partition": {awslocal.Options{Partition: "aws-cn"}, "arn:aws-cn:iam::123456789012:user/awslocal", "AIDA"},
		"Root":      {awslocal.Options{CallerARN: "arn:aws:iam::123456789012:root"}, "arn:aws:iam::123456789012:root", "123456789012"},
		"Role": {
			awslocal.Options{CallerARN: "arn:aws:sts::123456789012:assumed-role/operator/session"},
			"arn:aws:sts::123456789012:assumed-role/operator/session", "AROA",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, tc.o)
			got := must(e.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
			if *got.Arn != tc.arn || *got.Account != account || (*got.UserId)[:len(tc.idPrefix)] != tc.idPrefix {
				t.Errorf("caller = %s, %s, %s", *got.Arn, *got.Account, *got.UserId)
			}
		})
	}
}

func assume(role, session string, edit ...func(*sts.AssumeRoleInput)) func(context.Context, *endpoint) (*sts.AssumeRoleOutput, error) {
	return func(ctx context.Context, e *endpoint) (*sts.AssumeRoleOutput, error) {
		in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session}
		for _, f := range edit {
			f(in)
		}
		return e.sts.AssumeRole(ctx, in)
	}
}

func tagged(key, value string, transitive ...string) func(*sts.AssumeRoleInput) {
	return func(in *sts.AssumeRoleInput) {
		in.Tags = append(in.Tags, types.Tag{Key: &key, Value: &value})
		in.TransitiveTagKeys = append(in.TransitiveTagKeys, transitive...)
	}
}

// A role can be assumed from a role; what it passes on stays.
func TestAssumeRole(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	for _, name := range []string{"first", "second"} {
		e.createRole(t, name, func(in *iam.CreateRoleInput) {
			in.AssumeRolePolicyDocument, in.MaxSessionDuration = aws.String(anyTrust), aws.Int32(7200)
		})
	}
	out := must(assume(roleARN("first"), "one", tagged("k", "v", "k"))(t.Context(), e))(t)
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/first/one" {
		t.Errorf("AssumeRole answers %+v", out)
	}
	first := clients(e.Server, e.url, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	second := must(assume(roleARN("second"), "two")(t.Context(), first))(t)
	if *second.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/second/two" {
		t.Errorf("from a role: %+v", second)
	}

	for name, tc := range map[string]struct {
		call func(context.Context, *endpoint) (*sts.AssumeRoleOutput, error)
		want failure
	}{
		"Override": {
			call: assume(roleARN("second"), "two", tagged("K", "other")),
			want: failure{400, "InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."},
		},
		"Chained": {
			call: assume(roleARN("second"), "two", func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7200) }),
			want: failure{400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tc.call(t.Context(), first)
			if got := failureOf(t, err); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAssumeRoleErrors(t *testing.T) {
	user := "arn:aws:iam::123456789012:user/awslocal"
	call := func(role string, edit ...func(*sts.AssumeRoleInput)) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error { return ignore(assume(role, "session", edit...)(ctx, e)) }
	}
	runErrors(t, map[string]errorCase{
		"Untrusted": {
			call: call(roleARN("ec2")),
			want: failure{403, "AccessDenied", "User: " + user + " is not authorized to perform: sts:AssumeRole on resource: " + roleARN("ec2")},
		},
		"Unknown": {
			reason: "As for a role that does not trust the caller.",
			call:   call(roleARN("nobody")),
			want:   failure{403, "AccessDenied", "User: " + user + " is not authorized to perform: sts:AssumeRole on resource: " + roleARN("nobody")},
		},
		"NoTags": {
			call: call(roleARN("untagged"), tagged("k", "v")),
			want: failure{403, "AccessDenied", "User: " + user + " is not authorized to perform: sts:TagSession on resource: " + roleARN("untagged")},
		},
		"ExternalID": {
			call: call(roleARN("external"), func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("wrong") }),
			want: failure{403, "AccessDenied", "User: " + user + " is not authorized to perform: sts:AssumeRole on resource: " + roleARN("external")},
		},
		"DuplicateTags": {
			call: call(roleARN("any"), tagged("k", "1"), tagged("K", "2")),
			want: failure{400, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		},
		"TransitiveTag": {
			call: call(roleARN("any"), tagged("k", "1", "other")),
			want: failure{400, "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."},
		},
		"SeveralMistakes": {
			reason: "STS names the pattern before the length.",
			call:   func(ctx context.Context, e *endpoint) error { return ignore(assume(roleARN("any"), "/")(ctx, e)) },
			want: failure{400, "ValidationError", "2 validation errors detected: Value '/' at 'roleSessionName' failed to satisfy constraint: " +
				`Member must satisfy regular expression pattern: [\w+=,.@-]*; Value '/' at 'roleSessionName' failed to satisfy constraint: ` +
				"Member must have length greater than or equal to 2"},
		},
		"SessionPolicy": {
			call: call(roleARN("any"), func(in *sts.AssumeRoleInput) { in.Policy = aws.String("[]") }),
			want: failure{400, "MalformedPolicyDocument", "Syntax errors in policy."},
		},
	}, func(t *testing.T, e *endpoint) {
		t.Helper()
		for name, trust := range map[string]*string{
			"ec2": aws.String(ec2Trust), "any": aws.String(anyTrust),
			"untagged": document(`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}`),
			"external": document(`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"right"}}}`),
		} {
			e.createRole(t, name, func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = trust })
		}
	}, awslocal.Options{})
}
