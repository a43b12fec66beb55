package awslocal

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Managed policies: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Policy.html

func createPolicy(c *call) (model.Struct, error) {
	in := c.in
	tags, err := resourceTags.given(in)
	if err != nil {
		return nil, err
	}
	document := in.Str("PolicyDocument")
	if err := c.checkManaged(document); err != nil {
		return nil, err
	}
	name := in.Str("PolicyName")
	for _, p := range c.st.policies {
		if strings.EqualFold(p.name, name) {
			return nil, model.Errorf("EntityAlreadyExists",
				"A policy called %s already exists. Duplicate names are not allowed.", name)
		}
	}
	if err := c.srv.within(len(c.st.policies)+1, "PoliciesQuota", "PoliciesPerAccount"); err != nil {
		return nil, err
	}
	p := &managedPolicy{
		name:        name,
		id:          c.srv.random.id("ANPA"),
		path:        pathOf(in),
		description: in.Str("Description"),
		created:     c.now,
		updated:     c.now,
		versions:    []policyVersion{{id: "v1", document: document, created: c.now, isDefault: true}},
		lastVersion: 1,
		tags:        tags,
	}
	p.arn = c.srv.iamARN("policy", p.path, p.name)
	c.st.policies[p.arn] = p

	out := c.policyItem(p, c.uses(p.arn))
	if len(p.tags) > 0 {
		out["Tags"] = tagValues(p.tags)
	}
	return model.Struct{"Policy": out}, nil
}

func getPolicy(c *call) (model.Struct, error) {
	p, err := c.policy(policyNotFound)
	if err != nil {
		return nil, err
	}
	out := c.policyItem(p, c.uses(p.arn))
	out["Tags"] = tagValues(byLength(p.tags))
	if p.description != "" {
		out["Description"] = p.description
	}
	return model.Struct{"Policy": out}, nil
}

func listPolicies(c *call) (model.Struct, error) {
	in := c.in
	var policies []*managedPolicy
	used := c.usedPolicies()
	for _, p := range c.allPolicies() {
		switch {
		case in.Str("Scope") == "Local" && p.aws, in.Str("Scope") == "AWS" && !p.aws:
		case in.Bool("OnlyAttached") && used[p.arn].attached == 0:
		case in.Str("PolicyUsageFilter") == "PermissionsPolicy" && used[p.arn].attached == 0:
		case in.Str("PolicyUsageFilter") == "PermissionsBoundary" && used[p.arn].bounds == 0:
		case !strings.HasPrefix(p.path, in.Str("PathPrefix")):
		default:
			policies = append(policies, p)
		}
	}
	out := model.Struct{}
	policies, err := page(c, out, policies, func(p *managedPolicy) string { return p.arn })
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, p := range policies {
		items = append(items, c.policyItem(p, used[p.arn]))
	}
	out["Policies"] = items
	return out, nil
}

func deletePolicy(c *call) (model.Struct, error) {
	p, err := c.ownPolicy(policyNotFound)
	if err != nil {
		return nil, err
	}
	if c.uses(p.arn) != (uses{}) {
		return nil, model.Errorf("DeleteConflict", "Cannot delete a policy attached to entities.")
	}
	if len(p.versions) > 1 {
		return nil, model.Errorf("DeleteConflict", "This policy has more than one version. Before you delete a policy, "+
			"you must delete the policy's versions. The default version is deleted with the policy.")
	}
	delete(c.st.policies, p.arn)
	return nil, nil
}

func listEntitiesForPolicy(c *call) (model.Struct, error) {
	p, err := c.policy(notAttachable)
	if err != nil {
		return nil, err
	}
	in := c.in
	var roles []*role
	for _, r := range sorted(c.st.roles, func(r *role) string { return r.name }) {
		asPolicy := in.Str("PolicyUsageFilter") != "PermissionsBoundary" && slices.Contains(r.attached, p.arn)
		asBoundary := in.Str("PolicyUsageFilter") != "PermissionsPolicy" && r.boundary == p.arn
		wanted := !in.Has("EntityFilter") || in.Str("EntityFilter") == "Role"
		if wanted && (asPolicy || asBoundary) && strings.HasPrefix(r.path, in.Str("PathPrefix")) {
			roles = append(roles, r)
		}
	}
	out := model.Struct{"PolicyGroups": []any{}, "PolicyUsers": []any{}}
	roles, err = page(c, out, roles, func(r *role) string { return r.name })
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, r := range roles {
		items = append(items, model.Struct{"RoleName": r.name, "RoleId": r.id})
	}
	out["PolicyRoles"] = items
	return out, nil
}

