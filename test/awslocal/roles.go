package awslocal

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Roles: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html

func createRole(c *call) (model.Struct, error) {
	in := c.in
	tags, err := roleTags.given(in)
	if err != nil {
		return nil, err
	}
	document := in.Str("AssumeRolePolicyDocument")
	if err := c.checkTrust(document); err != nil {
		return nil, err
	}
	name := in.Str("RoleName")
	if c.st.roles[strings.ToLower(name)] != nil {
		return nil, model.Errorf("EntityAlreadyExists", "Role with name %s already exists.", name)
	}
	if err := c.srv.within(len(c.st.roles)+1, "RolesQuota", "RolesPerAccount"); err != nil {
		return nil, err
	}
	r := &role{
		name:        name,
		id:          c.srv.random.id("AROA"),
		path:        pathOf(in),
		created:     c.now,
		trust:       c.resolvePrincipals(document),
		description: in.Str("Description"),
		maxSession:  in.Int("MaxSessionDuration", defaultSession),
		tags:        tags,
		inline:      map[string]string{},
	}
	r.arn = c.srv.iamARN("role", r.path, r.name)
	if in.Has("PermissionsBoundary") {
		if r.boundary, err = c.boundary(in.Str("PermissionsBoundary")); err != nil {
			return nil, err
		}
	}
	c.st.roles[strings.ToLower(name)] = r

	out := roleSummary(r)
	out["AssumeRolePolicyDocument"] = encodeDocument(document) // as it was sent
	addBoundary(out, r)
	if len(r.tags) > 0 {
		out["Tags"] = tagValues(r.tags)
	}
	return model.Struct{"Role": out}, nil
}

func getRole(c *call) (model.Struct, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	out := roleItem(r)
	addBoundary(out, r)
	out["RoleLastUsed"] = c.lastUsed(r)
	if len(r.tags) > 0 {
		out["Tags"] = tagValues(r.tags)
	}
	return model.Struct{"Role": out}, nil
}

func listRoles(c *call) (model.Struct, error) {
	var roles []*role
	for _, r := range sorted(c.st.roles, func(r *role) string { return r.name }) {
		if strings.HasPrefix(r.path, c.in.Str("PathPrefix")) {
			roles = append(roles, r)
		}
	}
	out := model.Struct{}
	roles, err := page(c, out, roles, func(r *role) string { return r.name })
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, r := range roles {
		items = append(items, roleItem(r))
	}
	out["Roles"] = items
	return out, nil
}

func updateRole(c *call) (model.Struct, error) {
	edit := c.editRole
	if c.in.Has("Description") && !c.in.Has("MaxSessionDuration") {
		edit = c.editAnyRole
	}
	return model.Struct{}, edit(func(r *role) error {
		if c.in.Has("Description") {
			r.description = c.in.Str("Description")
		}
		r.maxSession = c.in.Int("MaxSessionDuration", r.maxSession)
		return nil
	})
}

func updateRoleDescription(c *call) (model.Struct, error) {
	var out model.Struct
	err := c.editAnyRole(func(r *role) error {
		r.description = c.in.Str("Description")
		out = roleSummary(r)
		out["Description"] = r.description
		return nil
	})
	return model.Struct{"Role": out}, err
}

func updateAssumeRolePolicy(c *call) (model.Struct, error) {
	return nil, c.editRole(func(r *role) error {
		document := c.in.Str("PolicyDocument")
		if err := c.checkTrust(document); err != nil {
			return err
		}
		r.trust = c.resolvePrincipals(document)
		return nil
	})
}

