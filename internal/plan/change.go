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
	// Target is what the action is about within the role: a policy's ARN or
	// name, tag keys. It is empty if the action is about the role itself.
	Target() string
	// Part is the part of the identity that changes, as metrics and events name it.
	Part() string
	change()
}

// The changes that Diff and Teardown ask for.
type (
	// CreateRole makes the role with everything that one call can carry: all of
	// Role but its policies.
	CreateRole struct{ Role Role }
	// UpdateTrust replaces the trust policy.
	UpdateTrust struct{ Trust policy.Document }
	// UpdateRole sets description and session duration, always both. Differs
	// names those that are not as desired.
	UpdateRole struct {
		Description string
		MaxSession  int32 // seconds
		Differs     string
	}
	// PutBoundary sets the permissions boundary.
	PutBoundary struct{ ARN string }
	// DeleteBoundary removes the permissions boundary.
	DeleteBoundary struct{}
	// TagRole sets tags, and leaves other tags as they are.
	TagRole struct{ Tags map[string]string }
	// UntagRole removes tags.
	UntagRole struct{ Keys []string }
	// PutInline sets an inline policy. Text is the document as it was declared;
	// if it is empty, Document is what there is to write.
	PutInline struct {
		Name     string
		Document policy.Document
		Text     string
	}
	// DeleteInline removes an inline policy.
	DeleteInline struct{ Name string }
	// Attach attaches a managed policy.
	Attach struct{ ARN string }
	// Detach detaches a managed policy.
	Detach struct{ ARN string }
	// LeaveInstanceProfile takes the role out of an instance profile.
	LeaveInstanceProfile struct{ Name string }
	// DeleteRole deletes the role.
	DeleteRole struct{}
)

// Action implements Change.
func (CreateRole) Action() string           { return "CreateRole" }
func (UpdateTrust) Action() string          { return "UpdateAssumeRolePolicy" }
func (UpdateRole) Action() string           { return "UpdateRole" }
func (PutBoundary) Action() string          { return "PutRolePermissionsBoundary" }
func (DeleteBoundary) Action() string       { return "DeleteRolePermissionsBoundary" }
func (TagRole) Action() string              { return "TagRole" }
func (UntagRole) Action() string            { return "UntagRole" }
func (PutInline) Action() string            { return "PutRolePolicy" }
func (DeleteInline) Action() string         { return "DeleteRolePolicy" }
func (Attach) Action() string               { return "AttachRolePolicy" }
func (Detach) Action() string               { return "DetachRolePolicy" }
func (LeaveInstanceProfile) Action() string { return "RemoveRoleFromInstanceProfile" }
func (DeleteRole) Action() string           { return "DeleteRole" }

// Target implements Change.
func (c CreateRole) Target() string           { return c.Role.Name }
func (UpdateTrust) Target() string            { return "" }
func (UpdateRole) Target() string             { return "" }
func (c PutBoundary) Target() string          { return c.ARN }
func (DeleteBoundary) Target() string         { return "" }
func (c TagRole) Target() string              { return strings.Join(slices.Sorted(maps.Keys(c.Tags)), ",") }
func (c UntagRole) Target() string            { return strings.Join(c.Keys, ",") }
func (c PutInline) Target() string            { return c.Name }
func (c DeleteInline) Target() string         { return c.Name }
func (c Attach) Target() string               { return c.ARN }
func (c Detach) Target() string               { return c.ARN }
func (c LeaveInstanceProfile) Target() string { return c.Name }
func (DeleteRole) Target() string             { return "" }

func (CreateRole) change()           {}
func (UpdateTrust) change()          {}
func (UpdateRole) change()           {}
func (PutBoundary) change()          {}
func (DeleteBoundary) change()       {}
func (TagRole) change()              {}
func (UntagRole) change()            {}
func (PutInline) change()            {}
func (DeleteInline) change()         {}
func (Attach) change()               {}
func (Detach) change()               {}
func (LeaveInstanceProfile) change() {}
func (DeleteRole) change()           {}

// Part implements Change.
func (CreateRole) Part() string           { return "role" }
func (UpdateTrust) Part() string          { return "trust" }
func (c UpdateRole) Part() string         { return c.Differs }
func (PutBoundary) Part() string          { return "boundary" }
func (DeleteBoundary) Part() string       { return "boundary" }
func (TagRole) Part() string              { return "tags" }
func (UntagRole) Part() string            { return "tags" }
func (PutInline) Part() string            { return "inlinePolicy" }
func (DeleteInline) Part() string         { return "inlinePolicy" }
func (Attach) Part() string               { return "managedPolicy" }
func (Detach) Part() string               { return "managedPolicy" }
func (LeaveInstanceProfile) Part() string { return "instanceProfile" }
func (DeleteRole) Part() string           { return "role" }

// Summary returns the actions of changes in their order, for logs and events.
func Summary(changes []Change) string {
	actions := make([]string, len(changes))
	for i, c := range changes {
		actions[i] = c.Action()
	}
	return strings.Join(actions, ",")
}
