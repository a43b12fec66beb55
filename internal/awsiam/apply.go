package awsiam

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Apply makes the changes to the role of that name in order, one call each. It stops at
// the first one that fails, and returns the changes before it. It reads nothing. Every
// change except CreateRole can be repeated: removing something that does not exist
// succeeds. If a role of that name already exists, CreateRole fails with
// plan.ErrRoleExists; if a role still has attachments, DeleteRole fails with
// plan.ErrDeleteConflict.
func (r *Roles) Apply(ctx context.Context, name string, changes []plan.Change) (plan.Applied, error) {
	var applied plan.Applied
	for _, change := range changes {
		if err := r.apply(ctx, name, change, &applied); err != nil {
			return applied, fmt.Errorf("role %s: %w", name, r.explainChange(ctx, name, change, err))
		}
		applied.Completed = append(applied.Completed, change)
	}
	return applied, nil
}

// apply makes one change, and returns the SDK's error.
func (r *Roles) apply(ctx context.Context, name string, change plan.Change, applied *plan.Applied) error {
	role := aws.String(name)
	switch c := change.(type) {
	case plan.CreateRole:
		return r.create(ctx, role, c.Role, applied)
	case plan.UpdateTrust:
		_, err := r.api.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: aws.String(string(c.Trust))})
		return err
	case plan.UpdateRole:
		_, err := r.api.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: role, Description: aws.String(c.Description), MaxSessionDuration: aws.Int32(c.MaxSessionDuration)})
		return err
	case plan.PutBoundary:
		_, err := r.api.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: role, PermissionsBoundary: aws.String(c.ARN)})
		return err
	case plan.DeleteBoundary:
		_, err := r.api.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: role})
		return ignoreNotFound(err)
	case plan.TagRole:
		_, err := r.api.TagRole(ctx, &iam.TagRoleInput{RoleName: role, Tags: tagList(c.Tags)})
		return err
	case plan.UntagRole:
		_, err := r.api.UntagRole(ctx, &iam.UntagRoleInput{RoleName: role, TagKeys: c.Keys})
		return err
	case plan.PutRolePolicy:
		_, err := r.api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String(c.Name), PolicyDocument: aws.String(c.Policy.Text())})
		return err
	case plan.DeleteRolePolicy:
		_, err := r.api.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: role, PolicyName: aws.String(c.Name)})
		return ignoreNotFound(err)
	case plan.AttachPolicy:
		_, err := r.api.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: aws.String(c.ARN)})
		return err
	case plan.DetachPolicy:
		_, err := r.api.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: aws.String(c.ARN)})
		return ignoreNotFound(err)
	case plan.RemoveFromInstanceProfile:
		_, err := r.api.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{RoleName: role, InstanceProfileName: aws.String(c.Name)})
		return ignoreNotFound(err)
	case plan.DeleteRole:
		_, err := r.api.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: role})
		return ignoreNotFound(err)
	default:
		return fmt.Errorf("unknown change %T", change)
	}
}

// create creates the role with everything that the call accepts: a role without its
// ownership tags or its boundary must not exist, even for a moment.
func (r *Roles) create(ctx context.Context, name *string, role plan.Role, applied *plan.Applied) error {
	in := &iam.CreateRoleInput{
		RoleName:                 name,
		Path:                     optional(role.Path),
		AssumeRolePolicyDocument: aws.String(string(role.Trust)),
		Description:              optional(role.Description),
		PermissionsBoundary:      optional(role.Boundary),
		Tags:                     tagList(role.Tags),
	}
	if role.MaxSessionDuration != 0 {
		in.MaxSessionDuration = aws.Int32(role.MaxSessionDuration)
	}
	out, err := r.api.CreateRole(ctx, in)
	if err != nil {
		return err
	}
	applied.ARN = aws.ToString(out.Role.Arn)
	applied.ID = aws.ToString(out.Role.RoleId)
	applied.CreatedAt = aws.ToTime(out.Role.CreateDate)
	return nil
}

// explainChange classifies the error of a change.
func (r *Roles) explainChange(ctx context.Context, name string, change plan.Change, err error) error {
	c := operation{name: change.Action(), permission: plan.Permission(change)}
	switch change := change.(type) {
	case plan.CreateRole:
		if hasCode(err, "EntityAlreadyExists") {
			return fault.Errorf(fault.Transient, v1alpha1.ReasonProgressingWithRetry, "%w", plan.ErrRoleExists)
		}
		c.document, c.boundary = trustPolicy, change.Role.Boundary
	case plan.DeleteRole:
		if hasCode(err, "DeleteConflict") {
			err = fmt.Errorf("%w: %w", plan.ErrDeleteConflict, err)
		}
	case plan.UpdateTrust:
		c.document = trustPolicy
	case plan.PutBoundary:
		c.boundary = change.ARN
	case plan.PutRolePolicy:
		c.document = "spec.policies.inline[" + change.Name + "]"
	case plan.AttachPolicy:
		c.policy = change.ARN
	case plan.RemoveFromInstanceProfile:
		c.role, c.profile = name, change.Name
	default: // the other changes name nothing that could cause the failure
	}
	return r.explain(ctx, c, err)
}
