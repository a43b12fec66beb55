package awslocal_test

import (
	"context"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const podsTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},
	"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"shop"}}}]}`

func withCluster(t *testing.T, e *endpoint) {
	t.Helper()
	must(e.eks.CreateCluster(t.Context(), &eks.CreateClusterInput{
		Name: aws.String("c"), RoleArn: aws.String(roleARN("cluster")), ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-1", "subnet-2"}},
	}))(t)
	e.createRole(t, "pods", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(podsTrust) })
	e.createRole(t, "ec2")
}

func associate(namespace, account, role string, edit ...func(*eks.CreatePodIdentityAssociationInput)) func(context.Context, *endpoint) error {
	return func(ctx context.Context, e *endpoint) error {
		in := &eks.CreatePodIdentityAssociationInput{ClusterName: aws.String("c"), Namespace: &namespace, ServiceAccount: &account, RoleArn: &role}
		for _, f := range edit {
			f(in)
		}
		return ignore(e.eks.CreatePodIdentityAssociation(ctx, in))
	}
}

func TestClusters_Lifecycle(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Region: "eu-central-1", Clock: clock.now})
	made := must(e.eks.CreateCluster(t.Context(), &eks.CreateClusterInput{
		Name: aws.String("c"), RoleArn: aws.String(roleARN("cluster")), Version: aws.String("1.34"),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-1"}, EndpointPrivateAccess: aws.Bool(true)},
	}))(t).Cluster
	if made.Status != types.ClusterStatusCreating {
		t.Errorf("a new cluster is %s", made.Status)
	}
	e.createRole(t, "pods", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(podsTrust) })
	got := must(e.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("c")}))(t).Cluster
	want := &types.Cluster{
		Name: aws.String("c"), Arn: aws.String("arn:aws:eks:eu-central-1:123456789012:cluster/c"), CreatedAt: aws.Time(clock.at),
		RoleArn: aws.String(roleARN("cluster")), Version: aws.String("1.34"), PlatformVersion: aws.String("eks.1"), Status: types.ClusterStatusActive,
		ResourcesVpcConfig: &types.VpcConfigResponse{
			SubnetIds: []string{"subnet-1"}, SecurityGroupIds: []string{}, PublicAccessCidrs: []string{"0.0.0.0/0"},
			EndpointPublicAccess: true, EndpointPrivateAccess: true,
		},
		KubernetesNetworkConfig: &types.KubernetesNetworkConfigResponse{
			ServiceIpv4Cidr: aws.String("10.100.0.0/16"), IpFamily: types.IpFamilyIpv4, ElasticLoadBalancing: &types.ElasticLoadBalancing{Enabled: aws.Bool(false)},
		},
		Logging:       &types.Logging{ClusterLogging: []types.LogSetup{{Enabled: aws.Bool(false), Types: types.LogType("").Values()}}},
		AccessConfig:  &types.AccessConfigResponse{AuthenticationMode: types.AuthenticationModeConfigMap},
		UpgradePolicy: &types.UpgradePolicyResponse{SupportType: types.SupportTypeExtended}, Health: &types.ClusterHealth{Issues: []types.ClusterIssue{}},
		DeletionProtection: aws.Bool(false), Tags: map[string]string{},
	}
	madeUp := cmp.Options{
		cmpopts.IgnoreFields(types.Cluster{}, "Endpoint", "CertificateAuthority", "Identity"),
		cmpopts.IgnoreFields(types.VpcConfigResponse{}, "VpcId", "ClusterSecurityGroupId"),
	}
	if diff := cmp.Diff(want, got, madeUp, ignoreUnexported); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if !regexp.MustCompile(`^https://oidc\.eks\.eu-central-1\.amazonaws\.com/id/[0-9A-F]{32}$`).MatchString(*got.Identity.Oidc.Issuer) ||
		!regexp.MustCompile(`^https://[0-9A-F]{32}\.gr7\.eu-central-1\.eks\.amazonaws\.com$`).MatchString(*got.Endpoint) {
		t.Errorf("DescribeCluster answers %s and %s", *got.Identity.Oidc.Issuer, *got.Endpoint)
	}
	if list := must(e.eks.ListClusters(t.Context(), &eks.ListClustersInput{}))(t).Clusters; len(list) != 1 || list[0] != "c" {
		t.Errorf("ListClusters answers %v", list)
	}
	if err := associate("shop", "a", roleARN("pods"))(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	must(e.eks.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("c")}))(t)
	if list := must(e.eks.ListClusters(t.Context(), &eks.ListClustersInput{}))(t).Clusters; len(list) != 0 {
		t.Errorf("after DeleteCluster there is %v", list)
	}
}

