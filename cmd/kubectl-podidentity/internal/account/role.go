package account

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// Role returns the role of that name without the documents of its policies, nil if
// there is none.
func (a *Account) Role(ctx context.Context, name string) (*role.Role, error) {
	out, err := a.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, a.explain("iam:GetRole", "role "+name, err)
	}
	r := out.Role
	found := &role.Role{
		Name: aws.ToString(r.RoleName), ARN: aws.ToString(r.Arn), ID: aws.ToString(r.RoleId), Path: aws.ToString(r.Path),
		Created:     aws.ToTime(r.CreateDate),
		Description: aws.ToString(r.Description), MaxSession: aws.ToInt32(r.MaxSessionDuration),
		Tags:  tagsOf(r.Tags),
		Trust: role.NewDocument(aws.ToString(r.AssumeRolePolicyDocument)),
	}
	found.LastUsed, found.LastRegion = lastUsed(r.RoleLastUsed)
	if b := r.PermissionsBoundary; b != nil {
		found.Boundary = &role.Policy{Name: nameOfPolicy(aws.ToString(b.PermissionsBoundaryArn)), ARN: aws.ToString(b.PermissionsBoundaryArn)}
	}
	return found, nil
}

// ReadPolicies reads the policies of a role, and its boundary, with their documents.
func (a *Account) ReadPolicies(ctx context.Context, r *role.Role) error {
	r.Policies = nil
	for page := iam.NewListAttachedRolePoliciesPaginator(a.iam, &iam.ListAttachedRolePoliciesInput{RoleName: &r.Name}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return a.explain("iam:ListAttachedRolePolicies", "role "+r.Name, err)
		}
		for _, p := range out.AttachedPolicies {
			document, err := a.managedDocument(ctx, aws.ToString(p.PolicyArn))
			if err != nil {
				return err
			}
			r.Policies = append(r.Policies, role.Policy{Name: aws.ToString(p.PolicyName), ARN: aws.ToString(p.PolicyArn), Document: document})
		}
	}
	if err := a.readInline(ctx, r); err != nil {
		return err
	}
	if r.Boundary == nil {
		return nil
	}
	document, err := a.managedDocument(ctx, r.Boundary.ARN)
	r.Boundary.Document = document
	return err
}

func (a *Account) readInline(ctx context.Context, r *role.Role) error {
	for page := iam.NewListRolePoliciesPaginator(a.iam, &iam.ListRolePoliciesInput{RoleName: &r.Name}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return a.explain("iam:ListRolePolicies", "role "+r.Name, err)
		}
		for _, name := range out.PolicyNames {
			p, err := a.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &r.Name, PolicyName: &name})
			if err != nil {
				return a.explain("iam:GetRolePolicy", "role "+r.Name, err)
			}
			r.Policies = append(r.Policies, role.Policy{Name: name, Document: role.NewDocument(aws.ToString(p.PolicyDocument))})
		}
	}
	return nil
}

// ManagedPolicy returns the version in force of a managed policy, an empty one if the
// policy does not exist.
func (a *Account) ManagedPolicy(ctx context.Context, arn string) (role.Document, error) {
	return a.managedDocument(ctx, arn)
}

// managedDocument returns the version in force of a managed policy; an empty one if
// the policy does not exist, as for a boundary that was deleted.
func (a *Account) managedDocument(ctx context.Context, arn string) (role.Document, error) {
	if cached, ok := a.documents[arn]; ok {
		return cached, nil
	}
	p, err := a.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", a.explain("iam:GetPolicy", "policy "+arn, err)
	}
	v, err := a.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: p.Policy.DefaultVersionId})
	if err != nil {
		return "", a.explain("iam:GetPolicyVersion", "policy "+arn, err)
	}
	document := role.NewDocument(aws.ToString(v.PolicyVersion.Document))
	a.documents[arn] = document
	return document, nil
}

