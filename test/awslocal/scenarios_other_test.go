package awslocal_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// withToken assumes a role with an ID token that some claims are replaced in.
func withToken(claims map[string]any, with map[string]any) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		k, clock := ecKey(t, "k"), newClock()
		i := newIssuer(t, k)
		e := irsa(t, i, clock)
		members := map[string]any{"RoleArn": checkoutARN, "WebIdentityToken": token(t, k, i.URL, clock.at, claims)}
		maps.Copy(members, with)
		return invoke(t, e, "AssumeRoleWithWebIdentity", members)
	}
}

func stsScenarios() map[string][]scenario {
	trusting := []func(*testing.T, *endpoint){does("CreateRole", map[string]any{"AssumeRolePolicyDocument": anyTrust})}
	var large []ststypes.Tag
	for i := range 4 {
		large = append(large, ststypes.Tag{Key: aws.String(fmt.Sprintf("tag%d", i)), Value: aws.String(fmt.Sprintf("%0250d", i))})
	}
	return map[string][]scenario{
		"MalformedPolicyDocument": {{
			reason: "The session policy is not JSON.", given: trusting, with: map[string]any{"Policy": "{"}, actions: []string{"AssumeRole"},
		}, {
			reason: "The session policy is not JSON.", call: withToken(nil, map[string]any{"Policy": "{"}), actions: []string{"AssumeRoleWithWebIdentity"},
		}},
		"PackedPolicyTooLarge": {{
			reason: "The session tags are too long.", given: trusting, with: map[string]any{"Tags": large}, actions: []string{"AssumeRole"},
		}, {
			reason: "The session policy is too long.", call: withToken(nil, map[string]any{"Policy": *sized(2000)}), actions: []string{"AssumeRoleWithWebIdentity"},
		}},
		"ExpiredTokenException": {{
			reason: "The token has expired.", call: withToken(map[string]any{"exp": 1}, nil), actions: []string{"AssumeRoleWithWebIdentity"},
		}},
		"InvalidIdentityToken": {{
			reason: "The token is for another audience.", call: withToken(map[string]any{"aud": "absent"}, nil), actions: []string{"AssumeRoleWithWebIdentity"},
		}},
	}
}

// associated is an association in the cluster of withCluster that is changed.
func associated(change func(*eks.UpdatePodIdentityAssociationInput)) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		e := newEndpoint(t, awslocal.Options{})
		withCluster(t, e)
		made := must(e.eks.CreatePodIdentityAssociation(t.Context(), &eks.CreatePodIdentityAssociationInput{
			ClusterName: aws.String("c"), Namespace: aws.String("shop"), ServiceAccount: aws.String("a"), RoleArn: aws.String(roleARN("pods")),
		}))(t).Association
		in := &eks.UpdatePodIdentityAssociationInput{ClusterName: aws.String("c"), AssociationId: made.AssociationId}
		change(in)
		return ignore(e.eks.UpdatePodIdentityAssociation(t.Context(), in))
	}
}

func eksScenarios() map[string][]scenario {
	const costs = "it creates a cluster, which costs money"
	clusters := []func(*testing.T, *endpoint){withCluster}
	far := "arn:aws:iam::210987654321:role/far"
	pods := map[string]any{"namespace": "shop", "roleArn": roleARN("pods")}
	var hundred []func(*testing.T, *endpoint)
	for i := range 100 {
		hundred = append(hundred, does("CreateCluster", map[string]any{"name": fmt.Sprintf("c%d", i)}))
	}
	return map[string][]scenario{
		"ResourceNotFoundException": {{
			reason: "The cluster does not exist.",
			actions: []string{
				"DescribeCluster", "DeleteCluster", "CreatePodIdentityAssociation", "DescribePodIdentityAssociation", "ListPodIdentityAssociations",
				"UpdatePodIdentityAssociation", "DeletePodIdentityAssociation",
			},
		}},
		"NotFoundException": {{
			reason: "The resource does not exist.", actions: []string{"TagResource", "UntagResource", "ListTagsForResource"},
		}},
		"BadRequestException": {{
			reason: "The text is not an ARN.", with: map[string]any{"resourceArn": "c"}, actions: []string{"TagResource", "UntagResource", "ListTagsForResource"},
		}},
		"ResourceInUseException": {{
			reason: "The name is already used.", alters: costs, given: clusters, actions: []string{"CreateCluster"},
		}, {
			reason: "The ServiceAccount already has an association.", alters: costs, given: []func(*testing.T, *endpoint){withCluster, does("CreatePodIdentityAssociation", pods)}, with: pods,
			actions: []string{"CreatePodIdentityAssociation"},
		}},
		"ResourceLimitExceededException": {{
			reason: "The account has at most a hundred clusters.", alters: costs, given: hundred, actions: []string{"CreateCluster"},
		}, {
			reason: "The quota of associations is one.", options: awslocal.Options{Quotas: map[string]int{"PodIdentityAssociationsPerCluster": 1}},
			given:   []func(*testing.T, *endpoint){withCluster, does("CreatePodIdentityAssociation", pods)},
			with:    map[string]any{"namespace": "other", "roleArn": roleARN("pods")},
			actions: []string{"CreatePodIdentityAssociation"},
		}},
		"InvalidParameterException": {{
			reason: "A name begins with a letter or a digit.", with: map[string]any{"name": "-"}, actions: []string{"CreateCluster"},
		}, {
			reason: "A page has at least one item.", with: map[string]any{"maxResults": int32(0)}, actions: []string{"ListClusters"},
		}, {
			reason: "A page has at least one item.", alters: costs, given: clusters, with: map[string]any{"maxResults": int32(0)},
			actions: []string{"ListPodIdentityAssociations"},
		}, {
			reason: "The role does not exist.", alters: costs, given: clusters, with: map[string]any{"roleArn": roleARN("none")},
			actions: []string{"CreatePodIdentityAssociation"},
		}, {
			reason:  "The role trusts EC2, not EKS Pod Identity.",
			call:    associated(func(in *eks.UpdatePodIdentityAssociationInput) { in.RoleArn = aws.String(roleARN("ec2")) }),
			actions: []string{"UpdatePodIdentityAssociation"},
		}},
		"InvalidRequestException": {{
			reason: "The role is in another account.", alters: costs, given: clusters, with: map[string]any{"roleArn": far},
			actions: []string{"CreatePodIdentityAssociation"},
		}, {
			reason:  "The role is in another account.",
			call:    associated(func(in *eks.UpdatePodIdentityAssociationInput) { in.RoleArn = &far }),
			actions: []string{"UpdatePodIdentityAssociation"},
		}, {
			reason:  "The cluster has deletion protection.",
			alters:  costs,
			given:   []func(*testing.T, *endpoint){does("CreateCluster", map[string]any{"deletionProtection": true})},
			actions: []string{"DeleteCluster"},
		}},
	}
}
