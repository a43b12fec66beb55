package awslocal_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// One call shows all attachments of a role, but neither its description nor its session
// duration.
func TestAccountAuthorizationDetails_ContainAllAttachments(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	ctx := t.Context()
	own := e.createPolicy(t, "own")
	readOnly := "arn:aws:iam::aws:policy/ReadOnlyAccess"
	role := e.createRole(t, "r", func(in *iam.CreateRoleInput) {
		in.Path, in.Description, in.PermissionsBoundary = aws.String("/p/"), aws.String("not shown"), &own
		in.Tags = []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
	}).Role
	for _, arn := range []string{own, readOnly} {
		must(e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: &arn}))(t)
	}
	must(e.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("in"), PolicyDocument: aws.String(readS3)}))(t)
	profile := must(e.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("i")}))(t).InstanceProfile
	must(e.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("i"), RoleName: aws.String("r")}))(t)

	summary := iamtypes.Role{
		Arn: role.Arn, AssumeRolePolicyDocument: aws.String(encodedTrust), CreateDate: aws.Time(clock.at),
		Path: aws.String("/p/"), RoleId: role.RoleId, RoleName: aws.String("r"),
	}
	profile.Roles = []iamtypes.Role{summary}
	want := []iamtypes.RoleDetail{{
		Arn: role.Arn, AssumeRolePolicyDocument: aws.String(encodedTrust), CreateDate: aws.Time(clock.at),
		Path: aws.String("/p/"), RoleId: role.RoleId, RoleName: aws.String("r"),
		AttachedManagedPolicies: []iamtypes.AttachedPolicy{
			{PolicyArn: &own, PolicyName: aws.String("own")}, {PolicyArn: &readOnly, PolicyName: aws.String("ReadOnlyAccess")},
		},
		InstanceProfileList: []iamtypes.InstanceProfile{*profile},
		PermissionsBoundary: &iamtypes.AttachedPermissionsBoundary{PermissionsBoundaryArn: &own, PermissionsBoundaryType: "Policy"},
		RoleLastUsed:        &iamtypes.RoleLastUsed{},
		RolePolicyList:      []iamtypes.PolicyDetail{{PolicyName: aws.String("in"), PolicyDocument: aws.String(encoded(readS3))}},
		Tags:                []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}}
	got := must(e.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []iamtypes.EntityType{"Role"}}))(t)
	if diff := cmp.Diff(want, got.RoleDetailList, ignoreUnexported); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if got.Policies == nil || got.UserDetailList == nil || got.GroupDetailList == nil || len(got.Policies) > 0 {
		t.Errorf("lists without entities are empty, not missing: %+v", got)
	}

	for name, tc := range map[string]struct {
		reason string
		filter []iamtypes.EntityType
		want   []string
	}{
		"All":   {"The policies of the account, and the AWS managed policies that are in use.", nil, []string{"own", "ReadOnlyAccess"}},
		"Local": {"", []iamtypes.EntityType{"LocalManagedPolicy"}, []string{"own"}},
		"AWS":   {"", []iamtypes.EntityType{"AWSManagedPolicy"}, []string{"ReadOnlyAccess"}},
		"User":  {"", []iamtypes.EntityType{"User", "Group"}, nil},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			var got []string
			for _, p := range must(e.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: tc.filter}))(t).Policies {
				got = append(got, *p.PolicyName)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestAccountAuthorizationDetails_Pages(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	for i := range 5 {
		e.createRole(t, fmt.Sprintf("r%d", i))
		e.createPolicy(t, fmt.Sprintf("p%d", i))
	}
	var got []string
	for pages := iam.NewGetAccountAuthorizationDetailsPaginator(e.iam, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(3)}); pages.HasMorePages(); {
		out := must(pages.NextPage(t.Context()))(t)
		page := ""
		for _, r := range out.RoleDetailList {
			page += *r.RoleName
		}
		for _, p := range out.Policies {
			page += *p.PolicyName
		}
		got = append(got, page)
	}
	if diff := cmp.Diff([]string{"r0r1r2", "r3r4p0", "p1p2p3", "p4"}, got); diff != "" {
		t.Errorf("pages go through the kinds of entity: -want, +got:\n%s", diff)
	}
}

// The summary has the keys that AWS's has, and counts what there is.
func TestAccountSummary_HasTheKeysOfAWS(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{Quotas: map[string]int{"RolesQuota": 5000}})
	ctx := t.Context()
	e.createRole(t, "r")
	arn := e.createPolicy(t, "p")
	must(e.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: aws.String(readS3)}))(t)
	must(e.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://x.example")}))(t)
	want := map[string]int32{
		"AccessKeysPerUserQuota": 2, "AccountAccessKeysPresent": 0, "AccountMFAEnabled": 0, "AccountPasswordPresent": 0,
		"AccountSigningCertificatesPresent": 0, "AssumeRolePolicySizeQuota": 2048, "AttachedPoliciesPerGroupQuota": 10,
		"AttachedPoliciesPerRoleQuota": 10, "AttachedPoliciesPerUserQuota": 10, "GlobalEndpointTokenVersion": 1,
		"GroupPolicySizeQuota": 5120, "Groups": 0, "GroupsPerUserQuota": 10, "GroupsQuota": 300, "InstanceProfiles": 0,
		"InstanceProfilesQuota": 1000, "MFADevices": 0, "MFADevicesInUse": 0, "Policies": 1, "PoliciesQuota": 1500,
		"PolicySizeQuota": 6144, "PolicyVersionsInUse": 2, "PolicyVersionsInUseQuota": 10000, "Providers": 1,
		"RolePolicySizeQuota": 10240, "Roles": 1, "RolesQuota": 5000, "ServerCertificates": 0, "ServerCertificatesQuota": 20,
		"SigningCertificatesPerUserQuota": 2, "UserPolicySizeQuota": 2048, "Users": 0, "UsersQuota": 5000, "VersionsPerPolicyQuota": 5,
	}
	got := must(e.iam.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{}))(t).SummaryMap
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// The filter is a list of kinds.
func TestAccountAuthorizationDetails_Filter(t *testing.T) {
	runErrors(t, map[string]errorCase{
		"Filter": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []iamtypes.EntityType{"Role", "Rule"}}))
			},
			want: failure{400, "ValidationError", "1 validation error detected: Value at 'filter' failed to satisfy constraint: Member must satisfy constraint: " +
				"[Member must satisfy enum value set: [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]]"},
		},
	}, nil, awslocal.Options{})
}
