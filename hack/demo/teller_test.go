package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListed(t *testing.T) {
	cases := map[string]struct {
		reason string
		calls  map[string]int
		want   string
	}{
		"None":    {"A step that costs nothing says so.", nil, "none"},
		"One":     {"One call needs no number.", map[string]int{"CreateRole": 1}, "1 (CreateRole)"},
		"Several": {"The order does not change by chance.", map[string]int{"PutRolePolicy": 2, "CreateRole": 1}, "3 (CreateRole, PutRolePolicy ×2)"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := listed(tc.calls); got != tc.want {
				t.Errorf("%s\nlisted(...) = %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

func TestSinceAndWrites(t *testing.T) {
	before := map[string]int{"GetRole": 2, "CreateRole": 1}
	after := map[string]int{"GetRole": 3, "CreateRole": 1, "TagRole": 1}
	delta := since(before, after)
	if diff := cmp.Diff(map[string]int{"GetRole": 1, "TagRole": 1}, delta); diff != "" {
		t.Errorf("since(...): -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"TagRole": 1}, writes(delta)); diff != "" {
		t.Errorf("writes(...): -want, +got:\n%s", diff)
	}
}

func TestWithoutWorkloads(t *testing.T) {
	const manifests = "kind: Namespace\n---\nkind: Deployment\n---\nkind: ClusterRole\n"
	if got, want := withoutWorkloads(manifests), "kind: Namespace\n---\nkind: ClusterRole\n"; got != want {
		t.Errorf("withoutWorkloads(...) = %q, want %q", got, want)
	}
}

func TestSpecOf(t *testing.T) {
	const manifest = "kind: PodIdentity\nspec:\n  # why\n  suspend: true\n"
	if got, want := specOf(manifest), "spec:\n  suspend: true"; got != want {
		t.Errorf("specOf(...) = %q, want %q", got, want)
	}
}

// No credentials of this machine reach what the demo starts.
func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_PROFILE", "production")
	for _, variable := range environment(map[string]string{"AWS_REGION": region}) {
		if strings.HasPrefix(variable, "AWS_PROFILE=") {
			t.Errorf("the environment holds %s", variable)
		}
	}
}
