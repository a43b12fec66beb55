package awslocal_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func TestRolePolicies_Lifecycle(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	ctx := t.Context()
	e.createRole(t, "r")
	name, own, readOnly := aws.String("r"), e.createPolicy(t, "own"), "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"
	for _, arn := range []string{readOnly, own, own} { // attaching twice is not an error
		must(e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: &arn}))(t)
	}
	for _, inline := range []string{"z", "a", "z"} {
		must(e.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: &inline, PolicyDocument: aws.String(readS3)}))(t)
	}

	attached := must(e.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name}))(t)
	want := []iamtypes.AttachedPolicy{
		{PolicyArn: &readOnly, PolicyName: aws.String("ViewOnlyAccess")},
		{PolicyArn: &own, PolicyName: aws.String("own")},
	}
	if diff := cmp.Diff(want, attached.AttachedPolicies, ignoreUnexported); diff != "" {
		t.Errorf("attached: -want, +got:\n%s", diff)
	}
	inPath := must(e.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name, PathPrefix: aws.String("/job-function/")}))(t)
	if len(inPath.AttachedPolicies) != 1 {
		t.Errorf("attached in /job-function/: %v", inPath.AttachedPolicies)
	}
	inline := must(e.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name}))(t)
	if diff := cmp.Diff([]string{"a", "z"}, inline.PolicyNames); diff != "" {
		t.Errorf("inline: -want, +got:\n%s", diff)
	}

	for _, arn := range []string{readOnly, own} {
		must(e.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: &arn}))(t)
	}
	for _, inline := range []string{"a", "z"} {
		must(e.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: &inline}))(t)
	}
	must(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))(t)
}

// All documents come back as they were sent, encoded as RFC 3986 says.
func TestDocuments_ArePercentEncoded(t *testing.T) {
	const odd = "{\n\t\"Version\": \"2012-10-17\", \"Statement\": {\"Sid\": \"a1\", \"Effect\": \"Allow\", \"Action\": \"s3:*\"," +
		" \"Resource\": \"arn:aws:s3:::a b+c~d_e-f.g!*'()%20ü/${aws:username}\"}}"
	e := newEndpoint(t, awslocal.Options{})
	ctx := t.Context()
	trust := strings.Replace(ec2Trust, `{"Version`, "{ \"Id\": \"a+b ~ü\",\n\"Version", 1)
	e.createRole(t, "r", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = &trust })
	must(e.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: aws.String(odd)}))(t)
	made := must(e.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("m"), PolicyDocument: aws.String(odd)}))(t).Policy

	details := must(e.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{}))(t)
	for name, tc := range map[string]struct{ encoded, want string }{
		"GetRole":          {*must(e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("r")}))(t).Role.AssumeRolePolicyDocument, trust},
		"ListRoles":        {*must(e.iam.ListRoles(ctx, &iam.ListRolesInput{}))(t).Roles[0].AssumeRolePolicyDocument, trust},
		"GetRolePolicy":    {*must(e.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p")}))(t).PolicyDocument, odd},
		"GetPolicyVersion": {*must(e.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v1")}))(t).PolicyVersion.Document, odd},
		"DetailsTrust":     {*details.RoleDetailList[0].AssumeRolePolicyDocument, trust},
		"DetailsInline":    {*details.RoleDetailList[0].RolePolicyList[0].PolicyDocument, odd},
		"DetailsManaged":   {*details.Policies[0].PolicyVersionList[0].Document, odd},
	} {
		t.Run(name, func(t *testing.T) {
			if i := strings.IndexFunc(tc.encoded, func(r rune) bool {
				return !strings.ContainsRune("%-._~ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", r)
			}); i >= 0 {
				t.Errorf("%q is not encoded: %s", tc.encoded[i:i+1], tc.encoded)
			}
			if got := must(url.PathUnescape(tc.encoded))(t); got != tc.want {
				t.Errorf("decoded: %s\nwant: %s", got, tc.want)
			}
		})
	}
}

func TestPolicyVersions_Lifecycle(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	ctx := t.Context()
	arn := e.createPolicy(t, "p")
	create := func(asDefault bool) string {
		out := must(e.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
			PolicyArn: &arn, PolicyDocument: aws.String(readS3), SetAsDefault: asDefault,
		}))(t)
		if out.PolicyVersion.IsDefaultVersion != asDefault || out.PolicyVersion.Document != nil {
			t.Errorf("CreatePolicyVersion answers %v", out.PolicyVersion)
		}
		return *out.PolicyVersion.VersionId
	}
	versions := func() (ids []string) {
		for _, v := range must(e.iam.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: &arn}))(t).Versions {
			id := *v.VersionId
			if v.IsDefaultVersion {
				id += "*"
			}
			ids = append(ids, id)
		}
		return ids
	}
	step := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, versions()); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", what, diff)
		}
	}
	create(true)
	create(false)
	step("two more", "v3", "v2*", "v1")
	clock.advance(time.Minute)
	must(e.iam.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: aws.String("v3")}))(t)
	must(e.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: aws.String("v1")}))(t)
	step("another default", "v3*", "v2")
	if got := must(e.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn}))(t).Policy; !got.UpdateDate.Equal(clock.at.Add(-time.Minute)) {
		t.Errorf("the policy was updated at %v; only new versions are updates", got.UpdateDate)
	}
	if id := create(false); id != "v4" {
		t.Errorf("numbers are used again: %s", id)
	}
	if got := must(e.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn}))(t).Policy; *got.DefaultVersionId != "v3" || !got.UpdateDate.Equal(clock.at) {
		t.Errorf("the default version is %s, updated at %v", *got.DefaultVersionId, got.UpdateDate)
	}
}

