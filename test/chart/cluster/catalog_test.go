package cluster_test

import (
	"os"
	"path/filepath"
	"testing"
)

// The values of a catalog's entry create its guardrail and its identity with the first
// installation, when the API server does not know their kinds yet; and an uninstall
// leaves both, and the role.
func TestCatalog_ValuesOfTheFirstInstallation(t *testing.T) {
	e := newEnv(t)
	current := e.current()
	e.Namespace = "karpenter"
	e.Must(e.CreateNamespace(t.Context(), e.Namespace, nil))
	values, err := os.ReadFile(filepath.Join(e.Root, "config", "samples", "catalog", "karpenter", "values.yaml"))
	e.Must(err)

	e.install(current, string(values))
	e.startOperator(current)
	e.awaitReady("karpenter")
	e.checkGuardrails("karpenter")
	before := e.snapshot()
	if len(before.Roles) != 1 {
		t.Errorf("roles: got %v, want that of karpenter", before.Roles)
	}

	e.upgrade(current, string(values)) // from now on they are objects of the release
	e.startOperator(current)
	e.uninterrupted("an upgrade that takes them over", before)

	before = e.snapshot()
	e.uninstall()
	e.unchanged("an uninstall", before)
	e.checkGuardrails("karpenter")
	if pi := e.Get("karpenter"); pi.DeletionTimestamp != nil {
		t.Error("the uninstall deletes the identity, and no operator is left to delete its role")
	}
}
