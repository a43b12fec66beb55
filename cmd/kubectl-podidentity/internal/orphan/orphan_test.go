package orphan

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

var (
	cluster = plan.Cluster{Name: "prod", ID: "c1", RolePath: "/podidentity/prod/"}
	created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// owned returns a role of PodIdentity shop/checkout, with changes to its tags: an empty
// value removes one.
func owned(name, id string, changes map[string]string) role.Role {
	tags := plan.Owner{Cluster: "prod", ClusterID: "c1", Namespace: "shop", Name: "checkout", UID: "u1"}.Tags()
	maps.Copy(tags, changes)
	maps.DeleteFunc(tags, func(_, value string) bool { return value == "" })
	return role.Role{
		Name: name, ID: id, ARN: "arn:aws:iam::123456789012:role/podidentity/prod/" + name, Path: "/podidentity/prod/", Created: created, Tags: tags,
		Trust:    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		Policies: []role.Policy{{Name: "read", ARN: "arn:aws:iam::aws:policy/read"}, {Name: "bucket"}},
	}
}

func TestFind_ReturnsRolesWithoutAnObject(t *testing.T) {
	elsewhere := owned("elsewhere", "7", nil)
	elsewhere.Path = "/"
	sealed := owned("sealed", "2", map[string]string{plan.TagUID: "u2"})
	sealed.Trust, sealed.Policies = role.Document(policy.DenyAllTrust()), nil
	roles := []role.Role{
		owned("sealed-not", "1", map[string]string{plan.TagUID: "u2"}), // an object of the same name exists, but is another one
		sealed,
		owned("alive", "3", nil),
		owned("kept", "4", map[string]string{plan.TagUID: "u4", plan.TagRetainedAt: "2026-11-01T10:00:00Z"}),
		owned("other-cluster", "5", map[string]string{plan.TagUID: "u5", plan.TagClusterID: "c2"}),
		owned("no-cluster", "6", map[string]string{plan.TagUID: "u6", plan.TagClusterID: ""}),
		elsewhere,
		owned("not-managed", "8", map[string]string{plan.TagUID: "u8", plan.TagManagedBy: "terraform"}),
		owned("other-name", "9", map[string]string{plan.TagUID: "u9", plan.TagCluster: "stage"}),
	}
	orphan := func(name, id, uid string) Orphan {
		return Orphan{
			Name: name, ID: id, UID: uid, ARN: "arn:aws:iam::123456789012:role/podidentity/prod/" + name, Namespace: "shop", PodIdentity: "checkout",
			State: Leaked, Created: created, Assumable: true, Policies: []string{"managed policy read", "inline policy bucket"},
		}
	}
	kept, cut := orphan("kept", "4", "u4"), orphan("sealed", "2", "u2")
	kept.State, kept.RetainedAt = Retained, "2026-11-01T10:00:00Z"
	cut.Assumable, cut.Policies = false, []string{}
	want := []Orphan{kept, cut, orphan("sealed-not", "1", "u2")}
	if diff := cmp.Diff(want, Find(cluster, roles, map[string]bool{"u1": true})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"other-cluster"}, OfOtherCluster(cluster, roles)); diff != "" {
		t.Errorf("roles of the other cluster: -want, +got:\n%s", diff)
	}
}

func TestSelect_ReturnsLeakedRolesUnlessNamed(t *testing.T) {
	all := []Orphan{{Name: "a", State: Leaked}, {Name: "b", State: Retained}, {Name: "c", State: Leaked}}
	cases := map[string]struct {
		reason    string
		selection Selection
		want      []string
		fails     bool
	}{
		"Leaked":   {"Retained roles stay unless the user requests their deletion.", Selection{}, []string{"a", "c"}, false},
		"Retained": {"The user requests the deletion of retained roles.", Selection{Retained: true}, []string{"a", "b", "c"}, false},
		"Named":    {"A name selects one role, and no other is deleted.", Selection{Names: []string{"b"}}, []string{"b"}, false},
		"Unknown":  {"The role may have a PodIdentity, or another owner.", Selection{Names: []string{"a", "x"}}, nil, true},
		"Twice":    {"A name given twice is an error.", Selection{Names: []string{"a", "a"}}, nil, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := tc.selection.Select(all)
			var names []string
			for _, o := range got {
				names = append(names, o.Name)
			}
			if diff := cmp.Diff(tc.want, names); diff != "" || (err != nil) != tc.fails {
				t.Errorf("%s\nerror %v; -want, +got:\n%s", tc.reason, err, diff)
			}
		})
	}
}

// A role is only deleted if it has not changed since the list was read.
func TestChanged_NoticesWhatHappenedSinceTheList(t *testing.T) {
	before := Find(cluster, []role.Role{owned("r", "1", nil)}, nil)[0]
	changed := func(id string, tags map[string]string) *role.Role {
		r := owned("r", id, tags)
		return &r
	}
	cases := map[string]struct {
		reason string
		now    *role.Role
		uid    string
		want   string
	}{
		"Same":         {"Nothing changed.", changed("1", nil), "", ""},
		"OtherObject":  {"An object with that name exists, but it does not own the role.", changed("1", nil), "u7", ""},
		"Deleted":      {"Another user deleted the role first.", nil, "", "the role has already been deleted"},
		"Recreated":    {"The role was recreated.", changed("2", nil), "", "another role has this name now"},
		"Restored":     {"A backup restored the object with its UID.", changed("1", nil), "u1", "it has a PodIdentity now"},
		"Adopted":      {"The operator adopted the role.", changed("1", map[string]string{plan.TagUID: "u7"}), "u7", "it has a PodIdentity now"},
		"AdoptedAway":  {"The object is not visible yet.", changed("1", map[string]string{plan.TagUID: "u7"}), "", "its tags name another owner now"},
		"OtherCluster": {"Another cluster adopted the role.", changed("1", map[string]string{plan.TagClusterID: "c2"}), "", "its tags name another owner now"},
		"Untagged":     {"The role has no owner.", changed("1", map[string]string{plan.TagManagedBy: ""}), "", "its tags name another owner now"},
		"Retained":     {"The operator could not tag the role before.", changed("1", map[string]string{plan.TagRetainedAt: "x"}), "", "it has been retained since"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := before.Changed(cluster, tc.now, tc.uid); got != tc.want {
				t.Errorf("%s\nChanged() = %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// No principal can assume the role when it loses its policies.
func TestTeardown_ReplacesTheTrustPolicyFirst(t *testing.T) {
	r := owned("r", "1", nil)
	got := Teardown(&r, []string{"arn:1"}, []string{"b", "a"}, []string{"profile"})
	want := []plan.Change{
		plan.UpdateTrust{Trust: policy.DenyAllTrust()},
		plan.DetachPolicy{ARN: "arn:1"},
		plan.DeleteRolePolicy{Name: "a"},
		plan.DeleteRolePolicy{Name: "b"},
		plan.RemoveFromInstanceProfile{Name: "profile"},
		plan.DeleteRole{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