func TestPolicies_AttachmentsAreCounted(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	ctx := t.Context()
	used, limit := e.createPolicy(t, "used"), e.createPolicy(t, "limit")
	e.createPolicy(t, "idle")
	e.createRole(t, "r", func(in *iam.CreateRoleInput) { in.PermissionsBoundary = &limit })
	must(e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: &used}))(t)

	for name, tc := range map[string]struct {
		in   iam.ListPoliciesInput
		want []string
	}{
		"Local":       {iam.ListPoliciesInput{Scope: "Local"}, []string{"idle", "limit", "used"}},
		"Attached":    {iam.ListPoliciesInput{OnlyAttached: true}, []string{"used"}},
		"Permissions": {iam.ListPoliciesInput{PolicyUsageFilter: "PermissionsPolicy"}, []string{"used"}},
		"Boundaries":  {iam.ListPoliciesInput{PolicyUsageFilter: "PermissionsBoundary"}, []string{"limit"}},
		"Path": {iam.ListPoliciesInput{Scope: "AWS", PathPrefix: aws.String("/job-function/")}, []string{
			"AWSManagementConsoleAdministratorAccess", "Billing", "DataScientist", "DatabaseAdministrator", "NetworkAdministrator", "SupportUser", "SystemAdministrator", "ViewOnlyAccess",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range must(e.iam.ListPolicies(ctx, &tc.in))(t).Policies {
				got = append(got, *p.PolicyName)
				if p.Tags != nil || p.Description != nil {
					t.Errorf("ListPolicies shows tags or description: %v", p)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestPolicies_Counts(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	ctx := t.Context()
	used, limit := e.createPolicy(t, "used"), e.createPolicy(t, "limit")
	e.createRole(t, "r", func(in *iam.CreateRoleInput) { in.PermissionsBoundary = &limit })
	must(e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: &used}))(t)

	got := must(e.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &used}))(t).Policy
	if *got.AttachmentCount != 1 || *got.PermissionsBoundaryUsageCount != 0 || !got.IsAttachable || got.Tags == nil {
		t.Errorf("GetPolicy answers %+v", got)
	}
	entities := must(e.iam.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &limit}))(t)
	if len(entities.PolicyRoles) != 1 || *entities.PolicyRoles[0].RoleName != "r" {
		t.Errorf("ListEntitiesForPolicy answers %v", entities.PolicyRoles)
	}
	byUse := must(e.iam.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &limit, PolicyUsageFilter: "PermissionsPolicy"}))(t)
	if len(byUse.PolicyRoles) != 0 {
		t.Errorf("a boundary is not a permissions policy: %v", byUse.PolicyRoles)
	}
}

