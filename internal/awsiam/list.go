package awsiam

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/sync/errgroup"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// pageSize is the maximum number of items on a page of IAM. A page can have fewer.
const pageSize = 1000

// ListAll reads all roles under a path, with one call for each thousand roles of the
// account and one for each thousand under the path. It combines two lists, neither of
// which is complete: GetAccountAuthorizationDetails lacks description and session
// duration, ListRoles lacks policies, tags and the boundary
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html,
// API_ListRoles.html). A role that only one of them contains was created or deleted in
// between, and is omitted.
//
// The lists are read at the same time, once the first page of the first one shows that
// AWS permits it.
func (r *Roles) ListAll(ctx context.Context, path string) (plan.RoleSnapshot, error) {
	known := r.documents.start()
	var (
		details   map[string]roleDetail
		roles     []*plan.Observed
		permitted = make(chan struct{})
		calls     [2]int
	)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		details, err = r.details(ctx, path, known, permitted, &calls[0])
		return err
	})
	group.Go(func() (err error) {
		select {
		case <-permitted:
			roles, err = r.list(ctx, path, known, &calls[1])
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	if err := group.Wait(); err != nil {
		return plan.RoleSnapshot{}, err
	}
	r.documents.replace(known)
	snapshot := plan.RoleSnapshot{Roles: make(map[string]*plan.Observed, len(roles)), Calls: calls[0] + calls[1]}
	for _, role := range roles {
		if detail, ok := details[role.ID]; ok {
			snapshot.Add(detail.addTo(role))
		}
	}
	return snapshot, nil
}

// list returns the roles under path as ListRoles returns them.
func (r *Roles) list(ctx context.Context, path string, known *knownDocuments, calls *int) ([]*plan.Observed, error) {
	var roles []*plan.Observed
	pages := iam.NewListRolesPaginator(r.api, &iam.ListRolesInput{PathPrefix: aws.String(path), MaxItems: aws.Int32(pageSize)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, r.explain(ctx, operation{name: "ListRoles"}, err)
		}
		*calls++
		for i := range page.Roles {
			roles = append(roles, observed(&page.Roles[i], known.decode))
		}
	}
	return roles, nil
}

// details returns the details of the roles under path from GetAccountAuthorizationDetails,
// by role ID. It closes permitted after the first page.
func (r *Roles) details(ctx context.Context, path string, known *knownDocuments, permitted chan<- struct{}, calls *int) (map[string]roleDetail, error) {
	details := map[string]roleDetail{}
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(r.api, &iam.GetAccountAuthorizationDetailsInput{
		Filter:   []iamtypes.EntityType{iamtypes.EntityTypeRole},
		MaxItems: aws.Int32(pageSize),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, r.explain(ctx, operation{name: "GetAccountAuthorizationDetails"}, err)
		}
		if *calls++; *calls == 1 {
			close(permitted)
		}
		for i := range page.RoleDetailList {
			if d := &page.RoleDetailList[i]; strings.HasPrefix(aws.ToString(d.Path), path) {
				details[aws.ToString(d.RoleId)] = r.detailOf(d, known)
			}
		}
	}
	return details, nil
}

// roleDetail is the part of a role that ListRoles omits.
type roleDetail struct {
	tags       map[string]string
	lastUsedAt time.Time
	boundary   string
	managed    []string
	inline     map[string]plan.InlinePolicy
}

func (r *Roles) detailOf(d *iamtypes.RoleDetail, known *knownDocuments) roleDetail {
	detail := roleDetail{
		tags:       r.withoutIgnoredTags(tagMap(d.Tags)),
		lastUsedAt: lastUsed(d.RoleLastUsed),
		managed:    attachedARNs(d.AttachedManagedPolicies),
		inline:     make(map[string]plan.InlinePolicy, len(d.RolePolicyList)),
	}
	if d.PermissionsBoundary != nil {
		detail.boundary = aws.ToString(d.PermissionsBoundary.PermissionsBoundaryArn)
	}
	for _, p := range d.RolePolicyList {
		detail.inline[aws.ToString(p.PolicyName)] = plan.InlinePolicy{Document: known.decode(aws.ToString(p.PolicyDocument))}
	}
	return detail
}

// addTo returns a role of ListRoles with the detail.
func (d roleDetail) addTo(role *plan.Observed) *plan.Observed {
	role.Tags, role.LastUsedAt, role.Boundary, role.Managed, role.Inline = d.tags, d.lastUsedAt, d.boundary, d.managed, d.inline
	return role
}