func tagPolicy(c *call) (model.Struct, error) {
	tags, err := resourceTags.given(c.in)
	if err != nil {
		return nil, err
	}
	return nil, c.editPolicy(policyNotFound, func(p *managedPolicy) error {
		p.tags, err = resourceTags.put(p.tags, tags)
		return err
	})
}

func untagPolicy(c *call) (model.Struct, error) {
	return nil, c.editPolicy(policyNotFound, func(p *managedPolicy) error {
		p.tags = resourceTags.without(p.tags, c.in.Strings("TagKeys"))
		return nil
	})
}

func listPolicyTags(c *call) (model.Struct, error) {
	p, err := c.policy(policyNotFound)
	if err != nil {
		return nil, err
	}
	return listTags(c, byLength(p.tags))
}

// checkManaged rejects a document that cannot be a managed policy.
func (c *call) checkManaged(document string) error {
	if err := checkManagedPolicy(document); err != nil {
		return err
	}
	return c.srv.within(policy.Size(document), "PolicySizeQuota", "PolicySize")
}

// policyResource is the last part of the ARN of a managed policy: its path and its name.
var policyResource = regexp.MustCompile(`^policy/(?:[!-~]+/)?[\w+=,.@-]+$`)

// checkPolicyARN rejects what is not the ARN of a managed policy: "The partition name must
// match the partition of the AWS account, the service name must be iam, the region code must be
// blank, the resource type must be valid, and there must not be any trailing spaces", AWS answered
// in 2024, when IAM began to check all parts.
func (s *Server) checkPolicyARN(given string) error {
	a, ok := parseARN(given)
	if !ok || a.service != "iam" || a.region != "" || a.account == "" || !policyResource.MatchString(a.resource) {
		return model.Errorf("ValidationError", "ARN %s is not valid.", given)
	}
	if a.partition != s.options.Partition {
		return model.Errorf("ValidationError", "Invalid ARN partition")
	}
	return nil
}

// findPolicy returns the policy of an ARN, AWS's or the account's, or nil.
func (c *call) findPolicy(arn string) *managedPolicy {
	if p := c.st.policies[arn]; p != nil {
		return p
	}
	return c.srv.awsPolicy(arn)
}

// policy returns the policy that a call names, or the error for a missing one.
func (c *call) policy(missing func(string) error) (*managedPolicy, error) {
	arn := c.in.Str("PolicyArn")
	if err := c.srv.checkPolicyARN(arn); err != nil {
		return nil, err
	}
	p := c.findPolicy(arn)
	if p == nil {
		return nil, missing(arn)
	}
	return p, nil
}

// ownPolicy is policy for calls that change it, which AWS managed policies do not allow.
func (c *call) ownPolicy(missing func(string) error) (*managedPolicy, error) {
	p, err := c.policy(missing)
	if err == nil && p.aws {
		return nil, model.Errorf("AccessDenied", "User: %s is not authorized to perform: iam:%s on resource: policy %s",
			c.caller.arn, c.action, p.arn)
	}
	return p, err
}

func (c *call) editPolicy(missing func(string) error, edit func(*managedPolicy) error) error {
	p, err := c.ownPolicy(missing)
	if err != nil {
		return err
	}
	p = p.copy()
	if err := edit(p); err != nil {
		return err
	}
	c.st.policies[p.arn] = p
	return nil
}

// allPolicies returns the account's policies, then the AWS managed ones.
func (c *call) allPolicies() []*managedPolicy {
	own := slices.SortedFunc(maps.Values(c.st.policies), func(a, b *managedPolicy) int { return strings.Compare(a.name, b.name) })
	return append(own, c.srv.awsPolicies()...)
}

// uses are the numbers of roles that have a policy attached, and that have it as their
// boundary.
type uses struct{ attached, bounds int }

func (c *call) uses(arn string) uses { return c.usedPolicies()[arn] }

// usedPolicies returns the uses of all policies that roles have, by ARN.
func (c *call) usedPolicies() map[string]uses {
	used := map[string]uses{}
	for _, r := range c.st.roles {
		for _, arn := range r.attached {
			u := used[arn]
			u.attached++
			used[arn] = u
		}
		if r.boundary != "" {
			u := used[r.boundary]
			u.bounds++
			used[r.boundary] = u
		}
	}
	return used
}

// policyItem is a policy as lists show it: without tags and description.
func (c *call) policyItem(p *managedPolicy, u uses) model.Struct {
	return model.Struct{
		"PolicyName":                    p.name,
		"PolicyId":                      p.id,
		"Arn":                           p.arn,
		"Path":                          p.path,
		"DefaultVersionId":              p.defaultVersion().id,
		"AttachmentCount":               int64(u.attached),
		"PermissionsBoundaryUsageCount": int64(u.bounds),
		"IsAttachable":                  true,
		"CreateDate":                    p.created,
		"UpdateDate":                    p.updated,
	}
}
