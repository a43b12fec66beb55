package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

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

// Orphan is a role of this cluster in a snapshot whose object does not exist.
type Orphan struct {
	*Observed
	Namespace, Object string // of the PodIdentity that owned the role
	// Retained reports that the role was retained on purpose.
	Retained bool
}

// Sealed reports whether no one can assume the role.
func (o Orphan) Sealed() bool { return o.Trust == policy.DenyAllTrust() }

// Orphans returns the roles of the cluster that none of the objects with these UIDs
// owns, sorted by name.
func (s RoleSnapshot) Orphans(cluster Cluster, uids map[string]bool) []Orphan {
	var orphans []Orphan
	for _, key := range slices.Sorted(maps.Keys(s.Roles)) {
		role := s.Roles[key]
		tags := role.Tags
		if !role.managedBy(cluster) || tags[TagClusterID] != cluster.ID || uids[tags[TagUID]] {
			continue
		}
		orphans = append(orphans, Orphan{
			Observed: role, Namespace: tags[TagNamespace], Object: tags[TagName], Retained: tags[TagRetainedAt] != "",
		})
	}
	return orphans
}

// OfOtherCluster returns the names of the roles that another cluster of the same name
// created, sorted.
func (s RoleSnapshot) OfOtherCluster(cluster Cluster) []string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(s.Roles)) {
		role := s.Roles[key]
		if id := role.Tags[TagClusterID]; role.managedBy(cluster) && id != "" && id != cluster.ID {
			names = append(names, role.Name)
		}
	}
	return names
}

// managedBy reports whether an operator of a cluster with that name created the role.
func (o *Observed) managedBy(cluster Cluster) bool {
	return o.Path == cluster.RolePath && o.Tags[TagManagedBy] == ManagedBy && o.Tags[TagCluster] == cluster.Name
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
