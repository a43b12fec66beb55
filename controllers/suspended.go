package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// reconcileSuspended evaluates the guardrails on a suspended object and its role:
// spec.suspend must not be a way to keep what a guardrail revokes. It changes nothing
// else.
func (r *Reconciler) reconcileSuspended(ctx context.Context, before *v1alpha1.PodIdentity, s *scope) (ctrl.Result, error) {
	err := run(ctx, s,
		phase{"find the ID of the cluster", v1alpha1.ConditionIssuerReady, r.issuer.resolveClusterID},
		phase{"evaluate guardrails", v1alpha1.ConditionRoleReady, r.guardrails.enforce},
	)
	err = r.guardrails.enforceOnRole(ctx, s, err)
	setSuspendedStatus(s, err)
	result, resultErr := r.updateStatus(ctx, before, s, err)
	if err == nil && resultErr == nil {
		result = ctrl.Result{} // an event ends the suspension
	}
	return result, resultErr
}

// setSuspendedStatus reports the suspension, and a rejection by a guardrail. Everything
// else keeps its last value.
func setSuspendedStatus(s *scope, err error) {
	s.requestToken = "" // the request stays pending until the suspension ends
	ready := meta.FindStatusCondition(s.obj.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case err != nil && fault.KindOf(err) != fault.Transient:
		setStatus(s, err)
	case ready != nil && (ready.Reason == v1alpha1.ReasonGuardrailViolated || ready.Reason == v1alpha1.ReasonGuardrailMissing):
		// Allowed again, but the operator restores nothing until the suspension ends.
		s.obj.Status.ObservedGeneration = s.obj.Generation
		setSummary(s, fault.Errorf(fault.Waiting, v1alpha1.ReasonSuspended, "no guardrail rejects the spec; it is applied once spec.suspend is false"))
		s.drop(v1alpha1.ConditionReconciling)
	case ready != nil:
		s.obj.Status.ObservedGeneration = s.obj.Generation
	}
	s.set(v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended,
		"spec.suspend is true: the operator does not apply the spec; it still processes deletion, and revocation by a guardrail")
	sortConditions(s.obj.Status.Conditions)
}
