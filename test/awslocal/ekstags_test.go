package awslocal_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const clusterARN = "arn:aws:eks:us-east-1:123456789012:cluster/c"

func tagEKS(arn string, tags map[string]string) func(context.Context, *endpoint) error {
	return func(ctx context.Context, e *endpoint) error {
		return ignore(e.eks.TagResource(ctx, &eks.TagResourceInput{ResourceArn: &arn, Tags: tags}))
	}
}

// Tags of clusters and associations go by ARN, and are seen by Describe.
func TestEKS_Tags(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	withCluster(t, e)
	ctx := t.Context()
	made := must(e.eks.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String("c"), Namespace: aws.String("shop"), ServiceAccount: aws.String("a"), RoleArn: aws.String(roleARN("pods")),
	}))(t).Association
	described := map[string]func() map[string]string{
		clusterARN: func() map[string]string {
			return must(e.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("c")}))(t).Cluster.Tags
		},
		*made.AssociationArn: func() map[string]string {
			return must(e.eks.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{
				ClusterName: aws.String("c"), AssociationId: made.AssociationId,
			}))(t).Association.Tags
		},
	}
	for arn, describe := range described {
		expect := func(want map[string]string) {
			t.Helper()
			listed := must(e.eks.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: &arn}))(t).Tags
			if diff := cmp.Diff(want, listed) + cmp.Diff(want, describe()); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", arn, diff)
			}
		}
		expect(map[string]string{})
		if err := tagEKS(arn, map[string]string{"a": "1", "b": "2"})(ctx, e); err != nil {
			t.Fatal(err)
		}
		if err := tagEKS(arn, map[string]string{"b": "3", "c": "4"})(ctx, e); err != nil {
			t.Fatal(err)
		}
		expect(map[string]string{"a": "1", "b": "3", "c": "4"})
		must(e.eks.UntagResource(ctx, &eks.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"a", "c", "none"}}))(t)
		expect(map[string]string{"b": "3"})
	}
}

func TestEKS_TagErrors(t *testing.T) {
	many := func(n int) map[string]string {
		tags := map[string]string{}
		for i := range n {
			tags[fmt.Sprint(i)] = ""
		}
		return tags
	}
	runErrors(t, map[string]errorCase{
		"Missing": {
			call: tagEKS("arn:aws:eks:us-east-1:123456789012:cluster/none", many(1)),
			want: failure{404, "NotFoundException", "No resource found for ARN: arn:aws:eks:us-east-1:123456789012:cluster/none"},
		},
		"NoARN": {
			call: tagEKS("c", many(1)),
			want: failure{400, "BadRequestException", "Invalid ARN: c"},
		},
		"TooMany": {
			reason: "With the existing tags there would be more than fifty.",
			call: func(ctx context.Context, e *endpoint) error {
				if err := tagEKS(clusterARN, many(50))(ctx, e); err != nil {
					return err
				}
				return tagEKS(clusterARN, map[string]string{"one": "more"})(ctx, e)
			},
			want: failure{400, "BadRequestException", "A resource can have at most 50 tags"},
		},
		"None": {
			reason: "An empty map is rejected.",
			call:   tagEKS(clusterARN, map[string]string{}),
			want: failure{400, "BadRequestException", "1 validation error detected: Value '{}' at 'tags' failed to satisfy constraint: " +
				"Member must have length greater than or equal to 1"},
		},
		"Keys": {
			reason: "Violations in the keys and values of a map are listed with all constraints.",
			call:   tagEKS(clusterARN, map[string]string{"": "v", "k": strings.Repeat("v", 257)}),
			want: failure{400, "BadRequestException", "2 validation errors detected: " +
				"Value '{=v, k=" + strings.Repeat("v", 257) + "}' at 'tags' failed to satisfy constraint: " +
				"Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]; " +
				"Value '{=v, k=" + strings.Repeat("v", 257) + "}' at 'tags' failed to satisfy constraint: " +
				"Map value must satisfy constraint: [Member must have length less than or equal to 256]"},
		},
		"Key": {
			reason: "The models of these actions have another name for the reserved prefix.",
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.eks.UntagResource(ctx, &eks.UntagResourceInput{ResourceArn: aws.String(clusterARN), TagKeys: []string{strings.Repeat("k", 129)}}))
			},
			want: failure{400, "BadRequestException", "1 validation error detected: Value '[" + strings.Repeat("k", 129) + "]' at 'tagKeys' failed to satisfy constraint: " +
				"Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"},
		},
	}, withCluster, awslocal.Options{})
}
