package awslocal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const servicePolicy = "arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy"

// does is a step before the call that is checked.
func does(action string, with map[string]any) func(*testing.T, *endpoint) {
	return func(t *testing.T, e *endpoint) {
		t.Helper()
		if err := invoke(t, e, action, with); err != nil {
			t.Fatal(err)
		}
	}
}

// steps are several, without more than the actions require.
func steps(actions ...string) []func(*testing.T, *endpoint) {
	var out []func(*testing.T, *endpoint)
	for _, action := range actions {
		out = append(out, does(action, nil))
	}
	return out
}

func iamTags(n int) []iamtypes.Tag {
	var out []iamtypes.Tag
	for i := range n {
		out = append(out, iamtypes.Tag{Key: aws.String(fmt.Sprintf("tag%d", i)), Value: aws.String("v")})
	}
	return out
}

// tight is an account that may have little.
var tight = awslocal.Options{Quotas: map[string]int{
	"RolesQuota": 1, "PoliciesQuota": 1, "InstanceProfilesQuota": 1, "VersionsPerPolicyQuota": 1, "AttachedPoliciesPerRoleQuota": 0,
	"RolePolicySizeQuota": 10, "AssumeRolePolicySizeQuota": 200,
}}

func iamScenarios() map[string][]scenario {
	furnished := steps("CreateRole", "CreatePolicy", "CreateInstanceProfile", "CreateOpenIDConnectProvider")
	ids := make([]string, 101)
	for i := range ids {
		ids[i] = fmt.Sprintf("id%d", i)
	}
	var tagged50 []func(*testing.T, *endpoint)
	for _, action := range []string{"TagRole", "TagPolicy", "TagInstanceProfile", "TagOpenIDConnectProvider"} {
		tagged50 = append(tagged50, does(action, map[string]any{"Tags": iamTags(50)}))
	}
	return map[string][]scenario{
		"NoSuchEntity": {{
			reason: "The account is empty.",
			actions: []string{
				"AddClientIDToOpenIDConnectProvider", "AddRoleToInstanceProfile", "AttachRolePolicy", "CreatePolicyVersion", "DeleteInstanceProfile",
				"DeleteOpenIDConnectProvider", "DeletePolicy", "DeletePolicyVersion", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy",
				"DeleteServiceLinkedRole", "DetachRolePolicy", "GenerateServiceLastAccessedDetails", "GetInstanceProfile", "GetOpenIDConnectProvider", "GetPolicy", "GetPolicyVersion",
				"GetRole", "GetRolePolicy", "GetServiceLastAccessedDetails", "GetServiceLinkedRoleDeletionStatus", "ListAttachedRolePolicies", "ListEntitiesForPolicy",
				"ListInstanceProfileTags", "ListInstanceProfilesForRole", "ListOpenIDConnectProviderTags", "ListPolicyTags", "ListPolicyVersions",
				"ListRolePolicies", "ListRoleTags", "PutRolePermissionsBoundary", "PutRolePolicy", "RemoveClientIDFromOpenIDConnectProvider",
				"RemoveRoleFromInstanceProfile", "SetDefaultPolicyVersion", "TagInstanceProfile", "TagOpenIDConnectProvider", "TagPolicy", "TagRole",
				"UntagInstanceProfile", "UntagOpenIDConnectProvider", "UntagPolicy", "UntagRole", "UpdateAssumeRolePolicy",
				"UpdateOpenIDConnectProviderThumbprint", "UpdateRole", "UpdateRoleDescription",
			},
		}},
		"EntityAlreadyExists": {{
			reason: "The entity already exists.", given: furnished,
			actions: []string{"CreateRole", "CreatePolicy", "CreateInstanceProfile", "CreateOpenIDConnectProvider"},
		}},
		"DeleteConflict": {{
			reason:  "The entity is in use, as the default version of a policy always is.",
			given:   slices.Concat(furnished, steps("AttachRolePolicy", "AddRoleToInstanceProfile")),
			actions: []string{"DeleteRole", "DeletePolicy", "DeletePolicyVersion", "DeleteInstanceProfile"},
		}},
		"InvalidInput": {{
			reason:  "A key is given twice; for roles, keys are case-insensitive.",
			with:    map[string]any{"Tags": append(iamTags(1), iamTags(1)...)},
			actions: []string{"CreateRole", "CreatePolicy", "CreateInstanceProfile", "CreateOpenIDConnectProvider"},
		}, {
			reason: "Keys that begin with aws: are reserved.", given: furnished,
			with:    map[string]any{"Tags": []iamtypes.Tag{{Key: aws.String("aws:k"), Value: aws.String("v")}}},
			actions: []string{"TagRole", "TagPolicy", "TagInstanceProfile", "TagOpenIDConnectProvider"},
		}, {
			reason: "The ARN is that of a role.",
			with:   map[string]any{"OpenIDConnectProviderArn": roleARN("r")},
			actions: []string{
				"GetOpenIDConnectProvider", "DeleteOpenIDConnectProvider", "AddClientIDToOpenIDConnectProvider", "ListOpenIDConnectProviderTags",
				"RemoveClientIDFromOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint", "UntagOpenIDConnectProvider",
			},
		}, {
			reason: "The ARN of a role is not that of a boundary.", given: furnished,
			with:    map[string]any{"PermissionsBoundary": roleARN("r")},
			actions: []string{"PutRolePermissionsBoundary"},
		}, {
			reason:  "The service has only one role.",
			with:    map[string]any{"CustomSuffix": "x"},
			actions: []string{"CreateServiceLinkedRole"},
		}, {
			reason:  "No entity has this ARN.",
			with:    map[string]any{"Arn": "arn:aws:iam::123456789012:oidc-provider/x"},
			actions: []string{"GenerateServiceLastAccessedDetails"},
		}, {
			reason:  "No task has this name.",
			with:    map[string]any{"DeletionTaskId": "x"},
			actions: []string{"GetServiceLinkedRoleDeletionStatus"},
		}},
		"LimitExceeded": {{
			reason: "The quota is one.", options: tight, given: furnished,
			with:    map[string]any{"RoleName": "other"},
			actions: []string{"CreateRole"},
		}, {
			reason: "The quota is one.", options: tight, given: furnished,
			with:    map[string]any{"PolicyName": "other"},
			actions: []string{"CreatePolicy"},
		}, {
			reason: "The quota is one.", options: tight, given: furnished,
			with:    map[string]any{"InstanceProfileName": "other"},
			actions: []string{"CreateInstanceProfile"},
		}, {
			reason: "The quotas of versions, attachments and characters are used up.", options: tight, given: furnished,
			actions: []string{"CreatePolicyVersion", "AttachRolePolicy", "PutRolePolicy"},
		}, {
			reason: "The quota of characters is used up.", options: tight, given: furnished,
			with:    map[string]any{"PolicyDocument": *sizedTrust(201)},
			actions: []string{"UpdateAssumeRolePolicy"},
		}, {
			reason:  "An instance profile has one role.",
			given:   slices.Concat(furnished, steps("AddRoleToInstanceProfile")),
			actions: []string{"AddRoleToInstanceProfile"},
		}, {
			reason:  "A provider has at most a hundred client IDs.",
			with:    map[string]any{"ClientIDList": ids},
			actions: []string{"CreateOpenIDConnectProvider"},
		}, {
			reason:  "A provider has at most a hundred client IDs.",
			given:   []func(*testing.T, *endpoint){does("CreateOpenIDConnectProvider", map[string]any{"ClientIDList": ids[:100]})},
			actions: []string{"AddClientIDToOpenIDConnectProvider"},
		}, {
			reason:  "An entity has at most fifty tags.",
			given:   slices.Concat(furnished, tagged50),
			actions: []string{"TagRole", "TagPolicy", "TagInstanceProfile", "TagOpenIDConnectProvider"},
		}},
		"MalformedPolicyDocument": {{
			reason:  "The document is not JSON.",
			with:    map[string]any{"PolicyDocument": "{"},
			actions: []string{"CreatePolicy"},
		}, {
			reason:  "The document is not JSON.",
			with:    map[string]any{"AssumeRolePolicyDocument": "{"},
			actions: []string{"CreateRole"},
		}, {
			reason: "The document is not JSON.", given: furnished,
			with:    map[string]any{"PolicyDocument": "{"},
			actions: []string{"CreatePolicyVersion", "PutRolePolicy", "UpdateAssumeRolePolicy"},
		}},
		"PolicyNotAttachable": {{
			reason: "The policy is for service-linked roles.", given: furnished,
			with:    map[string]any{"PolicyArn": servicePolicy},
			actions: []string{"AttachRolePolicy"},
		}, {
			reason: "The policy is for service-linked roles.", given: furnished,
			with:    map[string]any{"PermissionsBoundary": servicePolicy},
			actions: []string{"PutRolePermissionsBoundary"},
		}},
		"UnmodifiableEntity": {{
			reason: "The role is a service-linked role.",
			given:  slices.Concat(furnished, steps("CreateServiceLinkedRole")),
			alters: "it creates a role for a service of AWS",
			with:   map[string]any{"RoleName": elbRole[strings.LastIndex(elbRole, "/")+1:]},
			actions: []string{
				"AddRoleToInstanceProfile", "AttachRolePolicy", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy",
				"PutRolePermissionsBoundary", "PutRolePolicy", "RemoveRoleFromInstanceProfile", "UpdateAssumeRolePolicy", "UpdateRole",
			},
		}},
	}
}
