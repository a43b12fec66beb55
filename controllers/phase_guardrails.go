package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// computeDesired works out what should be, within the guardrails of the namespace.
func (r *Reconciler) computeDesired(ctx context.Context, s *scope) error {
	var err error
	if s.guardrails, err = r.guardrails.forNamespace(ctx, s.obj.Namespace); err != nil {
		return err
	}
	if s.cluster, err = withBoundary(s.cluster, s.guardrails); err != nil {
		return err
	}
	s.desired, err = plan.Desired(s.obj, s.cluster)
	return err
}

// enforceGuardrails refuses an identity that asks for more than its namespace is
// allowed. A role that it has is neither widened nor repaired from then on, and
// loses its rights if a guardrail says so.
func (r *Reconciler) enforceGuardrails(ctx context.Context, s *scope) error {
	if len(s.guardrails) == 0 && r.config.RequireGuardrail {
		s.obj.Status.Guardrail = nil
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonGuardrailMissing,
			"no PodIdentityGuardrail matches namespace %s, and the operator works for no namespace without one; the platform team can make one", s.obj.Namespace)
	}
	rank, err := r.rank(ctx, s)
	if err != nil {
		return err
	}
	verdict := s.guardrails.Evaluate(s.obj, rank)
	s.obj.Status.Guardrail = guardrailStatus(verdict.Guardrail)
	if verdict.Err == nil {
		return nil
	}
	if verdict.Revoke && s.obj.Spec.Mode != v1alpha1.ModePlan {
		ratelimit.Raise(ctx, ratelimit.Edit)
		if err := r.revoke(ctx, s); err != nil {
			return err
		}
	}
	return verdict.Err
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
	if !s.guardrails.LimitsCount() {
		return 0, nil
	}
	var list v1alpha1.PodIdentityList
	if err := r.client.List(ctx, &list, client.InNamespace(s.obj.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing the PodIdentities of namespace %s: %w", s.obj.Namespace, err)
	}
	rank := 0
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID != s.obj.UID && other.DeletionTimestamp.IsZero() && olderThan(other, s.obj, hasFinalizer) {
			rank++
		}
	}
	return rank, nil
}

// hasFinalizer reports whether anything was ever made for the identity.
func hasFinalizer(pi *v1alpha1.PodIdentity) bool {
	return controllerutil.ContainsFinalizer(pi, v1alpha1.Finalizer)
}

// revoke takes trust and rights away from the role, if there is one.
func (r *Reconciler) revoke(ctx context.Context, s *scope) error {
	if !hasFinalizer(s.obj) {
		return nil
	}
	s.wasReady = false // nobody else has changed anything
	s.desired.Role = s.desired.Role.Revoked()
	if known, ok := r.roleCache.get(s.obj.UID); ok && r.upToDate(known, s) {
		return nil
	}
	r.roleCache.remove(s.obj.UID)
	observed, err := r.observe(ctx, s)
	if err != nil || observed == nil {
		return err
	}
	applied, err := r.apply(ctx, s, observed)
	if err != nil {
		return err
	}
	if len(applied.Completed) > 0 {
		s.addEvent(eventRevokedRole, "Revoke", "Took trust and policies away from role", s.desired.Role.Name)
	}
	r.roleCache.put(s.obj.UID, r.cacheEntry(s, observed, applied))
	return nil
}
