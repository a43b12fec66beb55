package conversion

import (
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// adoptRole makes the identity take the role over, with its ARN. The tags that allow it
// are those that plan.Observed.OwnershipBy compares.
func (b *builder) adoptRole() {
	r := b.role
	if r.Path != b.cluster.RolePath {
		b.lose("--adopt: the role has path %s, and the operator only manages roles under %s; IAM cannot move a role, so that the operator creates a second one", r.Path, b.cluster.RolePath)
		return
	}
	before := b.pi
	b.try("--adopt: the name of the role", func(s *v1alpha1.PodIdentitySpec) {
		s.Role.AdoptionPolicy = v1alpha1.AdoptionIfTagged
		if r.Name != plan.RoleName(b.cluster.Name, b.pi.Namespace, b.pi.Name) {
			s.Role.Name = r.Name
		}
	})
	if b.pi == before {
		return
	}
	tags := AdoptionTags(b.pi, b.cluster)
	command := []string{"aws iam tag-role --role-name " + r.Name + " --tags"}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		command = append(command, "Key="+key+",Value="+tags[key])
	}
	b.result.Adopt = []string{strings.Join(command, " ")}
	if r.Forget != "" {
		b.result.Adopt = append(b.result.Adopt, r.Forget)
	}
	b.result.Remove = "" // the role stays
}

// AdoptionTags returns the tags with which an identity may adopt a role.
func AdoptionTags(pi *v1alpha1.PodIdentity, cluster plan.Cluster) map[string]string {
	tags := plan.OwnerOf(pi, cluster).Tags()
	delete(tags, plan.TagManagedBy) // the operator adds these two when it adopts the role
	delete(tags, plan.TagUID)
	return tags
}
