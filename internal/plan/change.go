package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Change is one call to IAM. The set of implementations is closed; the
// exhaustive switch over it is in awsiam.
//
//sumtype:decl
type Change interface {
	// Action is the IAM action that makes the change, such as AttachRolePolicy.
	Action() string
	// Target is the part of the role that the action applies to: a policy's ARN or
	// name, or tag keys. It is empty if the action applies to the role itself.
	Target() string
	// Component is the part of the identity that changes, as named in metrics and
	// events.
	Component() string
	change()
}

// The changes that Diff and Teardown return.
type (
	// CreateRole creates the role with everything that the call accepts: all of Role
	// except its policies.
	CreateRole struct{ Role Role }
	// UpdateTrust replaces the trust policy.
	UpdateTrust struct{ Trust policy.Document }
	// UpdateRole sets description and session duration, always both. ChangedFields
	// names those that differ from the desired state.
	UpdateRole struct {
		Description        string
		MaxSessionDuration int32 // seconds
		ChangedFields      string
	}
	// PutBoundary sets the permissions boundary.
	PutBoundary struct{ ARN string }
	// DeleteBoundary removes the permissions boundary.
	DeleteBoundary struct{}
	// TagRole sets tags and keeps other tags.
	TagRole struct{ Tags map[string]string }
	// UntagRole removes tags.
	UntagRole struct{ Keys []string }
	// PutRolePolicy sets an inline policy.
	PutRolePolicy struct {
		Name   string
		Policy InlinePolicy
	}
	// DeleteRolePolicy removes an inline policy.
	DeleteRolePolicy struct{ Name string }
	// AttachPolicy attaches a managed policy.
	AttachPolicy struct{ ARN string }
	// DetachPolicy detaches a managed policy.
	DetachPolicy struct{ ARN string }
	// RemoveFromInstanceProfile removes the role from an instance profile.
	RemoveFromInstanceProfile struct{ Name string }
	// DeleteRole deletes the role.
	DeleteRole struct{}
)

// Action implements Change.
func (CreateRole) Action() string                { return "CreateRole" }
func (UpdateTrust) Action() string               { return "UpdateAssumeRolePolicy" }
func (UpdateRole) Action() string                { return "UpdateRole" }
func (PutBoundary) Action() string               { return "PutRolePermissionsBoundary" }
func (DeleteBoundary) Action() string            { return "DeleteRolePermissionsBoundary" }
func (TagRole) Action() string                   { return "TagRole" }
func (UntagRole) Action() string                 { return "UntagRole" }
func (PutRolePolicy) Action() string             { return "PutRolePolicy" }
func (DeleteRolePolicy) Action() string          { return "DeleteRolePolicy" }
func (AttachPolicy) Action() string              { return "AttachRolePolicy" }
func (DetachPolicy) Action() string              { return "DetachRolePolicy" }
func (RemoveFromInstanceProfile) Action() string { return "RemoveRoleFromInstanceProfile" }
func (DeleteRole) Action() string                { return "DeleteRole" }

// Target implements Change.
func (c CreateRole) Target() string                { return c.Role.Name }
func (UpdateTrust) Target() string                 { return "" }
func (UpdateRole) Target() string                  { return "" }
func (c PutBoundary) Target() string               { return c.ARN }
func (DeleteBoundary) Target() string              { return "" }
func (c TagRole) Target() string                   { return strings.Join(slices.Sorted(maps.Keys(c.Tags)), ",") }
func (c UntagRole) Target() string                 { return strings.Join(c.Keys, ",") }
func (c PutRolePolicy) Target() string             { return c.Name }
func (c DeleteRolePolicy) Target() string          { return c.Name }
func (c AttachPolicy) Target() string              { return c.ARN }
func (c DetachPolicy) Target() string              { return c.ARN }
func (c RemoveFromInstanceProfile) Target() string { return c.Name }
func (DeleteRole) Target() string                  { return "" }

func (CreateRole) change()                {}
func (UpdateTrust) change()               {}
func (UpdateRole) change()                {}
func (PutBoundary) change()               {}
func (DeleteBoundary) change()            {}
func (TagRole) change()                   {}
func (UntagRole) change()                 {}
func (PutRolePolicy) change()             {}
func (DeleteRolePolicy) change()          {}
func (AttachPolicy) change()              {}
func (DetachPolicy) change()              {}
func (RemoveFromInstanceProfile) change() {}
func (DeleteRole) change()                {}

// Component implements Change.
func (CreateRole) Component() string                { return "role" }
func (UpdateTrust) Component() string               { return "trust" }
func (c UpdateRole) Component() string              { return c.ChangedFields }
func (PutBoundary) Component() string               { return "boundary" }
func (DeleteBoundary) Component() string            { return "boundary" }
func (TagRole) Component() string                   { return "tags" }
func (UntagRole) Component() string                 { return "tags" }
func (PutRolePolicy) Component() string             { return "inlinePolicy" }
func (DeleteRolePolicy) Component() string          { return "inlinePolicy" }
func (AttachPolicy) Component() string              { return "managedPolicy" }
func (DetachPolicy) Component() string              { return "managedPolicy" }
func (RemoveFromInstanceProfile) Component() string { return "instanceProfile" }
func (DeleteRole) Component() string                { return "role" }

// Summary returns the actions of changes in their order, for logs and events.
func Summary(changes []Change) string {
	actions := make([]string, len(changes))
	for i, c := range changes {
		actions[i] = c.Action()
	}
	return strings.Join(actions, ",")
}
