package awslocal_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// The policies that AWS manages are there, under AWS's ARNs, in all partitions.
func TestAWSManagedPolicies_ExistInAllPartitions(t *testing.T) {
	for _, partition := range []string{"aws", "aws-cn", "aws-us-gov"} {
		t.Run(partition, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{Partition: partition})
			for _, name := range []string{
				"AdministratorAccess", "ReadOnlyAccess", "PowerUserAccess", "IAMFullAccess", "SecurityAudit",
				"AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "job-function/ViewOnlyAccess", "service-role/AWSLambdaBasicExecutionRole",
			} {
				arn := "arn:" + partition + ":iam::aws:policy/" + name
				p := must(e.iam.GetPolicy(t.Context(), &iam.GetPolicyInput{PolicyArn: &arn}))(t).Policy
				v := must(e.iam.GetPolicyVersion(t.Context(), &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: p.DefaultVersionId}))(t)
				if partition != "aws" && strings.Contains(*v.PolicyVersion.Document, "arn%3Aaws%3A") {
					t.Errorf("%s names resources of another partition: %s", arn, *v.PolicyVersion.Document)
				}
			}
		})
	}
}

// A policy of AWS has more than one version, of which one is the default.
func TestAWSManagedPolicies_Versions(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	arn := aws.String("arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy")
	p := must(e.iam.GetPolicy(t.Context(), &iam.GetPolicyInput{PolicyArn: arn}))(t).Policy
	if got := *p.DefaultVersionId; got != "v6" {
		t.Errorf("the default version is %s, want v6", got)
	}
	for name, tc := range map[string]struct {
		got  *time.Time
		want string
	}{
		"created": {p.CreateDate, "2018-05-27T21:07:42Z"}, "updated": {p.UpdateDate, "2026-03-04T19:12:14Z"},
	} {
		if got := tc.got.UTC().Format(time.RFC3339); got != tc.want {
			t.Errorf("%s = %s, want %s", name, got, tc.want)
		}
	}
	listed := must(e.iam.ListPolicyVersions(t.Context(), &iam.ListPolicyVersionsInput{PolicyArn: arn}))(t).Versions
	var versions []string
	for _, v := range listed {
		versions = append(versions, fmt.Sprint(*v.VersionId, " ", v.IsDefaultVersion, " ", v.CreateDate.UTC().Format(time.RFC3339)))
	}
	if diff := cmp.Diff([]string{"v6 true 2026-03-04T19:12:14Z", "v5 false 2024-03-04T20:20:55Z"}, versions); diff != "" {
		t.Errorf("versions: -want, +got:\n%s", diff)
	}
	const since = "ec2%3ADescribeSecurityGroups"
	for id, want := range map[string]bool{"v5": false, "v6": true} {
		v := must(e.iam.GetPolicyVersion(t.Context(), &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: &id}))(t).PolicyVersion
		if got := strings.Contains(*v.Document, since); got != want {
			t.Errorf("%s has %s: %t, want %t", id, since, got, want)
		}
	}
}

// Every policy of AWS has a document, under the ARN of its name, which IAM accepts from others
// too: except for those of service-linked roles, one of which is larger than any other policy.
func TestAWSManagedPolicies_All(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	pages := iam.NewListPoliciesPaginator(e.iam, &iam.ListPoliciesInput{Scope: "AWS"})
	seen := 0
	for pages.HasMorePages() {
		for _, p := range must(pages.NextPage(t.Context()))(t).Policies {
			seen++
			if want := "arn:aws:iam::aws:policy" + *p.Path + *p.PolicyName; *p.Arn != want {
				t.Errorf("the ARN is %s, want %s", *p.Arn, want)
			}
			if p.UpdateDate.Before(*p.CreateDate) {
				t.Errorf("%s was updated at %s, and created at %s", *p.PolicyName, p.UpdateDate, p.CreateDate)
			}
			v := must(e.iam.GetPolicyVersion(t.Context(), &iam.GetPolicyVersionInput{PolicyArn: p.Arn, VersionId: p.DefaultVersionId}))(t).PolicyVersion
			document := must(url.PathUnescape(*v.Document))(t)
			_, err := policy.Decode([]byte(document))
			if onlyLinked := *p.Path == "/aws-service-role/"; !json.Valid([]byte(document)) || err != nil && !onlyLinked {
				t.Errorf("%s: %v", *p.PolicyName, err)
			}
		}
	}
	if seen < 1400 {
		t.Errorf("%d policies", seen)
	}
}
