package forecast

import (
	"fmt"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Batch finds the conflicts between identities that are applied together, and counts
// those of a namespace. The zero value holds none.
type Batch struct {
	objects  map[string]string // by namespace and name: the file
	accounts map[string]string // by namespace and ServiceAccount: the PodIdentity
	roles    map[string]string // by role name in lower case: the PodIdentity
	count    map[string]int    // by namespace
}

// Add returns the conflicts of an identity with those added before, and how many of
// them are in its namespace.
func (b *Batch) Add(pi *v1alpha1.PodIdentity, file string) (conflicts []Finding, older int) {
	if b.objects == nil {
		b.objects, b.accounts, b.roles, b.count = map[string]string{}, map[string]string{}, map[string]string{}, map[string]int{}
	}
	id := pi.Namespace + "/" + pi.Name
	if first, taken := b.objects[id]; taken {
		return []Finding{Broken(CheckConflict, fmt.Sprintf("PodIdentity %s is also in %s; the one that is applied last wins, keep one", id, first))}, b.count[pi.Namespace]
	}
	b.objects[id] = file
	for _, name := range plan.ServiceAccountsOf(pi) {
		key := pi.Namespace + "/" + name
		if other, taken := b.accounts[key]; taken {
			conflicts = append(conflicts, Broken(CheckConflict, fmt.Sprintf(
				"ServiceAccount %s is already used by PodIdentity %s; use a different ServiceAccount or delete one of the two", name, other)))
			continue
		}
		b.accounts[key] = pi.Name
	}
	if name := strings.ToLower(pi.Spec.Role.Name); name != "" {
		if other, taken := b.roles[name]; taken {
			conflicts = append(conflicts, Broken(CheckConflict, fmt.Sprintf(
				"spec.role.name: %s is also the role of PodIdentity %s; names are unique in an AWS account without regard to case", pi.Spec.Role.Name, other)))
		} else {
			b.roles[name] = id
		}
	}
	b.count[pi.Namespace]++
	return conflicts, b.count[pi.Namespace] - 1
}
