package controllers_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// Create rejects a ServiceAccount that exists and has another owner, before it creates
// a role.
func TestCreate_RejectsServiceAccountOfAnotherOwner(t *testing.T) {
	s := startEnv(t)
	s.createServiceAccount("checkout", map[string]string{"example.com/owner": "helm"})
	s.apply(checkout)
	pi := s.await("checkout", v1alpha1.ConditionServiceAccountReady, metav1.ConditionFalse, v1alpha1.ReasonServiceAccountConflict)
	if got := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(got, "spec.serviceAccount.mode: Annotate") {
		t.Errorf("The message does not say what to do: %q", got)
	}
	s.checkServiceAccount("checkout", map[string]string{"example.com/owner": "helm"})
	if s.roleExists(roleName(s, "checkout")) {
		t.Error("A role was made.")
	}
}

// Annotate waits for a ServiceAccount that a user creates, applies one annotation to it,
// restores it after drift, and removes it in the end.
func TestAnnotate_WaitsAnnotatesRestoresRemoves(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: checkout}
		spec: {serviceAccount: {mode: Annotate}}
	`)
	s.await("checkout", v1alpha1.ConditionServiceAccountReady, metav1.ConditionUnknown, v1alpha1.ReasonServiceAccountNotFound)
	s.createServiceAccount("checkout", map[string]string{"example.com/owner": "helm"})
	pi := s.awaitReady("checkout")
	if got := pi.Status.ServiceAccount.Mode; got != v1alpha1.ServiceAccountAnnotate {
		t.Errorf("mode = %s", got)
	}
	want := map[string]string{"example.com/owner": "helm", "eks.amazonaws.com/role-arn": pi.Status.Role.ARN}
	s.checkServiceAccount("checkout", want)

	s.annotateServiceAccount("checkout", "eks.amazonaws.com/role-arn", "") // as a Helm upgrade may do
	s.eventually("the annotation to be restored", func() bool {
		return s.serviceAccount("checkout").Annotations["eks.amazonaws.com/role-arn"] == pi.Status.Role.ARN
	})
	s.checkServiceAccount("checkout", want)

	s.delete("checkout")
	s.awaitGone("checkout")
	s.checkServiceAccount("checkout", map[string]string{"example.com/owner": "helm"})
}

// Another manager's value is reported and never overwritten.
func TestAnnotate_NeverOverwritesAnotherManager(t *testing.T) {
	s := startEnv(t)
	others := map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/by-hand"}
	s.createServiceAccount("checkout", others)
	s.apply(`
		metadata: {name: checkout}
		spec: {serviceAccount: {mode: Annotate}}
	`)
	pi := s.await("checkout", v1alpha1.ConditionServiceAccountReady, metav1.ConditionFalse, v1alpha1.ReasonServiceAccountConflict)
	if got := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(got, `field manager "another-tool"`) {
		t.Errorf("The message does not say who: %q", got)
	}
	s.checkServiceAccount("checkout", others)

	s.delete("checkout")
	s.awaitGone("checkout")
	s.checkServiceAccount("checkout", others)
}

// The migration of docs/migration.md: the new role exists with its permissions while
// the pods still use the old one, and a change of the annotation by its owner switches
// from one to the other. At no time is there no role.
func TestAnnotate_MigratesWithoutAGap(t *testing.T) {
	s := startEnv(t)
	const old = "arn:aws:iam::123456789012:role/by-hand"
	s.createServiceAccount("checkout", map[string]string{"eks.amazonaws.com/role-arn": old})
	s.apply(`
		metadata: {name: checkout}
		spec: {serviceAccount: {mode: Annotate}, policies: {managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]}}
	`)
	s.await("checkout", v1alpha1.ConditionRoleReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	pi := s.await("checkout", v1alpha1.ConditionServiceAccountReady, metav1.ConditionFalse, v1alpha1.ReasonServiceAccountConflict)
	s.checkServiceAccount("checkout", map[string]string{"eks.amazonaws.com/role-arn": old})
	if !s.roleExists(pi.Status.Role.Name) {
		t.Fatal("the new role does not exist before the switch")
	}

	s.annotateServiceAccount("checkout", "eks.amazonaws.com/role-arn", pi.Status.Role.ARN)
	if got := s.awaitReady("checkout").Status.Role.ID; got != pi.Status.Role.ID {
		t.Errorf("role ID = %s, want that of the role before the switch, %s", got, pi.Status.Role.ID)
	}
	s.checkServiceAccount("checkout", map[string]string{"eks.amazonaws.com/role-arn": pi.Status.Role.ARN})
}

// The lifetime of the token is an annotation, which the operator removes when the spec
// no longer sets it.
func TestServiceAccount_TokenExpirationFollowsTheSpec(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: checkout}
		spec: {serviceAccount: {tokenExpirationSeconds: 3600}}
	`)
	pi := s.awaitReady("checkout")
	want := map[string]string{
		"eks.amazonaws.com/role-arn":               pi.Status.Role.ARN,
		"eks.amazonaws.com/sts-regional-endpoints": "true",
		"eks.amazonaws.com/token-expiration":       "3600",
	}
	s.checkServiceAccount("checkout", want)

	s.apply("metadata: {name: checkout}\nspec: {}")
	s.awaitReady("checkout")
	delete(want, "eks.amazonaws.com/token-expiration")
	s.checkServiceAccount("checkout", want)
}

// A ServiceAccount that the operator made can be handed over.
func TestServiceAccount_ManagedOneCanBeHandedOver(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	s.awaitReady("checkout")
	s.apply(`
		metadata: {name: checkout}
		spec: {serviceAccount: {mode: Annotate}}
	`)
	pi := s.awaitReady("checkout")
	if metav1.IsControlledBy(s.serviceAccount("checkout"), pi) {
		t.Error("The ServiceAccount is still the identity's own.")
	}
	s.delete("checkout")
	s.awaitGone("checkout")
	s.checkServiceAccount("checkout", nil)
}
