package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/budget"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// desire works out what should be, within the guardrails of the namespace.
func (r *Reconciler) desire(ctx context.Context, s *scope) error {
	var err error
	if s.rails, err = r.guardrails.of(ctx, s.obj.Namespace); err != nil {
		return err
	}
	if s.cluster, err = bound(s.cluster, s.rails); err != nil {
		return err
	}
	s.desired, err = plan.Desired(s.obj, s.cluster)
	return err
}

// heedGuardrails refuses an identity that asks for more than its namespace is
// allowed. A role that it has is neither widened nor repaired from then on, and
// loses its rights if a guardrail says so.
func (r *Reconciler) heedGuardrails(ctx context.Context, s *scope) error {
	if len(s.rails) == 0 && r.config.RequireGuardrail {
		s.obj.Status.Guardrail = nil
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonGuardrailMissing,
			"no PodIdentityGuardrail matches namespace %s, and the operator works for no namespace without one; the platform team can make one", s.obj.Namespace)
	}
	rank, err := r.rank(ctx, s)
	if err != nil {
		return err
	}
	verdict := s.rails.Judge(s.obj, rank)
	s.obj.Status.Guardrail = guardrailStatus(verdict.By)
	if verdict.Refusal == nil {
		return nil
	}
	if verdict.Revoke && s.obj.Spec.Mode != v1alpha1.ModePlan {
		budget.Raise(ctx, budget.Edit)
		if err := r.revoke(ctx, s); err != nil {
			return err
		}
	}
	return verdict.Refusal
}

func guardrailStatus(by *v1alpha1.PodIdentityGuardrail) *v1alpha1.GuardrailStatus {
	if by == nil {
		return nil
	}
	return &v1alpha1.GuardrailStatus{Name: by.Name, Generation: by.Generation}
}

// rank returns how many other identities of the namespace came before this one, if
// a guardrail wants to know.
func (r *Reconciler) rank(ctx context.Context, s *scope) (int, error) {
	if !s.rails.Count() {
		return 0, nil
	}
	var list v1alpha1.PodIdentityList
	if err := r.client.List(ctx, &list, client.InNamespace(s.obj.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing the PodIdentities of namespace %s: %w", s.obj.Namespace, err)
	}
	rank := 0
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID != s.obj.UID && other.DeletionTimestamp.IsZero() && precedes(other, s.obj, served) {
			rank++
		}
	}
	return rank, nil
}

// served reports whether anything was ever made for the identity.
func served(pi *v1alpha1.PodIdentity) bool {
	return controllerutil.ContainsFinalizer(pi, v1alpha1.Finalizer)
}

// revoke takes trust and rights away from the role, if there is one.
func (r *Reconciler) revoke(ctx context.Context, s *scope) error {
	if !served(s.obj) {
		return nil
	}
	s.settled = false // nobody else has changed anything
	s.desired.Role = s.desired.Role.Revoked()
	if known, ok := r.memory.of(s.obj.UID); ok && r.fresh(known, s) {
		return nil
	}
	r.memory.forget(s.obj.UID)
	observed, err := r.observe(ctx, s)
	if err != nil || observed == nil {
		return err
	}
	applied, err := r.apply(ctx, s, observed)
	if err != nil {
		return err
	}
	if len(applied.Done) > 0 {
		s.note(eventRevokedRole, "Revoke", "Took trust and policies away from role", s.desired.Role.Name)
	}
	r.memory.remember(s.obj.UID, r.seen(s, observed, applied))
	return nil
}
