package plan

import "strings"

// The causes of faults that several identities share: what a user must grant or create
// before a call succeeds.

// Permission returns the cause of an AccessDenied of a change, empty if a denial for one
// role says nothing about another role. It contains what conditions of IAM policies can
// distinguish: an operator may be allowed to attach only some policies.
func Permission(c Change) string {
	switch c := c.(type) {
	case RemoveFromInstanceProfile:
		return "" // the permission depends on the instance profile
	case CreateRole:
		return permission(c.Action(), c.Role.Boundary)
	case PutBoundary:
		return permission(c.Action(), c.ARN)
	case AttachPolicy:
		return permission(c.Action(), c.ARN)
	case DetachPolicy:
		return permission(c.Action(), c.ARN)
	default:
		return permission(c.Action(), "")
	}
}

// ReadPermission returns the cause of an AccessDenied of a call that reads.
func ReadPermission(action string) string { return permission(action, "") }

func permission(action, on string) string { return strings.TrimSuffix("iam:"+action+" "+on, " ") }

// MissingPolicy returns the cause of faults for a managed policy that does not exist.
func MissingPolicy(arn string) string { return "managed policy " + arn }

// MissingBoundary returns the cause of faults for a permissions boundary that does not
// exist.
func MissingBoundary(arn string) string { return "permissions boundary " + arn }

// MissingCredentials is the cause of faults of an operator without valid credentials.
const MissingCredentials = "credentials"

// Causes returns the causes for which a change can be blocked, the permission first.
func Causes(c Change) []string {
	var causes []string
	if p := Permission(c); p != "" {
		causes = append(causes, p)
	}
	switch c := c.(type) {
	case AttachPolicy:
		causes = append(causes, MissingPolicy(c.ARN))
	case PutBoundary:
		causes = append(causes, MissingBoundary(c.ARN))
	case CreateRole:
		if c.Role.Boundary != "" {
			causes = append(causes, MissingBoundary(c.Role.Boundary))
		}
	default: // the others name nothing that may be missing
	}
	return causes
}
