package awsiam

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// ManagedPolicyVersion returns the default version of a managed policy. It costs one
// call.
func (r *Roles) ManagedPolicyVersion(ctx context.Context, arn string) (string, error) {
	out, err := r.api.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(arn)})
	if err != nil {
		return "", r.explain(ctx, operation{name: "GetPolicy", policy: arn, permission: plan.ReadPermission("GetPolicy")}, err)
	}
	return aws.ToString(out.Policy.DefaultVersionId), nil
}

// ManagedPolicy returns one version of a managed policy. It costs one call.
func (r *Roles) ManagedPolicy(ctx context.Context, arn, version string) (plan.ManagedPolicy, error) {
	out, err := r.api.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: aws.String(arn), VersionId: aws.String(version)})
	if err != nil {
		// A missing version does not mean that the policy is missing: the next attempt
		// finds the new default version.
		return plan.ManagedPolicy{}, r.explain(ctx, readOperation("GetPolicyVersion"), err)
	}
	encoded := aws.ToString(out.PolicyVersion.Document)
	text, err := url.PathUnescape(encoded)
	if err != nil {
		text = encoded
	}
	return plan.ManagedPolicy{Version: version, Document: text}, nil
}

// ManagedPolicyVersions returns the default versions of all managed policies that are
// attached in the account, AWS's and the account's own, by ARN. It costs one call for
// each thousand of them.
func (r *Roles) ManagedPolicyVersions(ctx context.Context) (map[string]string, error) {
	versions := map[string]string{}
	pages := iam.NewListPoliciesPaginator(r.api, &iam.ListPoliciesInput{OnlyAttached: true, MaxItems: aws.Int32(pageSize)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, r.explain(ctx, operation{name: "ListPolicies"}, err)
		}
		for _, p := range page.Policies {
			versions[aws.ToString(p.Arn)] = aws.ToString(p.DefaultVersionId)
		}
	}
	return versions, nil
}