// Provider returns the OIDC provider of that ARN, nil if there is none.
func (a *Account) Provider(ctx context.Context, arn string) (*role.Provider, error) {
	out, err := a.iam.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	if IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, a.explain("iam:GetOpenIDConnectProvider", arn, err)
	}
	return &role.Provider{ARN: arn, Audiences: out.ClientIDList}, nil
}

// Quotas returns the account's quotas and usage, by the keys of IAM's
// GetAccountSummary.
func (a *Account) Quotas(ctx context.Context) (map[string]int32, error) {
	out, err := a.iam.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		return nil, a.explain("iam:GetAccountSummary", "", err)
	}
	return out.SummaryMap, nil
}

// Roles returns all roles of the account below a path, with their policies, in one
// call per 1,000 roles and managed policies of the account.
func (a *Account) Roles(ctx context.Context, path string) ([]role.Role, error) {
	var found []role.Role
	documents := map[string]role.Document{}
	input := &iam.GetAccountAuthorizationDetailsInput{
		Filter:   []iamtypes.EntityType{iamtypes.EntityTypeRole, iamtypes.EntityTypeLocalManagedPolicy, iamtypes.EntityTypeAWSManagedPolicy},
		MaxItems: aws.Int32(1000),
	}
	for page := iam.NewGetAccountAuthorizationDetailsPaginator(a.iam, input); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, a.explain("iam:GetAccountAuthorizationDetails", "", err)
		}
		for i := range out.Policies {
			documents[aws.ToString(out.Policies[i].Arn)] = defaultVersion(&out.Policies[i])
		}
		for i := range out.RoleDetailList {
			if r := &out.RoleDetailList[i]; strings.HasPrefix(aws.ToString(r.Path), path) {
				found = append(found, detailed(r))
			}
		}
	}
	for i := range found {
		fill(&found[i], documents)
	}
	return found, nil
}

func defaultVersion(p *iamtypes.ManagedPolicyDetail) role.Document {
	for _, v := range p.PolicyVersionList {
		if v.IsDefaultVersion {
			return role.NewDocument(aws.ToString(v.Document))
		}
	}
	return ""
}

func detailed(r *iamtypes.RoleDetail) role.Role {
	found := role.Role{
		Name: aws.ToString(r.RoleName), ARN: aws.ToString(r.Arn), ID: aws.ToString(r.RoleId), Path: aws.ToString(r.Path),
		Created: aws.ToTime(r.CreateDate),
		Tags:    tagsOf(r.Tags),
		Trust:   role.NewDocument(aws.ToString(r.AssumeRolePolicyDocument)),
	}
	found.LastUsed, found.LastRegion = lastUsed(r.RoleLastUsed)
	if b := r.PermissionsBoundary; b != nil {
		found.Boundary = &role.Policy{Name: nameOfPolicy(aws.ToString(b.PermissionsBoundaryArn)), ARN: aws.ToString(b.PermissionsBoundaryArn)}
	}
	for _, p := range r.AttachedManagedPolicies {
		found.Policies = append(found.Policies, role.Policy{Name: aws.ToString(p.PolicyName), ARN: aws.ToString(p.PolicyArn)})
	}
	for _, p := range r.RolePolicyList {
		found.Policies = append(found.Policies, role.Policy{Name: aws.ToString(p.PolicyName), Document: role.NewDocument(aws.ToString(p.PolicyDocument))})
	}
	return found
}

// fill adds the documents of managed policies.
func fill(r *role.Role, documents map[string]role.Document) {
	for i := range r.Policies {
		if p := &r.Policies[i]; p.ARN != "" {
			p.Document = documents[p.ARN]
		}
	}
	if r.Boundary != nil {
		r.Boundary.Document = documents[r.Boundary.ARN]
	}
}

func nameOfPolicy(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

func tagsOf(tags []iamtypes.Tag) map[string]string {
	all := map[string]string{}
	for _, t := range tags {
		all[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return all
}

func lastUsed(u *iamtypes.RoleLastUsed) (at time.Time, region string) {
	if u == nil {
		return time.Time{}, ""
	}
	return aws.ToTime(u.LastUsedDate), aws.ToString(u.Region)
}