func TestPodIdentityAssociations_Lifecycle(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	withCluster(t, e)
	ctx := t.Context()
	in := &eks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String("c"), Namespace: aws.String("shop"), ServiceAccount: aws.String("a"), RoleArn: aws.String(roleARN("pods")),
		Tags: map[string]string{"k": "v"}, ClientRequestToken: aws.String("once"),
	}
	created := must(e.eks.CreatePodIdentityAssociation(ctx, in))(t).Association
	taken := failureOf(t, associate("shop", "a", roleARN("pods"))(ctx, e))
	if want := (failure{409, "ResourceInUseException", "Association already exists: " + *created.AssociationId}); taken != want {
		t.Errorf("a second association gives %v, want %v", taken, want)
	}
	if again := must(e.eks.CreatePodIdentityAssociation(ctx, in))(t).Association; *again.AssociationId != *created.AssociationId {
		t.Errorf("the same request makes %s and %s", *created.AssociationId, *again.AssociationId)
	}
	want := &types.PodIdentityAssociation{
		AssociationArn: aws.String("arn:aws:eks:us-east-1:123456789012:podidentityassociation/c/" + *created.AssociationId),
		AssociationId:  created.AssociationId, ClusterName: aws.String("c"), CreatedAt: aws.Time(clock.at), ModifiedAt: aws.Time(clock.at),
		Namespace: aws.String("shop"), ServiceAccount: aws.String("a"), RoleArn: aws.String(roleARN("pods")),
		DisableSessionTags: aws.Bool(false), Tags: map[string]string{"k": "v"},
	}
	if diff := cmp.Diff(want, created, ignoreUnexported); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}

	for _, name := range []string{"b", "c", "d"} {
		if err := associate("shop", name, roleARN("pods"))(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for pages := eks.NewListPodIdentityAssociationsPaginator(e.eks, &eks.ListPodIdentityAssociationsInput{ClusterName: aws.String("c"), MaxResults: aws.Int32(3)}); pages.HasMorePages(); {
		total += len(must(pages.NextPage(ctx))(t).Associations)
	}
	if total != 4 {
		t.Errorf("the pages have %d associations, want 4", total)
	}
	one := must(e.eks.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: aws.String("c"), Namespace: aws.String("shop"), ServiceAccount: aws.String("a")}))(t)
	if len(one.Associations) != 1 || *one.Associations[0].AssociationId != *created.AssociationId {
		t.Errorf("by name: %v", one.Associations)
	}

	must(e.eks.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{
		ClusterName: aws.String("c"), AssociationId: created.AssociationId, TargetRoleArn: aws.String("arn:aws:iam::210987654321:role/far"), DisableSessionTags: aws.Bool(true),
	}))(t)
	got := must(e.eks.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: aws.String("c"), AssociationId: created.AssociationId}))(t).Association
	if *got.RoleArn != roleARN("pods") || got.ExternalId == nil || !*got.DisableSessionTags {
		t.Errorf("after the update: %+v", got)
	}
	must(e.eks.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: aws.String("c"), AssociationId: created.AssociationId}))(t)
}

func TestEKS_Errors(t *testing.T) {
	runErrors(t, map[string]errorCase{
		"ClusterMissing": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("none")}))
			},
			want: failure{404, "ResourceNotFoundException", "No cluster found for name: none."},
		},
		"ClusterExists": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.eks.CreateCluster(ctx, &eks.CreateClusterInput{
					Name: aws.String("c"), RoleArn: aws.String(roleARN("x")), ResourcesVpcConfig: &types.VpcConfigRequest{},
				}))
			},
			want: failure{409, "ResourceInUseException", "Cluster already exists with name: c"},
		},
		"ClusterName": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.eks.CreateCluster(ctx, &eks.CreateClusterInput{
					Name: aws.String("-"), RoleArn: aws.String(roleARN("x")), ResourcesVpcConfig: &types.VpcConfigRequest{},
				}))
			},
			want: failure{400, "InvalidParameterException", `1 validation error detected: Value '-' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[0-9A-Za-z][A-Za-z0-9\-_]*`},
		},
		"RoleMissing": {
			call: associate("shop", "a", roleARN("absent")),
			want: failure{400, "InvalidParameterException", "Role provided in the request does not exist."},
		},
		"OtherAccount": {
			call: associate("shop", "a", "arn:aws:iam::210987654321:role/x"),
			want: failure{400, "InvalidRequestException", "Cross-account pass role is not allowed."},
		},
		"TrustsOthers": {
			call: associate("shop", "a", roleARN("ec2")),
			want: failure{400, "InvalidParameterException", "Trust policy of the role provided is invalid. Follow the official documentation to resolve the issue."},
		},
		"TrustsOtherNamespaces": {
			reason: "The trust policy can evaluate the session tags.",
			call:   associate("other", "a", roleARN("pods")),
			want:   failure{400, "InvalidParameterException", "Trust policy of the role provided is invalid. Follow the official documentation to resolve the issue."},
		},
		"Missing": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.eks.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: aws.String("c"), AssociationId: aws.String("a-x")}))
			},
			want: failure{404, "ResourceNotFoundException", "No association found for cluster: c, associationId: a-x"},
		},
	}, withCluster, awslocal.Options{})
}
