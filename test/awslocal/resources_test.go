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

// The resources that AWS names in messages about denied calls, and the actions on them.
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
func TestAuthorize_DenialsNameTheResource(t *testing.T) {
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
				expectRejection(t, invoke(t, absent, operation, nil),
					need+" on resource: "+about[0]+" because no identity-based policy allows the "+need+" action")
			})
		}
	}
}

// The condition keys of roles of services, and of EKS's tags.
func TestConditions_OfServiceRolesAndEKSTags(t *testing.T) {
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
			"The condition is on the service of the role.", allow(`"iam:CreateServiceLinkedRole"`, `"*"`, `{"StringLike":{"iam:AWSServiceName":"eks*.amazonaws.com"}}`),
			linked("eks-nodegroup.amazonaws.com"), "",
		},
		"OtherService": {
			"The condition is on another service.", allow(`"iam:CreateServiceLinkedRole"`, `"*"`, `{"StringLike":{"iam:AWSServiceName":"eks*.amazonaws.com"}}`),
			linked("spot.amazonaws.com"), "because no identity-based policy allows the iam:CreateServiceLinkedRole action",
		},
		"Tagging": {
			"Creating a cluster with tags also needs eks:TagResource.", allow(`["eks:CreateCluster","iam:PassRole"]`, `"*"`, ""),
			cluster(map[string]string{"team": "shop"}), "because no identity-based policy allows the eks:TagResource action",
		},
		"RequestTag": {
			"The request has the tag.", allow(`["eks:*","iam:PassRole"]`, `"*"`, `{"StringEqualsIfExists":{"aws:RequestTag/team":"shop"}}`),
			cluster(map[string]string{"team": "shop"}), "",
		},
		"OtherRequestTag": {
			"The request has another value of the tag.", allow(`["eks:*","iam:PassRole"]`, `"*"`, `{"StringEqualsIfExists":{"aws:RequestTag/team":"shop"}}`),
			cluster(map[string]string{"team": "pay"}), "because no identity-based policy allows the eks:CreateCluster action",
		},
		"ResourceTag": {
			"The cluster has the tag.", allow(`"eks:*"`, `"*"`, `{"StringEquals":{"aws:ResourceTag/team":"shop"}}`), untag("team"), "",
		},
		"TagKeys": {
			"The request removes tags with these keys.", allow(`"eks:*"`, `"*"`, `{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}`), untag("team"), "",
		},
		"OtherTagKeys": {
			"The request removes tags with other keys.", allow(`"eks:*"`, `"*"`, `{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}`),
			untag("other"), "because no identity-based policy allows the eks:UntagResource action",
		},
		"NotIAM": {
			"EKS has no service-specific condition key for the tags of a resource.", allow(`"eks:*"`, `"*"`, `{"StringEquals":{"iam:ResourceTag/team":"shop"}}`),
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
			expectRejection(t, tc.call(e.as(t, "caller", tc.policy)), tc.want)
		})
	}
}

// A role that a cluster is made with is passed to it.
func TestAuthorize_RoleIsPassedToItsCluster(t *testing.T) {
	e := guarded(t)
	caller := e.as(t, "caller", allow(`"eks:*"`, `"*"`, ""))
	err := invoke(t, caller, "CreateCluster", nil)
	if err == nil || !strings.Contains(err.Error(), "iam:PassRole on resource: "+roleARN("r")) {
		t.Errorf("%v, want a rejection for iam:PassRole", err)
	}
}
