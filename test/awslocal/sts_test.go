package awslocal_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func TestGetCallerIdentity_OfEveryCaller(t *testing.T) {
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
func TestAssumeRole_FromARole(t *testing.T) {
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
			want: failure{400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
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

// A session lasts as long as the caller asks, unless it is to be shorter.
func TestAssumeRole_SessionDuration(t *testing.T) {
	for name, tc := range map[string]struct {
		bound, want time.Duration
	}{
		"AsAsked": {0, time.Hour},
		"Bounded": {10 * time.Second, 10 * time.Second},
		"Longer":  {2 * time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			e := newEndpoint(t, awslocal.Options{Clock: clock.now, Faults: awslocal.Faults{SessionDuration: awslocal.Duration(tc.bound)}})
			e.createRole(t, "any", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(anyTrust) })
			began := clock.now()
			out := must(assume(roleARN("any"), "session")(t.Context(), e))(t)
			if got := out.Credentials.Expiration.Sub(began); got != tc.want {
				t.Errorf("The session lasts %s, want %s.", got, tc.want)
			}
		})
	}
}

func TestAssumeRole_Errors(t *testing.T) {
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
			reason: "The message is that for a role that does not trust the caller.",
			call:   call(roleARN("absent")),
			want:   failure{403, "AccessDenied", "User: " + user + " is not authorized to perform: sts:AssumeRole on resource: " + roleARN("absent")},
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
			reason: "STS checks the pattern before the length.",
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

// The parameters of a session, valid and invalid.
func TestAssumeRole_Inputs(t *testing.T) {
	long := func(n int) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) { in.Policy = sized(n) }
	}
	by := func(identity string) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) { in.SourceIdentity = &identity }
	}
	limits := func(in *sts.AssumeRoleInput) {
		in.PolicyArns = []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}}
	}
	for name, tc := range map[string]struct {
		reason   string
		role     string
		edit     []func(*sts.AssumeRoleInput)
		size     int32
		identity string
		want     failure
	}{
		"Plain":          {"", "any", nil, 0, "", failure{}},
		"Policy":         {"The size is a percentage; white space does not count.", "any", []func(*sts.AssumeRoleInput){long(512)}, 50, "", failure{}},
		"ManagedPolicy":  {"The ARN of a managed policy counts.", "any", []func(*sts.AssumeRoleInput){limits}, 4, "", failure{}},
		"Tags":           {"", "any", []func(*sts.AssumeRoleInput){tagged("key", "value")}, 2, "", failure{}},
		"LongPolicy":     {"", "any", []func(*sts.AssumeRoleInput){long(1029)}, 0, "", failure{400, "PackedPolicyTooLarge", "Packed policy consumes 101% of allotted space, please use smaller policy."}},
		"LongTags":       {"", "any", []func(*sts.AssumeRoleInput){tagged("a", strings.Repeat("v", 256)), tagged("b", strings.Repeat("v", 200))}, 0, "", failure{400, "PackedPolicyTooLarge", "Packed size of session tags consumes 115% of allotted space."}},
		"SourceIdentity": {"", "known", []func(*sts.AssumeRoleInput){by("alice")}, 0, "alice", failure{}},
		"NoIdentity":     {"The trust policy must allow the source identity.", "any", []func(*sts.AssumeRoleInput){by("alice")}, 0, "", failure{403, "AccessDenied", "User: arn:aws:iam::123456789012:user/awslocal is not authorized to perform: sts:SetSourceIdentity on resource: " + roleARN("any")}},
		"OtherIdentity":  {"The trust policy may have a condition on the source identity.", "known", []func(*sts.AssumeRoleInput){by("bob")}, 0, "", failure{403, "AccessDenied", "User: arn:aws:iam::123456789012:user/awslocal is not authorized to perform: sts:AssumeRole on resource: " + roleARN("known")}},
		"Denied":         {"The message names an explicit deny.", "closed", nil, 0, "", failure{403, "AccessDenied", "User: arn:aws:iam::123456789012:user/awslocal is not authorized to perform: sts:AssumeRole on resource: " + roleARN("closed") + " with an explicit deny in a resource-based policy"}},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{})
			for role, trust := range map[string]*string{
				"any":    aws.String(anyTrust),
				"known":  document(`{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"],"Condition":{"StringEquals":{"sts:SourceIdentity":"alice"}}}`),
				"closed": document(`[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:*"}]`),
			} {
				e.createRole(t, role, func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = trust })
			}
			out, err := assume(roleARN(tc.role), "me", tc.edit...)(t.Context(), e)
			if tc.want != (failure{}) {
				if got := failureOf(t, err); got != tc.want {
					t.Errorf("got %v, want %v", got, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			packed := out.PackedPolicySize //nolint:staticcheck // deprecated, but AWS still answers with it
			if aws.ToInt32(packed) != tc.size || (packed != nil) != (tc.size > 0) || aws.ToString(out.SourceIdentity) != tc.identity {
				t.Errorf("size %d, want %d; source identity %q, want %q", aws.ToInt32(packed), tc.size, aws.ToString(out.SourceIdentity), tc.identity)
			}
		})
	}
}

// Tokens are as long as a caller asks, and AWS tells how long they are.
func TestAssumeRole_PackedPolicySize(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	e.createRole(t, "any", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(anyTrust) })
	for _, tc := range []struct{ least, size, utilization int32 }{{0, 352, 9}, {100, 352, 9}, {1000, 1000, 25}, {4096, 4096, 100}} {
		out := must(assume(roleARN("any"), "me", func(in *sts.AssumeRoleInput) { in.MinimumSessionTokenSize = &tc.least })(t.Context(), e))(t)
		got := []int32{int32(len(*out.Credentials.SessionToken)), aws.ToInt32(out.SessionTokenSize), aws.ToInt32(out.SessionTokenUtilization)}
		if diff := cmp.Diff([]int32{tc.size, tc.size, tc.utilization}, got); diff != "" {
			t.Errorf("at least %d: -want, +got:\n%s", tc.least, diff)
		}
	}
	_, err := assume(roleARN("any"), "me", func(in *sts.AssumeRoleInput) { in.MinimumSessionTokenSize = aws.Int32(4097) })(t.Context(), e)
	want := failure{400, "ValidationError", "1 validation error detected: Value '4097' at 'minimumSessionTokenSize' failed to satisfy constraint: " +
		"Member must have value less than or equal to 4096"}
	if got := failureOf(t, err); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The root user assumes no roles, and the credentials of a deleted role are no longer
// valid.
func TestAssumeRole_RejectsCallersWithoutARole(t *testing.T) {
	root := newEndpoint(t, awslocal.Options{CallerARN: "arn:aws:iam::123456789012:root"})
	root.createRole(t, "any", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(anyTrust) })
	_, err := assume(roleARN("any"), "me")(t.Context(), root)
	if got, want := failureOf(t, err), (failure{403, "AccessDenied", "Roles may not be assumed by root accounts."}); got != want {
		t.Errorf("root: got %v, want %v", got, want)
	}

	e := newEndpoint(t, awslocal.Options{})
	remake := func() {
		e.createRole(t, "any", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(anyTrust) })
	}
	remake()
	c := must(assume(roleARN("any"), "me")(t.Context(), e))(t).Credentials
	session := clients(e.Server, e.url, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	must(session.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	must(e.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("any")}))(t)
	remake() // another one of that name
	_, err = session.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if got, want := failureOf(t, err), (failure{403, "InvalidClientTokenId", "The security token included in the request is invalid."}); got != want {
		t.Errorf("a session of a role that is gone: got %v, want %v", got, want)
	}
}
