// Package cluster_test installs the chart on a real control plane with the real Helm
// library, and runs the operator's own binary as the chart configures it.
package cluster_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

const (
	tenants = `guardrails: {items: {tenants: {namespaceSelector: {matchLabels: {tenant: a}}, maxIdentities: 20}}}`
	both    = `guardrails: {items: {tenants: {namespaceSelector: {matchLabels: {tenant: a}}, maxIdentities: 10}, second: {namespaceSelector: {matchLabels: {tenant: a}}, namespaceTrust: Forbidden}}}`
)

// The life of an installation: no operation of Helm interrupts an identity, lifts a
// limit, or changes what a role grants; and between installations of one version
// nothing is written at all.
func TestLifecycle_HelmInterruptsNoIdentity(t *testing.T) {
	e := newEnv(t)
	first, current := e.first(), e.current()

	e.install(first, tenants)
	e.startOperator(first)
	e.create("checkout")
	e.awaitReady("checkout")
	before := e.snapshot()

	e.rejectUpgrade(current, `clusterName: other`, `clusterName: must stay "prod-eu", the name that the running operator has`)
	e.unchanged("a rejected upgrade", before)

	e.upgrade(current, tenants) // revision 2
	e.startOperator(current)
	e.uninterrupted("an upgrade to another version", before)

	before = e.snapshot()
	e.upgrade(current, both+`
options: {driftCheckInterval: 30m, logLevel: debug, maxConcurrentReconciles: 15}
commonLabels: {team: platform}`)
	e.startOperator(current)
	e.checkArg("--drift-check-interval=30m")
	e.unchanged("an upgrade with other values", before)
	e.checkGuardrails("second", "tenants")

	e.rollback(2)
	e.startOperator(current)
	e.checkArg("--log-level=info")
	e.unchanged("a rollback", before)
	e.checkGuardrails("second", "tenants") // a rollback lifts no limit

	e.rollback(1)
	e.startOperator(first)
	e.grantsTheSame("a rollback to another version", before)
	e.checkGuardrails("second", "tenants")

	e.upgrade(current, both)
	e.startOperator(current)
	e.awaitReady("checkout")
	e.grantsTheSame("a second upgrade", before)

	before = e.snapshot()
	e.uninstall()
	e.unchanged("an uninstall", before)
	e.checkGuardrails("second", "tenants")

	e.install(current, both)
	e.startOperator(current)
	e.unchanged("a new installation", before)

	// The operator that the chart installed still does its work.
	e.recordMetrics()
	e.delete("checkout", "drifting", "rejected", "failing")
	if roles := e.snapshot().Roles; len(roles) != 0 {
		t.Errorf("the PodIdentities are gone, and these roles are left: %v", slices.Collect(maps.Keys(roles)))
	}
}

// unchanged checks that an operation of Helm and the operator's start after it wrote
// neither to an identity nor to AWS.
func (e *env) unchanged(operation string, before snapshot) {
	e.Helper()
	e.compare(operation, before, e.snapshot())
}

// uninterrupted checks that an operation that exchanged the version of the operator
// left the identities ready and their roles as they are. Versions may differ in the
// tags that they set, and in the status.
func (e *env) uninterrupted(operation string, before snapshot) {
	e.Helper()
	after := e.snapshot()
	before.Versions = after.Versions
	e.compare(operation, before, after, "TagRole", "UntagRole")
}

// grantsTheSame checks that roles are as they were. The first version, which was never
// released, does not know an ownership tag of today and tries to remove it. The
// operator's IAM policy denies that, and its identities then say so; see
// docs/upgrading.md for what never changes between releases.
func (e *env) grantsTheSame(operation string, before snapshot) {
	e.Helper()
	for name := range before.Ready {
		ready := meta.FindStatusCondition(e.Get(name).Status.Conditions, v1alpha1.ConditionReady)
		if ready.Status != metav1.ConditionTrue && !strings.Contains(ready.Message, "iam:UntagRole") {
			e.Errorf("%s: %s is not ready: %s", operation, name, ready.Message)
		}
	}
	after := e.snapshot()
	before.Ready, before.Versions = after.Ready, after.Versions
	e.compare(operation, before, after, "TagRole", "UntagRole")
}

func (e *env) compare(operation string, before, after snapshot, allowed ...string) {
	e.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		e.Errorf("%s changed something: -before, +after:\n%s", operation, diff)
	}
	for action, n := range e.AWS.Calls() {
		if n > e.calls[action] && !reads(action) && !slices.Contains(allowed, action) {
			e.Errorf("%s led to %d calls of %s, which is a write", operation, n-e.calls[action], action)
		}
	}
	e.calls = e.AWS.Calls()
}

// reads reports whether an action of AWS changes nothing.
func reads(action string) bool {
	return strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List") || action == "AssumeRoleWithWebIdentity"
}
