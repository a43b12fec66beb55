package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/budget"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// roles is what the controller needs of IAM.
type roles interface {
	// Observe returns the named role, nil if there is none.
	Observe(ctx context.Context, name string) (*plan.Observed, error)
	// ObserveOwner returns the named role without its policies, nil if there is
	// none. It is one call.
	ObserveOwner(ctx context.Context, name string) (*plan.Observed, error)
	// ObserveForTeardown returns the named role with all that hangs on it, its
	// inline policies by name only; nil if there is none.
	ObserveForTeardown(ctx context.Context, name string) (*plan.Observed, error)
	// Apply makes changes to the named role, in order, and stops at the first
	// that fails. Creating a role that exists is plan.ErrRoleExists, deleting one
	// that something hangs on plan.ErrDeleteConflict.
	Apply(ctx context.Context, name string, changes []plan.Change) (plan.Applied, error)
	// Quotas returns the account's quotas on a role.
	Quotas(ctx context.Context) plan.Quotas
}

// sweepsMissed is after how many drift intervals without a sweep an identity looks
// at its role by itself.
const sweepsMissed = 3

// checkQuotas refuses a role that the account has no room for before any of it is
// made. The account is asked only about what the quotas of every account do not
// allow.
func (r *Reconciler) checkQuotas(ctx context.Context, s *scope) error {
	if plan.DefaultQuotas.Check(s.desired.Role) == nil {
		return nil
	}
	return r.roles.Quotas(ctx).Check(s.desired.Role)
}

// reconcileRole brings the IAM role in line with the plan, and waits until pods
// may rely on it. It refuses to touch a role that is not this object's.
func (r *Reconciler) reconcileRole(ctx context.Context, s *scope) error {
	known, ok := r.memory.of(s.obj.UID)
	if !ok && s.settled && s.requested == "" && s.obj.Status.Role != nil && r.sweeper.pending() {
		s.role = s.obj.Status.Role // the first sweep looks at it, with all others
		return nil
	}
	if ok && !equality.Semantic.DeepEqual(known.desired, s.desired.Role) {
		s.settled = false // it is the declaration that changed, or what bounds it
	}
	if !ok || !r.fresh(known, s) {
		var err error
		if known, err = r.converge(ctx, s); err != nil {
			r.memory.forget(s.obj.UID)
			return err
		}
		r.memory.remember(s.obj.UID, known)
	}
	s.role = &known.status
	if left := known.usableAt.Sub(r.clock.Now()); left > 0 {
		s.wait = left
		return fault.Errorf(fault.Waiting, v1alpha1.ReasonRolePropagating,
			"role %s is new; IAM needs up to %s until it can be assumed everywhere", known.status.Name, r.config.PropagationGrace)
	}
	return nil
}

// fresh reports whether what is remembered makes a look at AWS needless. It is the
// sweeper that keeps it young; if that fails for long, visits look for themselves.
func (r *Reconciler) fresh(known remembered, s *scope) bool {
	return s.requested == "" &&
		r.clock.Since(known.seenAt) < sweepsMissed*r.config.DriftInterval &&
		equality.Semantic.DeepEqual(known.desired, s.desired.Role)
}

// converge makes the role as desired and returns it. Of an object without a
// role yet it creates one unseen: IAM itself refuses a name that is taken, and
// only then there is something to look at.
func (r *Reconciler) converge(ctx context.Context, s *scope) (remembered, error) {
	var observed *plan.Observed
	if s.obj.Status.Role != nil {
		var err error
		if observed, err = r.observe(ctx, s); err != nil {
			return remembered{}, err
		}
	}
	applied, err := r.apply(ctx, s, observed)
	if errors.Is(err, plan.ErrRoleExists) && observed == nil {
		if observed, err = r.observe(ctx, s); err != nil {
			return remembered{}, err
		}
		if observed == nil {
			return remembered{}, fmt.Errorf("role %s exists, but IAM does not show it yet", s.desired.Role.Name)
		}
		applied, err = r.apply(ctx, s, observed)
	}
	if err != nil {
		return remembered{}, err
	}
	return r.seen(s, observed, applied), nil
}

// observe returns the object's role, nil if there is none, and an error if it
// belongs to somebody else.
func (r *Reconciler) observe(ctx context.Context, s *scope) (*plan.Observed, error) {
	name := s.desired.Role.Name
	observed, err := r.roles.Observe(ctx, name)
	if err != nil || observed == nil {
		return nil, err
	}
	claim := observed.ClaimOf(s.owner)
	adopt := claim == plan.Named && s.obj.Spec.Role.Adoption == v1alpha1.AdoptionTagged
	switch {
	case claim != plan.Ours && !adopt:
		return nil, notOwned(name, observed, claim)
	case observed.Path != s.desired.Role.Path:
		return nil, fault.Errorf(fault.Blocked, v1alpha1.ReasonRoleNotOwned,
			"role %s lies in path %s, and the operator works in %s only; IAM cannot move a role: delete it, or name another in spec.role.name",
			name, observed.Path, s.desired.Role.Path)
	}
	s.role = &v1alpha1.RoleStatus{Name: observed.Name, ARN: observed.ARN, ID: observed.ID}
	return observed, nil
}

func notOwned(name string, observed *plan.Observed, claim plan.Claim) error {
	hint := "name another role in spec.role.name, or remove that one"
	if claim == plan.Named {
		hint = "to take it over, set spec.role.adoption to Tagged"
	}
	return fault.Errorf(fault.Blocked, v1alpha1.ReasonRoleNotOwned,
		"role %s exists and belongs to %s; %s", name, observed.Whose(), hint)
}

// apply makes the changes from what was observed to what is desired.
func (r *Reconciler) apply(ctx context.Context, s *scope, observed *plan.Observed) (plan.Applied, error) {
	changes := diff(s, observed)
	s.pending = nil // of an attempt before, that found the name taken
	if len(changes) == 0 {
		return plan.Applied{}, nil
	}
	name := s.desired.Role.Name
	logf.FromContext(ctx).Info("Changing IAM role", "role", name, "changes", plan.Summary(changes), "drift", s.settled)
	budget.Raise(ctx, budget.Repair) // a check that found something is none any more
	applied, err := r.roles.Apply(ctx, name, changes)
	for _, c := range applied.Done {
		changesMade.WithLabelValues(c.Action()).Inc()
		s.noteChange(c)
	}
	if applied.ARN != "" {
		s.role = &v1alpha1.RoleStatus{Name: name, ARN: applied.ARN, ID: applied.ID}
	}
	if err != nil {
		s.pending = changes[len(applied.Done):]
	}
	return applied, err
}

func diff(s *scope, observed *plan.Observed) []plan.Change {
	if observed == nil {
		return plan.Diff(nil, s.desired.Role)
	}
	return plan.Diff(&observed.Role, s.desired.Role)
}

// seen returns what to remember of a role that is as desired now.
func (r *Reconciler) seen(s *scope, observed *plan.Observed, applied plan.Applied) remembered {
	now := r.clock.Now()
	created := now
	if applied.ARN == "" && observed != nil {
		created = observed.CreatedAt
	}
	return remembered{
		desired:  s.desired.Role,
		status:   *s.role,
		seenAt:   now,
		usableAt: earlier(created, now).Add(r.config.PropagationGrace),
	}
}

// earlier guards against the clock of AWS being ahead of ours.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
