package installation

import "testing"

// What needs nodes is not applied, and all else is.
func TestWithoutWorkloads_AppliesAllElse(t *testing.T) {
	const manifests = "kind: Namespace\n---\nkind: Deployment\n---\nkind: ClusterRole\n"
	if got, want := withoutWorkloads(manifests), "kind: Namespace\n---\nkind: ClusterRole\n"; got != want {
		t.Errorf("withoutWorkloads(...) = %q, want %q", got, want)
	}
}
