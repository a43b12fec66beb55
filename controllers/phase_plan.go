package controllers

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// planPhase reports the pending changes of an identity in mode Plan and makes none.
type planPhase struct {
	role            *rolePhase
	serviceAccounts *serviceAccountPhase
	interval        time.Duration // between two plans
}

// planRole finds out which changes to the role are pending.
func (p *planPhase) planRole(ctx context.Context, s *scope) error {
	observed, err := p.role.observe(ctx, s)
	if err != nil {
		return err
	}
	s.pending = diff(s, observed)
	return nil
}

// planServiceAccounts finds out which ServiceAccounts the operator would write.
func (p *planPhase) planServiceAccounts(ctx context.Context, s *scope) error {
	if err := p.serviceAccounts.checkConflict(ctx, s); err != nil {
		return err
	}
	for _, want := range s.desired.ServiceAccounts() {
		existing, err := p.serviceAccounts.get(ctx, s.obj.Namespace, want.Name)
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

// report waits for mode Apply while changes are pending.
func (p *planPhase) report(_ context.Context, s *scope) error {
	changes := len(s.pending) + len(s.pendingServiceAccounts)
	if changes == 0 {
		return nil
	}
	s.requeueAfter = p.interval
	return fault.Errorf(fault.Waiting, v1alpha1.ReasonChangesPending,
		"%s; set spec.mode: Apply to apply them", changesPending(changes))
}

func changesPending(n int) string {
	if n == 1 {
		return "1 change pending (see status.plan)"
	}
	return fmt.Sprintf("%d changes pending (see status.plan)", n)
}
