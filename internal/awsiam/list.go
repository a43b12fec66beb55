package awsiam

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// pageSize is the most items that IAM puts on a page. It may put fewer.
const pageSize = 1000

// ListAll reads all roles under a path, at one call for each thousand roles
// of the account and one for each thousand in the path. Neither of the two lists
// that it reads is whole: GetAccountAuthorizationDetails lacks description and
// session duration, ListRoles all policies, tags and the boundary
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html,
// API_ListRoles.html). A role that only one of them shows was made or deleted in
// between, and is left out.
func (r *Roles) ListAll(ctx context.Context, path string) (plan.RoleSnapshot, error) {
	fleet := plan.RoleSnapshot{Roles: map[string]*plan.Observed{}}
	details, err := r.details(ctx, path, &fleet)
	if err != nil {
		return plan.RoleSnapshot{}, err
	}
	pages := iam.NewListRolesPaginator(r.api, &iam.ListRolesInput{PathPrefix: aws.String(path), MaxItems: aws.Int32(pageSize)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return plan.RoleSnapshot{}, r.explain(ctx, operation{name: "ListRoles"}, err)
		}
		fleet.Calls++
		for i := range page.Roles {
			role := &page.Roles[i]
			if detail, ok := details[aws.ToString(role.RoleId)]; ok {
				fleet.Add(r.withoutIgnoredTags(mergeDetail(role, detail)))
			}
		}
	}
	return fleet, nil
}

// details returns what GetAccountAuthorizationDetails returns of the roles in path, by
// role ID.
func (r *Roles) details(ctx context.Context, path string, fleet *plan.RoleSnapshot) (map[string]iamtypes.RoleDetail, error) {
	details := map[string]iamtypes.RoleDetail{}
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(r.api, &iam.GetAccountAuthorizationDetailsInput{
		Filter:   []iamtypes.EntityType{iamtypes.EntityTypeRole},
		MaxItems: aws.Int32(pageSize),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, r.explain(ctx, operation{name: "GetAccountAuthorizationDetails"}, err)
		}
		fleet.Calls++
		for _, detail := range page.RoleDetailList {
			if strings.HasPrefix(aws.ToString(detail.Path), path) {
				details[aws.ToString(detail.RoleId)] = detail
			}
		}
	}
	return details, nil
}

// mergeDetail merges the entries of a role in the two lists.
func mergeDetail(role *iamtypes.Role, detail iamtypes.RoleDetail) *plan.Observed {
	found := observed(role)
	found.Tags, found.LastUsedAt = tagMap(detail.Tags), lastUsed(detail.RoleLastUsed)
	if detail.PermissionsBoundary != nil {
		found.Boundary = aws.ToString(detail.PermissionsBoundary.PermissionsBoundaryArn)
	}
	found.Managed = attachedARNs(detail.AttachedManagedPolicies)
	found.Inline = map[string]plan.InlinePolicy{}
	for _, p := range detail.RolePolicyList {
		found.Inline[aws.ToString(p.PolicyName)] = inlinePolicy(aws.ToString(p.PolicyDocument))
	}
	return found
}