func deleteRole(c *call) (model.Struct, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	if err := r.modifiable(); err != nil {
		return nil, err
	}
	key := strings.ToLower(r.name)
	switch {
	case slices.ContainsFunc(slices.Collect(maps.Values(c.st.profiles)), func(p *instanceProfile) bool { return p.role == key }):
		return nil, model.Errorf("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	case len(r.attached) > 0:
		return nil, model.Errorf("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	case len(r.inline) > 0:
		return nil, model.Errorf("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	delete(c.st.roles, key)
	c.st.replaceDeleted(r)
	return nil, nil
}

func tagRole(c *call) (model.Struct, error) {
	tags, err := roleTags.given(c.in)
	if err != nil {
		return nil, err
	}
	return nil, c.editAnyRole(func(r *role) error {
		r.tags, err = roleTags.put(r.tags, tags)
		return err
	})
}

func untagRole(c *call) (model.Struct, error) {
	return nil, c.editAnyRole(func(r *role) error {
		r.tags = roleTags.without(r.tags, c.in.Strings("TagKeys"))
		return nil
	})
}

func listRoleTags(c *call) (model.Struct, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	return listTags(c, r.tags)
}

func putRolePermissionsBoundary(c *call) (model.Struct, error) {
	return nil, c.editRole(func(r *role) (err error) {
		r.boundary, err = c.boundary(c.in.Str("PermissionsBoundary"))
		return err
	})
}

func deleteRolePermissionsBoundary(c *call) (model.Struct, error) {
	return nil, c.editRole(func(r *role) error {
		if r.boundary == "" {
			return model.Errorf("NoSuchEntity", "Role %s does not have a permissions boundary.", r.name)
		}
		r.boundary = ""
		return nil
	})
}

// role returns the role that a call names.
func (c *call) role() (*role, error) { return c.roleNamed(c.in.Str("RoleName")) }

func (c *call) roleNamed(name string) (*role, error) {
	r := c.st.roles[strings.ToLower(name)]
	if r == nil {
		return nil, noRole(name)
	}
	return r, nil
}

func noRole(name string) error {
	return model.Errorf("NoSuchEntity", "The role with name %s cannot be found.", name)
}

// editRole changes the role that a call names, unless it belongs to an AWS
// service or edit fails.
func (c *call) editRole(edit func(*role) error) error {
	return c.editAnyRole(func(r *role) error {
		if err := r.modifiable(); err != nil {
			return err
		}
		return edit(r)
	})
}

// editAnyRole is editRole for what the account may also change on service-linked roles:
// their tags and descriptions.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html
func (c *call) editAnyRole(edit func(*role) error) error {
	r, err := c.role()
	if err != nil {
		return err
	}
	r = r.copy()
	if err := edit(r); err != nil {
		return err
	}
	c.st.roles[strings.ToLower(r.name)] = r
	return nil
}

func (r *role) modifiable() error {
	if r.serviceLinked {
		return model.Errorf("UnmodifiableEntity",
			"Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", r.name)
	}
	return nil
}

// boundary returns the ARN of a managed policy that may serve as a boundary.
func (c *call) boundary(arn string) (string, error) {
	if err := c.srv.checkPolicyARN(arn); err != nil {
		return "", model.Errorf("InvalidInput", "%s", asAPIError(err).Message)
	}
	switch p := c.findPolicy(arn); {
	case p == nil:
		return "", model.Errorf("NoSuchEntity", "Scope ARN: %s does not exist or is not attachable.%s", arn, notCarried(arn))
	case p.serviceRoleOnly:
		return "", serviceRolePolicies()
	}
	return arn, nil
}

// roleSummary is a role as in answers that only refer to it.
func roleSummary(r *role) model.Struct {
	return model.Struct{
		"Path":                     r.path,
		"RoleName":                 r.name,
		"RoleId":                   r.id,
		"Arn":                      r.arn,
		"CreateDate":               r.created,
		"AssumeRolePolicyDocument": encodeDocument(r.trust),
	}
}

// roleItem is a role as ListRoles shows it: without tags, boundary and last
// use, https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
func roleItem(r *role) model.Struct {
	out := roleSummary(r)
	out["MaxSessionDuration"] = int64(r.maxSession)
	if r.description != "" {
		out["Description"] = r.description
	}
	return out
}

// addBoundary adds the boundary if there is one. AWS writes the type as Policy, whatever
// the enumeration of its model contains.
func addBoundary(out model.Struct, r *role) {
	if r.boundary != "" {
		out["PermissionsBoundary"] = model.Struct{
			"PermissionsBoundaryType": "Policy",
			"PermissionsBoundaryArn":  r.boundary,
		}
	}
}

// pathOf returns the path that a Create call requests.
func pathOf(in model.Struct) string {
	if !in.Has("Path") {
		return "/"
	}
	return in.Str("Path")
}

// encodeDocument percent-encodes a policy document by RFC 3986: all but
// unreserved characters.
func encodeDocument(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}
