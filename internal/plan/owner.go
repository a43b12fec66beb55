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
	// TagClusterID is the UID of the namespace kube-system. It distinguishes two clusters
	// of the same name.
	TagClusterID = TagPrefix + "cluster-id"
	// TagRetainedAt is set on a role when its object is deleted and the role is
	// retained. Its value is the time, in UTC.
	TagRetainedAt = TagPrefix + "retained-at"

	// ManagedBy is the value of TagManagedBy on every role of the operator.
	ManagedBy = "podidentity-operator"
)

// Owner is the object that a role belongs to.
type Owner struct {
	Cluster, Namespace, Name, UID string
	// ClusterID is the UID of the cluster's namespace kube-system; empty in tests and
	// tools that do not know it.
	ClusterID string
	// AdoptFromClusterID is the ID of another cluster whose roles the owner may adopt;
	// empty if there is none.
	AdoptFromClusterID string
}

// Tags returns the tags that name o on its role.
func (o Owner) Tags() map[string]string {
	tags := map[string]string{
		TagManagedBy: ManagedBy,
		TagCluster:   o.Cluster,
		TagNamespace: o.Namespace,
		TagName:      o.Name,
		TagUID:       o.UID,
	}
	if o.ClusterID != "" {
		tags[TagClusterID] = o.ClusterID
	}
	return tags
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
	id := tags[TagClusterID]
	switch {
	case tags[TagManagedBy] == ManagedBy && tags[TagUID] == owner.UID && (id == "" || id == owner.ClusterID):
		return Owned
	case id == owner.ClusterID || owner.AdoptFromClusterID != "" && id == owner.AdoptFromClusterID:
		return Adoptable
	default: // another cluster of the same name
		return NotOwned
	}
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
		return "an unknown owner (no " + TagPrefix + " tags)"
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
