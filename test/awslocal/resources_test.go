package awslocal_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// What a call that is refused was about, in AWS's words.
var aboutResources = map[string][]string{
	"role r": {
		"GetRole", "UpdateRole", "UpdateRoleDescription", "UpdateAssumeRolePolicy", "DeleteRole", "TagRole", "UntagRole", "ListRoleTags",
		"PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "AttachRolePolicy", "DetachRolePolicy", "ListAttachedRolePolicies",
		"PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy", "ListRolePolicies", "ListInstanceProfilesForRole", "DeleteServiceLinkedRole",
	},
	"policy arn:aws:iam::123456789012:policy/p": {
		"GetPolicy", "DeletePolicy", "ListEntitiesForPolicy", "TagPolicy", "UntagPolicy", "ListPolicyTags", "CreatePolicyVersion",
		"GetPolicyVersion", "ListPolicyVersions", "SetDefaultPolicyVersion", "DeletePolicyVersion",
	},
	"instance profile i": {
		"GetInstanceProfile", "DeleteInstanceProfile", "AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile", "TagInstanceProfile",
		"UntagInstanceProfile", "ListInstanceProfileTags",
	},
	"arn:aws:iam::123456789012:oidc-provider/issuer": {
		"CreateOpenIDConnectProvider", "GetOpenIDConnectProvider", "DeleteOpenIDConnectProvider", "AddClientIDToOpenIDConnectProvider",
		"RemoveClientIDFromOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint", "TagOpenIDConnectProvider",
		"UntagOpenIDConnectProvider", "ListOpenIDConnectProviderTags",
	},
	"arn:aws:iam::123456789012:role/r":             {"CreateRole"},
	"policy p":                                     {"CreatePolicy"},
	"arn:aws:iam::123456789012:instance-profile/i": {"CreateInstanceProfile"},
	"arn:aws:iam::123456789012:role" + elbRole:     {"CreateServiceLinkedRole", "GetServiceLinkedRoleDeletionStatus"},
	"arn:aws:iam::123456789012:role/":              {"ListRoles"},
	"policy path /":                                {"ListPolicies"},
	"arn:aws:iam::123456789012:instance-profile/":  {"ListInstanceProfiles"},
	"arn:aws:iam::123456789012:oidc-provider/*":    {"ListOpenIDConnectProviders"},
	"*":                                     {"GetAccountSummary", "GetAccountAuthorizationDetails", "GetServiceLastAccessedDetails"},
	"arn:aws:iam::123456789012:role/path/r": {"GenerateServiceLastAccessedDetails"},
	"arn:aws:eks:us-east-1:123456789012:cluster/*": {"ListClusters"},
	"arn:aws:eks:us-east-1:123456789012:cluster/c": {
		"CreateCluster", "DescribeCluster", "DeleteCluster", "CreatePodIdentityAssociation", "ListPodIdentityAssociations",
	},
	associationARN: {
		"DescribePodIdentityAssociation", "UpdatePodIdentityAssociation", "DeletePodIdentityAssociation",
		"TagResource", "UntagResource", "ListTagsForResource",
	},
}

// A caller without a policy gets an error that names the resource, for each action.
func TestAboutResources(t *testing.T) {
	e := guarded(t)
	absent := e.as(t, "absent", "")
	for _, service := range []string{"iam", "eks"} {
		for _, operation := range models[service].OperationNames() {
			t.Run(operation, func(t *testing.T) {
				var about []string
				for resource, operations := range aboutResources {
					if slices.Contains(operations, operation) {
						about = append(about, resource)
					}
				}
				if len(about) != 1 {
					t.Fatalf("it is about %q, want one entry in the table", about)
				}
				need := service + ":" + operation
				expectRefusal(t, invoke(t, absent, operation, nil),
					need+" on resource: "+about[0]+" because no identity-based policy allows the "+need+" action")
			})
		}
	}
}

