package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

func TestHold_KeepsWhatMissingPoliciesReplace(t *testing.T) {
	allow := func(action string) InlinePolicy {
		return InlinePolicy{Document: policy.Document(`{"Statement":[{"Action":["` + action + `"],"Effect":"Allow","Resource":["*"]}],"Version":"2012-10-17"}`)}
	}
	deny := InlinePolicy{Document: denyAll}
	cases := map[string]struct {
		applied, desired Role
		unattachable     []string
		want             Role
	}{
		"a missing policy that replaces none is left out": {
			applied:      Role{Managed: []string{"a"}, Trust: "t1"},
			desired:      Role{Managed: []string{"a", "m", "n"}, Trust: "t2", Boundary: "b"},
			unattachable: []string{"m"},
			want:         Role{Managed: []string{"a", "n"}, Trust: "t2", Boundary: "b"},
		},
		"a policy that the role has stays, though its contents are not known": {
			applied:      Role{Managed: []string{"a", "m"}},
			desired:      Role{Managed: []string{"m", "n"}},
			unattachable: []string{"m"},
			want:         Role{Managed: []string{"m", "n"}},
		},
		"what a missing policy replaces stays, and what limits it": {
			applied:      Role{Managed: []string{"a", "b"}, Boundary: "b1", Inline: map[string]InlinePolicy{"d": deny, "p": allow("s3:a")}},
			desired:      Role{Managed: []string{"b", "m", "n"}, Boundary: "b2", Inline: map[string]InlinePolicy{"p": allow("s3:b")}},
			unattachable: []string{"m"},
			want:         Role{Managed: []string{"a", "b"}, Boundary: "b1", Inline: map[string]InlinePolicy{"d": deny, "p": allow("s3:b")}},
		},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			got := Hold(tc.applied, tc.desired, tc.unattachable)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(got, Hold(got, tc.desired, tc.unattachable)); diff != "" {
				t.Errorf("holding again changes the role: -once, +twice:\n%s", diff)
			}
		})
	}
}

func TestRestored_RevertsOutOfBandChanges(t *testing.T) {
	applied := Role{Trust: "t", Managed: []string{"a", "lost"}, Inline: map[string]InlinePolicy{"kept": {Document: "1"}, "changed": {Document: "2"}, "forbidden": {Document: "3"}}}
	observed := Role{Trust: "x", Managed: []string{"a", "foreign"}, Inline: map[string]InlinePolicy{"kept": {Document: "1"}, "changed": {Document: "x"}, "forbidden": {Document: "x"}, "foreign": {Document: "x"}}}
	got := Restored(observed, applied, func(name string, _ InlinePolicy) bool { return name == "changed" })
	want := Role{Trust: "t", Managed: []string{"a"}, Inline: map[string]InlinePolicy{"kept": {Document: "1"}, "changed": {Document: "2"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
