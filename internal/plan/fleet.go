package plan

import "strings"

// Fleet is what one look at many roles found.
type Fleet struct {
	// Roles by their names in lower case: IAM tells them apart without regard to
	// case.
	Roles map[string]*Observed
	// Calls is what the look cost.
	Calls int
}

// Add adds a role to the fleet.
func (f Fleet) Add(role *Observed) { f.Roles[strings.ToLower(role.Name)] = role }

// InSync returns the owner's role if the fleet has it just as desired, and nil
// otherwise. Nil proves nothing: the lists that a fleet is read from are known to
// leave out boundaries, and may be old. Whoever gets nil looks at the role itself.
func (f Fleet) InSync(owner Owner, desired Role) *Observed {
	found := f.Roles[strings.ToLower(desired.Name)]
	if found.ClaimOf(owner) != Ours || found.Path != desired.Path || len(Diff(&found.Role, desired)) > 0 {
		return nil
	}
	return found
}

// LookCost returns the number of calls that looking at each of the roles by
// itself costs: three, and one for each inline policy.
func LookCost(roles ...Role) int {
	cost := 0
	for _, r := range roles {
		cost += 3 + len(r.Inline)
	}
	return cost
}