// The condition keys of roles of services, and of EKS's tags.
func TestOtherKeys(t *testing.T) {
	cluster := func(tags map[string]string) func(*endpoint) error {
		return func(e *endpoint) error {
			return ignore(e.eks.CreateCluster(t.Context(), &eks.CreateClusterInput{
				Name: aws.String("new"), RoleArn: aws.String(roleARN("cluster")), ResourcesVpcConfig: &ekstypes.VpcConfigRequest{}, Tags: tags,
			}))
		}
	}
	linked := func(service string) func(*endpoint) error {
		return func(e *endpoint) error {
			return ignore(e.iam.CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service}))
		}
	}
	untag := func(key string) func(*endpoint) error {
		return func(e *endpoint) error {
			return ignore(e.eks.UntagResource(t.Context(), &eks.UntagResourceInput{
				ResourceArn: aws.String("arn:aws:eks:us-east-1:123456789012:cluster/c"), TagKeys: []string{key},
			}))
		}
	}
	cases := map[string]struct {
		reason string
		policy string
		call   func(*endpoint) error
		want   string
	}{
		"Service": {
			"The service that a role is for.", allow(`"iam:CreateServiceLinkedRole"`, `"*"`, `{"StringLike":{"iam:AWSServiceName":"eks*.amazonaws.com"}}`),
			linked("eks-nodegroup.amazonaws.com"), "",
		},
		"OtherService": {
			"And no other.", allow(`"iam:CreateServiceLinkedRole"`, `"*"`, `{"StringLike":{"iam:AWSServiceName":"eks*.amazonaws.com"}}`),
			linked("spot.amazonaws.com"), "because no identity-based policy allows the iam:CreateServiceLinkedRole action",
		},
		"Tagging": {
			"To make a cluster with tags is to tag it.", allow(`["eks:CreateCluster","iam:PassRole"]`, `"*"`, ""),
			cluster(map[string]string{"team": "shop"}), "because no identity-based policy allows the eks:TagResource action",
		},
		"RequestTag": {
			"The tags of the request.", allow(`["eks:*","iam:PassRole"]`, `"*"`, `{"StringEqualsIfExists":{"aws:RequestTag/team":"shop"}}`),
			cluster(map[string]string{"team": "shop"}), "",
		},
		"OtherRequestTag": {
			"Another value.", allow(`["eks:*","iam:PassRole"]`, `"*"`, `{"StringEqualsIfExists":{"aws:RequestTag/team":"shop"}}`),
			cluster(map[string]string{"team": "pay"}), "because no identity-based policy allows the eks:CreateCluster action",
		},
		"ResourceTag": {
			"The tags of the cluster.", allow(`"eks:*"`, `"*"`, `{"StringEquals":{"aws:ResourceTag/team":"shop"}}`), untag("team"), "",
		},
		"TagKeys": {
			"The keys of tags that are taken away.", allow(`"eks:*"`, `"*"`, `{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}`), untag("team"), "",
		},
		"OtherTagKeys": {
			"Other keys.", allow(`"eks:*"`, `"*"`, `{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}`),
			untag("other"), "because no identity-based policy allows the eks:UntagResource action",
		},
		"NotIAM": {
			"EKS does not have IAM's name for a resource's tags.", allow(`"eks:*"`, `"*"`, `{"StringEquals":{"iam:ResourceTag/team":"shop"}}`),
			untag("team"), "because no identity-based policy allows the eks:UntagResource action",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := guarded(t)
			must(e.eks.CreateCluster(t.Context(), &eks.CreateClusterInput{
				Name: aws.String("c"), RoleArn: aws.String(roleARN("cluster")), ResourcesVpcConfig: &ekstypes.VpcConfigRequest{},
				Tags: map[string]string{"team": "shop"},
			}))(t)
			expectRefusal(t, tc.call(e.as(t, "caller", tc.policy)), tc.want)
		})
	}
}

// A role that a cluster is made with is passed to it.
func TestPassToCluster(t *testing.T) {
	e := guarded(t)
	caller := e.as(t, "caller", allow(`"eks:*"`, `"*"`, ""))
	err := invoke(t, caller, "CreateCluster", nil)
	if err == nil || !strings.Contains(err.Error(), "iam:PassRole on resource: "+roleARN("r")) {
		t.Errorf("%v, want a refusal for iam:PassRole", err)
	}
}
