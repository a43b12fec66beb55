package plan

import "strings"

// RoleSnapshot is the result of listing many roles.
type RoleSnapshot struct {
	// Roles by name in lower case: IAM compares names case-insensitively.
	Roles map[string]*Observed
	// Calls is the number of API calls that the listing took.
	Calls int
}

// Add adds a role to the snapshot.
func (s RoleSnapshot) Add(role *Observed) { s.Roles[strings.ToLower(role.Name)] = role }

// Find returns the owner's role if the snapshot contains it in the desired state, and
// nil otherwise. Nil proves nothing: the lists of IAM omit boundaries in some cases
// and may be stale, so a caller that gets nil reads the role itself.
func (s RoleSnapshot) Find(owner Owner, desired Role) *Observed {
	found := s.Roles[strings.ToLower(desired.Name)]
	if found.OwnershipBy(owner) != Owned || found.Path != desired.Path || len(Diff(&found.Role, desired)) > 0 {
		return nil
	}
	return found
}

// ReadCost returns the number of API calls that reading the roles one by one takes:
// three for each role, and one for each inline policy.
func ReadCost(roles ...Role) int {
	cost := 0
	for _, r := range roles {
		cost += 3 + len(r.Inline)
	}
	return cost
}
