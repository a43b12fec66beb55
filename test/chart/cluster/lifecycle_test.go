// Package cluster_test installs the chart on a real control plane with the real Helm
// library, and runs the operator's own binary as the chart configures it.
package cluster_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The life of an installation: no operation of Helm interrupts an identity, writes to
// its role or lifts a limit.
func TestLifecycle(t *testing.T) {
	e := newEnv(t)
	first, current := e.first(), e.current()

	e.install(first, `
guardrails: {items: {tenants: {namespaceSelector: {matchLabels: {tenant: a}}, maxIdentities: 20}}}
options: {driftCheckInterval: 10m}`)
	e.startOperator(first)
	e.create("checkout")
	e.awaitReady("checkout")
	before := e.snapshot()

	e.refuseUpgrade(current, `clusterName: other`, `clusterName: must stay "prod-eu", the name that the running operator has`)
	e.unchanged("a rejected upgrade", before)

	e.upgrade(current, `
guardrails: {items: {tenants: {namespaceSelector: {matchLabels: {tenant: a}}, maxIdentities: 10}, second: {namespaceSelector: {matchLabels: {tenant: a}}, namespaceTrust: Forbidden}}}
options: {driftCheckInterval: 30m, logLevel: debug, maxConcurrentReconciles: 20}
commonLabels: {team: platform}`)
	e.startOperator(current)
	e.checkArg("--drift-check-interval=30m")
	e.unchanged("an upgrade", before)
	e.checkGuardrails("second", "tenants")

	e.rollback(1)
	e.startOperator(first)
	e.checkArg("--drift-check-interval=10m")
	e.unchanged("a rollback", before)
	e.checkGuardrails("second", "tenants") // a rollback lifts no limit

	e.uninstall()
	e.unchanged("an uninstall", before)
	e.checkGuardrails("second", "tenants")

	e.install(current, `
guardrails: {items: {tenants: {namespaceSelector: {matchLabels: {tenant: a}}, maxIdentities: 10}, second: {namespaceSelector: {matchLabels: {tenant: a}}, namespaceTrust: Forbidden}}}`)
	e.startOperator(current)
	e.unchanged("a new installation", before)

	// The operator that the chart installed still does its work.
	e.delete("checkout")
	if roles := e.snapshot().Roles; len(roles) != 0 {
		t.Errorf("the PodIdentity is gone, and these roles are left: %v", slices.Collect(maps.Keys(roles)))
	}
}

// unchanged checks that an operation of Helm and the operator's start after it wrote
// neither to the identity nor to AWS.
func (e *env) unchanged(operation string, before snapshot) {
	e.Helper()
	if diff := cmp.Diff(before, e.snapshot()); diff != "" {
		e.Errorf("%s changed something: -before, +after:\n%s", operation, diff)
	}
	for action, n := range e.account.Calls() {
		if n > e.calls[action] && !reads(action) {
			e.Errorf("%s led to %d calls of %s, want no writes", operation, n-e.calls[action], action)
		}
	}
	e.calls = e.account.Calls()
}

// reads reports whether an action of AWS changes nothing.
func reads(action string) bool {
	return strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List") || action == "AssumeRoleWithWebIdentity"
}
