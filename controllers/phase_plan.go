package controllers

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// planRole finds out which changes to the role would be made.
func (r *Reconciler) planRole(ctx context.Context, s *scope) error {
	observed, err := r.observe(ctx, s)
	if err != nil {
		return err
	}
	s.pending = diff(s, observed)
	return nil
}

// planServiceAccounts finds out which ServiceAccounts would be written to.
func (r *Reconciler) planServiceAccounts(ctx context.Context, s *scope) error {
	if err := r.checkServiceAccountConflict(ctx, s); err != nil {
		return err
	}
	for _, want := range s.desired.ServiceAccounts() {
		existing, err := r.serviceAccount(ctx, s.obj.Namespace, want.Name)
		switch {
		case err != nil:
			return err
		case existing != nil && want.Create && !metav1.IsControlledBy(existing, s.obj):
			return errNotControlled(want.Name)
		case existing == nil || !hasAnnotations(existing, want.Annotations):
			s.pendingServiceAccounts = append(s.pendingServiceAccounts, want.Name)
		}
	}
	return nil
}

// reportPlan waits for the mode to change as long as there is anything to do.
func (r *Reconciler) reportPlan(_ context.Context, s *scope) error {
	changes := len(s.pending) + len(s.pendingServiceAccounts)
	if changes == 0 {
		return nil
	}
	s.requeueAfter = r.config.DriftCheckInterval
	return fault.Errorf(fault.Waiting, v1alpha1.ReasonChangesPending,
		"status.plan shows %d changes; set spec.mode to Apply to have them made", changes)
}
