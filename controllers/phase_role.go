package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
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

// maxMissedDriftChecks is after how many drift intervals without a sweep an identity looks
// at its role by itself.
const maxMissedDriftChecks = 3

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
	known, ok := r.roleCache.get(s.obj.UID)
	if !ok && s.wasReady && s.requestToken == "" && s.obj.Status.Role != nil && r.driftChecker.pending() {
		s.role = s.obj.Status.Role // the first sweep looks at it, with all others
		return nil
	}
	if ok && !equality.Semantic.DeepEqual(known.desired, s.desired.Role) {
		s.wasReady = false // it is the declaration that changed, or what bounds it
	}
	if !ok || !r.upToDate(known, s) {
		var err error
		if known, err = r.converge(ctx, s); err != nil {
			r.roleCache.remove(s.obj.UID)
			return err
		}
		r.roleCache.put(s.obj.UID, known)
	}
	s.role = &known.status
	if left := known.assumableAt.Sub(r.clock.Now()); left > 0 {
		s.requeueAfter = left
		return fault.Errorf(fault.Waiting, v1alpha1.ReasonRolePropagating,
			"role %s is new; IAM needs up to %s until it can be assumed everywhere", known.status.Name, r.config.IAMPropagationDelay)
	}
	return nil
}

// upToDate reports whether what is remembered makes a look at AWS needless. It is the
// sweeper that keeps it young; if that fails for long, visits look for themselves.
func (r *Reconciler) upToDate(known cachedRole, s *scope) bool {
	return s.requestToken == "" &&
		r.clock.Since(known.observedAt) < maxMissedDriftChecks*r.config.DriftCheckInterval &&
		equality.Semantic.DeepEqual(known.desired, s.desired.Role)
}

// converge makes the role as desired and returns it. Of an object without a
// role yet it creates one unseen: IAM itself refuses a name that is taken, and
// only then there is something to look at.
func (r *Reconciler) converge(ctx context.Context, s *scope) (cachedRole, error) {
	var observed *plan.Observed
	if s.obj.Status.Role != nil {
		var err error
		if observed, err = r.observe(ctx, s); err != nil {
			return cachedRole{}, err
		}
	}
	applied, err := r.apply(ctx, s, observed)
	if errors.Is(err, plan.ErrRoleExists) && observed == nil {
		if observed, err = r.observe(ctx, s); err != nil {
			return cachedRole{}, err
		}
		if observed == nil {
			return cachedRole{}, fmt.Errorf("role %s exists, but IAM does not show it yet", s.desired.Role.Name)
		}
		applied, err = r.apply(ctx, s, observed)
	}
	if err != nil {
		return cachedRole{}, err
	}
	return r.cacheEntry(s, observed, applied), nil
}

// observe returns the object's role, nil if there is none, and an error if it
// belongs to somebody else.
func (r *Reconciler) observe(ctx context.Context, s *scope) (*plan.Observed, error) {
	name := s.desired.Role.Name
	observed, err := r.roles.Observe(ctx, name)
	if err != nil || observed == nil {
		return nil, err
	}
	claim := observed.OwnershipBy(s.owner)
	adopt := claim == plan.Adoptable && s.obj.Spec.Role.AdoptionPolicy == v1alpha1.AdoptionIfTagged
	switch {
	case claim != plan.Owned && !adopt:
		return nil, notOwned(name, observed, claim)
	case observed.Path != s.desired.Role.Path:
		return nil, fault.Errorf(fault.Blocked, v1alpha1.ReasonRoleNotOwned,
			"role %s lies in path %s, and the operator works in %s only; IAM cannot move a role: delete it, or name another in spec.role.name",
			name, observed.Path, s.desired.Role.Path)
	}
	s.role = &v1alpha1.RoleStatus{Name: observed.Name, ARN: observed.ARN, ID: observed.ID}
	return observed, nil
}

func notOwned(name string, observed *plan.Observed, claim plan.Ownership) error {
	hint := "name another role in spec.role.name, or remove that one"
	if claim == plan.Adoptable {
		hint = "to take it over, set spec.role.adoptionPolicy to Tagged"
	}
	return fault.Errorf(fault.Blocked, v1alpha1.ReasonRoleNotOwned,
		"role %s exists and belongs to %s; %s", name, observed.OwnerDescription(), hint)
}

// apply makes the changes from what was observed to what is desired.
func (r *Reconciler) apply(ctx context.Context, s *scope, observed *plan.Observed) (plan.Applied, error) {
	changes := diff(s, observed)
	s.pending = nil // of an attempt before, that found the name taken
	if len(changes) == 0 {
		return plan.Applied{}, nil
	}
	name := s.desired.Role.Name
	logf.FromContext(ctx).Info("Changing IAM role", "role", name, "changes", plan.Summary(changes), "drift", s.wasReady)
	ratelimit.Raise(ctx, ratelimit.Repair) // a check that found something is none any more
	applied, err := r.roles.Apply(ctx, name, changes)
	for _, c := range applied.Completed {
		changesMade.WithLabelValues(c.Action()).Inc()
		s.recordChange(c)
	}
	if applied.ARN != "" {
		s.role = &v1alpha1.RoleStatus{Name: name, ARN: applied.ARN, ID: applied.ID}
	}
	if err != nil {
		s.pending = changes[len(applied.Completed):]
	}
	return applied, err
}

func diff(s *scope, observed *plan.Observed) []plan.Change {
	if observed == nil {
		return plan.Diff(nil, s.desired.Role)
	}
	return plan.Diff(&observed.Role, s.desired.Role)
}

// cacheEntry returns what to remember of a role that is as desired now.
func (r *Reconciler) cacheEntry(s *scope, observed *plan.Observed, applied plan.Applied) cachedRole {
	now := r.clock.Now()
	created := now
	if applied.ARN == "" && observed != nil {
		created = observed.CreatedAt
	}
	return cachedRole{
		desired:     s.desired.Role,
		status:      *s.role,
		observedAt:  now,
		assumableAt: earliest(created, now).Add(r.config.IAMPropagationDelay),
	}
}

// earliest guards against the clock of AWS being ahead of ours.
func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
