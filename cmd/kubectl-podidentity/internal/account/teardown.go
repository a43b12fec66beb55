package account

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Attachments returns what prevents the deletion of a role: the managed policies, by
// ARN, the inline policies, and the instance profiles.
func (a *Account) Attachments(ctx context.Context, name string) (managed, inline, profiles []string, err error) {
	target := "role " + name
	for page := iam.NewListAttachedRolePoliciesPaginator(a.iam, &iam.ListAttachedRolePoliciesInput{RoleName: &name}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, nil, nil, a.explain("iam:ListAttachedRolePolicies", target, err)
		}
		for _, p := range out.AttachedPolicies {
			managed = append(managed, aws.ToString(p.PolicyArn))
		}
	}
	for page := iam.NewListRolePoliciesPaginator(a.iam, &iam.ListRolePoliciesInput{RoleName: &name}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, nil, nil, a.explain("iam:ListRolePolicies", target, err)
		}
		inline = append(inline, out.PolicyNames...)
	}
	for page := iam.NewListInstanceProfilesForRolePaginator(a.iam, &iam.ListInstanceProfilesForRoleInput{RoleName: &name}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, nil, nil, a.explain("iam:ListInstanceProfilesForRole", target, err)
		}
		for i := range out.InstanceProfiles {
			profiles = append(profiles, aws.ToString(out.InstanceProfiles[i].InstanceProfileName))
		}
	}
	return managed, inline, profiles, nil
}

// Teardown makes the changes that delete a role, in their order, and stops at the
// first that fails. What is gone already counts as removed.
func (a *Account) Teardown(ctx context.Context, name string, changes []plan.Change) error {
	for _, c := range changes {
		err := a.remove(ctx, &name, c)
		if _, trust := c.(plan.UpdateTrust); err != nil && (trust || !IsNotFound(err)) {
			return a.explain("iam:"+c.Action(), "role "+name, err)
		}
	}
	return nil
}

// remove makes one change, and returns the SDK's error.
func (a *Account) remove(ctx context.Context, name *string, change plan.Change) error {
	var err error
	switch c := change.(type) {
	case plan.UpdateTrust:
		_, err = a.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(string(c.Trust))})
	case plan.DetachPolicy:
		_, err = a.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: &c.ARN})
	case plan.DeleteRolePolicy:
		_, err = a.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: &c.Name})
	case plan.RemoveFromInstanceProfile:
		_, err = a.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{RoleName: name, InstanceProfileName: &c.Name})
	case plan.DeleteRole:
		_, err = a.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	default:
		err = errors.New("the deletion of a role has no change " + change.Action())
	}
	return err
}