// Tags of policies have keys with case, and are listed short keys first.
func TestPolicies_TagKeysAreCaseSensitive(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	ctx := t.Context()
	arn := e.createPolicy(t, "p")
	var tags []iamtypes.Tag
	for _, k := range []string{"abc", "b", "z", "a", "A"} {
		tags = append(tags, iamtypes.Tag{Key: &k, Value: aws.String("v")})
	}
	must(e.iam.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: &arn, Tags: tags}))(t)
	must(e.iam.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: &arn, TagKeys: []string{"z"}}))(t)
	first := must(e.iam.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: &arn, MaxItems: aws.Int32(3)}))(t)
	second := must(e.iam.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: &arn, Marker: first.Marker}))(t)
	var got []string
	for _, tag := range append(first.Tags, second.Tags...) {
		got = append(got, *tag.Key)
	}
	if diff := cmp.Diff([]string{"A", "a", "b", "abc"}, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestPolicies_Errors(t *testing.T) {
	attach := func(role, arn string) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn}))
		}
	}
	version := func(arn, id string) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: &id}))
		}
	}
	remove := func(arn string) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn}))
		}
	}
	none := policyARN("none")
	runErrors(t, map[string]errorCase{
		"AttachNoARN": {
			call: attach("r", "longpolicynamebutnoarn"),
			want: failure{400, "ValidationError", "ARN longpolicynamebutnoarn is not valid."},
		},
		"AttachOtherPartition": {
			reason: "IAM compares all parts of an ARN.",
			call:   attach("r", "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"),
			want:   failure{400, "ValidationError", "Invalid ARN partition"},
		},
		"AttachOtherService": {
			call: attach("r", "arn:aws:s3::aws:policy/ReadOnlyAccess"),
			want: failure{400, "ValidationError", "ARN arn:aws:s3::aws:policy/ReadOnlyAccess is not valid."},
		},
		"AttachRegion": {
			call: attach("r", "arn:aws:iam:us-east-1:aws:policy/ReadOnlyAccess"),
			want: failure{400, "ValidationError", "ARN arn:aws:iam:us-east-1:aws:policy/ReadOnlyAccess is not valid."},
		},
		"AttachRole": {
			call: attach("r", roleARN("r")),
			want: failure{400, "ValidationError", "ARN " + roleARN("r") + " is not valid."},
		},
		"AttachTrailingSpace": {
			call: attach("r", "arn:aws:iam::aws:policy/ReadOnlyAccess "),
			want: failure{400, "ValidationError", "ARN arn:aws:iam::aws:policy/ReadOnlyAccess  is not valid."},
		},
		"AttachNotCarried": {
			reason: "An AWS managed policy that this endpoint does not have is not taken for a misspelled one.",
			call:   attach("r", "arn:aws:iam::aws:policy/NewServiceFullAccess"),
			want: failure{404, "NoSuchEntity", "Policy arn:aws:iam::aws:policy/NewServiceFullAccess does not exist or is not attachable. " +
				"(This is awslocal, which has AWS's policies of an earlier day and not NewServiceFullAccess: check the name in AWS, and use one of aws iam list-policies --scope AWS here.)"},
		},
		"GetOldVersion": {
			reason: "Nor is a version of an AWS managed policy that it does not have.",
			call:   version("arn:aws:iam::aws:policy/ReadOnlyAccess", "v1"),
			want: failure{404, "NoSuchEntity", "Policy arn:aws:iam::aws:policy/ReadOnlyAccess version v1 does not exist or is not attachable. " +
				"(This is awslocal, which does not have all versions of AWS's policies: of this one v182.)"},
		},
		"AttachMissing": {
			call: attach("r", none),
			want: failure{404, "NoSuchEntity", "Policy " + none + " does not exist or is not attachable."},
		},
		"AttachServiceRolePolicy": {
			call: attach("r", "arn:aws:iam::aws:policy/aws-service-role/AWSTrustedAdvisorServiceRolePolicy"),
			want: failure{400, "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role."},
		},
		"AttachToNobody": {
			call: attach("absent", policyARN("used")),
			want: failure{404, "NoSuchEntity", "The role with name absent cannot be found."},
		},
		"DetachNotAttached": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: &none}))
			},
			want: failure{404, "NoSuchEntity", "Policy " + none + " was not found."},
		},
		"GetMissing": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &none}))
			},
			want: failure{404, "NoSuchEntity", "Policy " + none + " was not found."},
		},
		"EntitiesOfMissing": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &none}))
			},
			want: failure{404, "NoSuchEntity", "Policy " + none + " does not exist or is not attachable."},
		},
		"TagMissing": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: &none, Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("")}}}))
			},
			want: failure{404, "NoSuchEntity", "Policy " + none + " was not found."},
		},
		"DuplicateTags": {
			call: func(ctx context.Context, e *endpoint) error {
				k := iamtypes.Tag{Key: aws.String("k"), Value: aws.String("")}
				return ignore(e.iam.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: aws.String(policyARN("used")), Tags: []iamtypes.Tag{k, k}}))
			},
			want: failure{400, "InvalidInput", "Duplicate tag keys found."},
		},
		"Exists": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("USED"), PolicyDocument: aws.String(readS3)}))
			},
			want: failure{409, "EntityAlreadyExists", "A policy called USED already exists. Duplicate names are not allowed."},
		},
		"Malformed": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("new"), PolicyDocument: aws.String("{}")}))
			},
			want: failure{400, "MalformedPolicyDocument", "Syntax errors in policy."},
		},
		"DeleteAttached": {
			call: remove(policyARN("used")),
			want: failure{409, "DeleteConflict", "Cannot delete a policy attached to entities."},
		},
		"DeleteWithVersions": {
			call: remove(policyARN("versions")),
			want: failure{409, "DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."},
		},
		"DeleteAWS": {
			reason: "The account cannot change AWS managed policies.",
			call:   remove("arn:aws:iam::aws:policy/ReadOnlyAccess"),
			want:   failure{403, "AccessDenied", "User: arn:aws:iam::123456789012:user/awslocal is not authorized to perform: iam:DeletePolicy on resource: policy arn:aws:iam::aws:policy/ReadOnlyAccess"},
		},
		"NoVersion": {
			call: version(policyARN("versions"), "v9"),
			want: failure{404, "NoSuchEntity", "Policy " + policyARN("versions") + " version v9 does not exist or is not attachable."},
		},
		"VersionOfMissing": {
			call: version(none, "v1"),
			want: failure{404, "NoSuchEntity", "Policy " + none + " version v1 does not exist or is not attachable."},
		},
		"VersionID": {
			call: version(policyARN("versions"), "first"),
			want: failure{400, "ValidationError", `1 validation error detected: Value at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`},
		},
		"DeleteDefaultVersion": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: aws.String(policyARN("versions")), VersionId: aws.String("v1")}))
			},
			want: failure{409, "DeleteConflict", "Cannot delete the default version of a policy."},
		},
		"GetInlineMissing": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("none")}))
			},
			want: failure{404, "NoSuchEntity", "The role policy with name none cannot be found."},
		},
		"DeleteInlineMissing": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("none")}))
			},
			want: failure{404, "NoSuchEntity", "The role policy with name none cannot be found."},
		},
		"InlineMalformed": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: aws.String("no")}))
			},
			want: failure{400, "MalformedPolicyDocument", "Syntax errors in policy."},
		},
		"InlineCharacters": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: aws.String("☃")}))
			},
			want: failure{400, "ValidationError", "The specified value for policyDocument is invalid. It must contain only printable ASCII characters."},
		},
	}, func(t *testing.T, e *endpoint) {
		t.Helper()
		ctx := t.Context()
		e.createRole(t, "r")
		used, versions := e.createPolicy(t, "used"), e.createPolicy(t, "versions")
		must(e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: &used}))(t)
		must(e.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &versions, PolicyDocument: aws.String(readS3)}))(t)
	}, awslocal.Options{})
}
