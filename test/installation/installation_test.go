package installation

import "testing"

// Objects that need nodes are not applied, and all others are.
func TestWithoutWorkloads_AppliesAllElse(t *testing.T) {
	const manifests = "kind: Namespace\n---\nkind: Deployment\n---\nkind: ClusterRole\n"
	if got, want := withoutWorkloads(manifests), "kind: Namespace\n---\nkind: ClusterRole\n"; got != want {
		t.Errorf("withoutWorkloads(...) = %q, want %q", got, want)
	}
}
