package plan

import (
	"maps"
	"slices"
)

// After returns the role after changes to it. CreateRole ignores the role before.
func After(role Role, changes []Change) Role {
	role = role.Clone()
	for _, change := range changes {
		role = after(role, change)
	}
	return role
}

func after(role Role, change Change) Role {
	switch c := change.(type) {
	case CreateRole:
		role = c.Role.Clone()
		role.Managed, role.Inline = nil, nil
	case UpdateTrust:
		role.Trust = c.Trust
	case UpdateRole:
		role.Description, role.MaxSessionDuration = c.Description, c.MaxSessionDuration
	case PutBoundary:
		role.Boundary = c.ARN
	case DeleteBoundary:
		role.Boundary = ""
	case TagRole:
		role.Tags = merged(role.Tags, c.Tags)
	case UntagRole:
		maps.DeleteFunc(role.Tags, func(key, _ string) bool { return slices.Contains(c.Keys, key) })
	case PutRolePolicy:
		role.Inline = merged(role.Inline, map[string]InlinePolicy{c.Name: c.Policy})
	case DeleteRolePolicy:
		delete(role.Inline, c.Name)
	case AttachPolicy:
		if !slices.Contains(role.Managed, c.ARN) {
			role.Managed = slices.Sorted(slices.Values(append(role.Managed, c.ARN)))
		}
	case DetachPolicy:
		role.Managed = slices.DeleteFunc(role.Managed, func(arn string) bool { return arn == c.ARN })
	case RemoveFromInstanceProfile: // it is not part of the role
	case DeleteRole:
		role = Role{}
	}
	return role
}

func merged[V any](a, b map[string]V) map[string]V {
	if a == nil {
		a = map[string]V{}
	}
	maps.Copy(a, b)
	return a
}
