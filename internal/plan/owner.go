package plan

import (
	"maps"
	"strings"
)

// The ownership tags of a role. CreateRole writes them, so a role of the operator is
// never without them. The keys are API: a change needs a migration.
const (
	TagPrefix    = "iam.podidentity.io/"
	TagManagedBy = TagPrefix + "managed-by"
	TagCluster   = TagPrefix + "cluster"
	TagNamespace = TagPrefix + "namespace"
	TagName      = TagPrefix + "name"
	TagUID       = TagPrefix + "uid"

	// ManagedBy is the value of TagManagedBy on every role of the operator.
	ManagedBy = "podidentity-operator"
)

// Owner is the PodIdentity that owns a role.
type Owner struct{ Cluster, Namespace, Name, UID string }

// Tags returns the tags that name o on its role.
func (o Owner) Tags() map[string]string {
	return map[string]string{
		TagManagedBy: ManagedBy,
		TagCluster:   o.Cluster,
		TagNamespace: o.Namespace,
		TagName:      o.Name,
		TagUID:       o.UID,
	}
}

// Ownership defines what an object may do with an existing role.
type Ownership int

const (
	// NotOwned roles are never changed.
	NotOwned Ownership = iota
	// Adoptable roles have tags that name the object, but not its UID: a role that
	// was retained or leaked, or one that an administrator tagged for adoption.
	// The object adopts it only if spec.role.adoptionPolicy allows that.
	Adoptable
	// Owned roles belong to the object.
	Owned
)

// OwnershipBy returns what owner may do with the observed role. A role that does not
// exist is NotOwned.
func (o *Observed) OwnershipBy(owner Owner) Ownership {
	if o == nil {
		return NotOwned
	}
	tags := o.Tags
	if tags[TagCluster] != owner.Cluster || tags[TagNamespace] != owner.Namespace || tags[TagName] != owner.Name {
		return NotOwned
	}
	if tags[TagManagedBy] == ManagedBy && tags[TagUID] == owner.UID {
		return Owned
	}
	return Adoptable
}

// OwnerDescription describes the owner of the observed role for a message.
func (o *Observed) OwnerDescription() string {
	tags := o.Tags
	switch {
	case tags[TagNamespace] != "" && tags[TagName] != "":
		owner := "PodIdentity " + tags[TagNamespace] + "/" + tags[TagName]
		if c := tags[TagCluster]; c != "" {
			owner += " of cluster " + c
		}
		if uid := tags[TagUID]; uid != "" {
			owner += " (uid " + uid + ")"
		}
		return owner
	case len(tags) > 0 && hasPrefix(tags, TagPrefix):
		return "an unknown owner (incomplete " + TagPrefix + " tags)"
	default:
		return "another owner (no " + TagPrefix + " tags)"
	}
}

func hasPrefix(tags map[string]string, prefix string) bool {
	for key := range maps.Keys(tags) {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
