package plan

import "strings"

// RoleSnapshot is what one look at many roles found.
type RoleSnapshot struct {
	// Roles by their names in lower case: IAM tells them apart without regard to
	// case.
	Roles map[string]*Observed
	// Calls is what the look cost.
	Calls int
}

// Add adds a role to the fleet.
func (f RoleSnapshot) Add(role *Observed) { f.Roles[strings.ToLower(role.Name)] = role }

// Find returns the owner's role if the fleet has it just as desired, and nil
// otherwise. Nil proves nothing: the lists that a fleet is read from are known to
// leave out boundaries, and may be old. Whoever gets nil looks at the role itself.
func (f RoleSnapshot) Find(owner Owner, desired Role) *Observed {
	found := f.Roles[strings.ToLower(desired.Name)]
	if found.OwnershipBy(owner) != Owned || found.Path != desired.Path || len(Diff(&found.Role, desired)) > 0 {
		return nil
	}
	return found
}

// ReadCost returns the number of calls that looking at each of the roles by
// itself costs: three, and one for each inline policy.
func ReadCost(roles ...Role) int {
	cost := 0
	for _, r := range roles {
		cost += 3 + len(r.Inline)
	}
	return cost
}
