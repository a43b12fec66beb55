package awsiam

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Roles reads IAM roles and applies plans to them. It is safe for concurrent use.
type Roles struct {
	api    API
	quotas *quotas
	// ignoredTags are the prefixes of tag keys that the operator neither reads nor
	// changes.
	ignoredTags []string
	documents   documents
}

// NewRoles returns Roles that call api. They omit tags whose keys begin with one of the
// ignored prefixes, so that no comparison finds them.
func NewRoles(api API, ignoredTagPrefixes ...string) *Roles {
	return &Roles{api: api, quotas: newQuotas(api), ignoredTags: ignoredTagPrefixes}
}

// withoutIgnoredTags removes the tags that the operator ignores.
func (r *Roles) withoutIgnoredTags(tags map[string]string) map[string]string {
	maps.DeleteFunc(tags, func(key, _ string) bool {
		return slices.ContainsFunc(r.ignoredTags, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
	})
	return tags
}

// Observe returns the role of that name with all its policies, or nil if there
// is none. It costs three calls and one more for each inline policy. What is deleted
// between the calls counts as absent.
//
// Role names are unique in the account without regard to case or path, so the role can
// have a different spelling, another path and any owner.
func (r *Roles) Observe(ctx context.Context, name string) (*plan.Observed, error) {
	found, err := r.observe(ctx, name, r.inlinePolicies)
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", name, err)
	}
	return found, nil
}

// ObserveForTeardown returns the role of that name with everything that must be removed
// before it can be deleted, or nil if there is none: inline policies without their
// documents, which are no longer compared, and instance profiles.
func (r *Roles) ObserveForTeardown(ctx context.Context, name string) (*plan.Observed, error) {
	found, err := r.observe(ctx, name, r.inlineNames)
	if err == nil && found != nil {
		found.InstanceProfiles, err = r.instanceProfiles(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", name, err)
	}
	return found, nil
}

// ObserveOwner returns the role of that name without its policies, or nil if
// there is none. It costs one call.
func (r *Roles) ObserveOwner(ctx context.Context, name string) (*plan.Observed, error) {
	found, err := r.get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", name, err)
	}
	return found, nil
}

// get returns the role without its attachments.
func (r *Roles) get(ctx context.Context, name string) (*plan.Observed, error) {
	out, err := r.api.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, r.explain(ctx, readOperation("GetRole"), err)
	}
	found := observed(out.Role, document)
	found.Tags = r.withoutIgnoredTags(found.Tags)
	return found, nil
}

// observe returns the role with its managed policies, and the inline policies that inline
// returns.
func (r *Roles) observe(ctx context.Context, name string, inline func(context.Context, string) (map[string]plan.InlinePolicy, error)) (*plan.Observed, error) {
	found, err := r.get(ctx, name)
	if err != nil || found == nil {
		return nil, err
	}
	found.Managed, err = r.managedPolicies(ctx, name)
	if err == nil {
		found.Inline, err = inline(ctx, name)
	}
	if isNotFound(err) {
		return nil, nil
	}
	return found, err
}

// managedPolicies returns the sorted ARNs of the attached policies.
func (r *Roles) managedPolicies(ctx context.Context, name string) ([]string, error) {
	var arns []string
	pages := iam.NewListAttachedRolePoliciesPaginator(r.api, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String(name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, r.explain(ctx, readOperation("ListAttachedRolePolicies"), err)
		}
		arns = append(arns, attachedARNs(page.AttachedPolicies)...)
	}
	slices.Sort(arns)
	return arns, nil
}

// inlineNames returns the inline policies with empty documents.
func (r *Roles) inlineNames(ctx context.Context, name string) (map[string]plan.InlinePolicy, error) {
	inline := map[string]plan.InlinePolicy{}
	pages := iam.NewListRolePoliciesPaginator(r.api, &iam.ListRolePoliciesInput{RoleName: aws.String(name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, r.explain(ctx, readOperation("ListRolePolicies"), err)
		}
		for _, policyName := range page.PolicyNames {
			inline[policyName] = plan.InlinePolicy{}
		}
	}
	return inline, nil
}

// inlinePolicies returns the inline policies with their documents.
func (r *Roles) inlinePolicies(ctx context.Context, name string) (map[string]plan.InlinePolicy, error) {
	inline, err := r.inlineNames(ctx, name)
	if err != nil {
		return nil, err
	}
	for policyName := range inline {
		out, err := r.api.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String(name), PolicyName: aws.String(policyName)})
		if isNotFound(err) {
			delete(inline, policyName)
			continue
		}
		if err != nil {
			return nil, r.explain(ctx, readOperation("GetRolePolicy"), err)
		}
		inline[policyName] = inlinePolicy(aws.ToString(out.PolicyDocument))
	}
	return inline, nil
}

// instanceProfiles returns the sorted names of the profiles that the role is in.
func (r *Roles) instanceProfiles(ctx context.Context, name string) ([]string, error) {
	var names []string
	pages := iam.NewListInstanceProfilesForRolePaginator(r.api, &iam.ListInstanceProfilesForRoleInput{RoleName: aws.String(name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, r.explain(ctx, readOperation("ListInstanceProfilesForRole"), err)
		}
		for _, p := range page.InstanceProfiles {
			names = append(names, aws.ToString(p.InstanceProfileName))
		}
	}
	slices.Sort(names)
	return names, nil
}

// explain classifies the error of a call.
func (r *Roles) explain(ctx context.Context, c operation, err error) error {
	return classify(c, err, func(key string) (int32, bool) { return r.quotas.value(ctx, key) })
}
