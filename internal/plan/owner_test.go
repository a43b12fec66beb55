package plan

import (
	"maps"
	"strings"
	"testing"
)

func TestOwnership_FollowsTheTags(t *testing.T) {
	owner := Owner{Cluster: "prod", Namespace: "shop", Name: "checkout", UID: "uid-1"}
	tags := func(edit func(map[string]string)) *Observed {
		all := maps.Clone(owner.Tags())
		edit(all)
		return &Observed{Role: Role{Tags: all}}
	}
	cases := map[string]struct {
		reason string
		role   *Observed
		want   Ownership
		whose  string
	}{
		"Ours":         {"All five tags name the object.", tags(func(map[string]string) {}), Owned, "PodIdentity shop/checkout of cluster prod (uid uid-1)"},
		"EarlierUID":   {"An earlier object with the same name owned the role.", tags(func(m map[string]string) { m[TagUID] = "uid-0" }), Adoptable, "(uid uid-0)"},
		"NoUID":        {"An administrator tagged the role for adoption.", tags(func(m map[string]string) { delete(m, TagUID) }), Adoptable, "PodIdentity shop/checkout"},
		"NotManaged":   {"The tags name the object, but the operator did not create the role.", tags(func(m map[string]string) { delete(m, TagManagedBy) }), Adoptable, "PodIdentity shop/checkout"},
		"OtherCluster": {"The same name in another cluster is another owner.", tags(func(m map[string]string) { m[TagCluster] = "test" }), NotOwned, "of cluster test"},
		"OtherName":    {"Another object of the cluster owns the role.", tags(func(m map[string]string) { m[TagName] = "cart" }), NotOwned, "PodIdentity shop/cart"},
		"Incomplete":   {"The tags of the operator name no owner.", &Observed{Role: Role{Tags: map[string]string{TagManagedBy: ManagedBy}}}, NotOwned, "an unknown owner (incomplete"},
		"Bare":         {"The role has no tags of the operator.", &Observed{Role: Role{Tags: map[string]string{"team": "shop"}}}, NotOwned, "an unknown owner (no iam.podidentity.io/ tags)"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := tc.role.OwnershipBy(owner); got != tc.want {
				t.Errorf("ClaimOf(...) = %d, want %d", got, tc.want)
			}
			if got := tc.role.OwnerDescription(); !strings.Contains(got, tc.whose) {
				t.Errorf("Whose() = %q, want it to say %q", got, tc.whose)
			}
		})
	}
	if got := (*Observed)(nil).OwnershipBy(owner); got != NotOwned {
		t.Errorf("A role that does not exist is claimed: %d", got)
	}
}
