package plan

import (
	"maps"
	"strings"
)

// The tags that say whose a role is. They are written in the CreateRole call, so
// there is never a role of ours without them. Keys are API: they change only
// with a migration.
const (
	TagPrefix    = "iam.podidentity.io/"
	TagManagedBy = TagPrefix + "managed-by"
	TagCluster   = TagPrefix + "cluster"
	TagNamespace = TagPrefix + "namespace"
	TagName      = TagPrefix + "name"
	TagUID       = TagPrefix + "uid"

	// ManagedBy is the value of TagManagedBy on every role of ours.
	ManagedBy = "podidentity-operator"
)

// Owner is the object that a role belongs to.
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

// Ownership says what an object may do with a role that exists.
type Ownership int

const (
	// NotOwned roles are never touched.
	NotOwned Ownership = iota
	// Adoptable roles carry tags that name the object, but not its UID: a role that
	// was retained or left behind, or one that an administrator tagged for
	// adoption. They are taken over only if the object says so.
	Adoptable
	// Owned are the object's own roles.
	Owned
)

// OwnershipBy returns what owner may do with the observed role. A role that does not
// exist is Foreign: there is nothing to touch.
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

// OwnerDescription describes, for users, to whom the observed role belongs.
func (o *Observed) OwnerDescription() string {
	tags := o.Tags
	switch {
	case tags[TagNamespace] != "" && tags[TagName] != "":
		whose := "PodIdentity " + tags[TagNamespace] + "/" + tags[TagName]
		if c := tags[TagCluster]; c != "" {
			whose += " of cluster " + c
		}
		if uid := tags[TagUID]; uid != "" {
			whose += " (uid " + uid + ")"
		}
		return whose
	case len(tags) > 0 && hasPrefix(tags, TagPrefix):
		return "an unknown owner: its " + TagPrefix + " tags are incomplete"
	default:
		return "somebody else: it carries no " + TagPrefix + " tags"
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
