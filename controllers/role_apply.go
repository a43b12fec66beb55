package controllers

import (
	"cmp"
	"context"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// apply makes the changes from the observed role to the desired one. If a managed policy
// cannot be attached to an existing role, the rest goes on without it. Tags of a role
// that this object owns grant nothing: a failure to change them is deferred, so
// that it blocks neither permissions nor ServiceAccounts.
func (p *rolePhase) apply(ctx context.Context, s *scope, observed *plan.Observed) (plan.Applied, error) {
	p.setDrift(s, observed)
	changes := s.withoutUnattachable(diff(s, observed))
	if observed == nil || observed.OwnershipBy(s.owner) != plan.Owned {
		return p.applyChanges(ctx, s, changes)
	}
	if missing, err := p.missing(ctx, changes); err != nil {
		s.setAside(err, missing...)
		p.holdBack(ctx, s, observed)
		changes = s.withoutUnattachable(diff(s, observed))
	}
	changes, tags := plan.SplitTags(changes)
	applied, err := p.applyIndependently(ctx, s, changes)
	if err != nil || len(tags) == 0 {
		s.pending = append(s.pending, tags...)
		return applied, err
	}
	tagged, err := p.applyChanges(ctx, s, tags)
	applied.Completed = append(applied.Completed, tagged.Completed...)
	if err != nil && fault.KindOf(err) == fault.Blocked {
		s.deferred, s.tagsFailed = cmp.Or(s.deferred, err), true
		return applied, nil
	}
	return applied, err
}

// applyIndependently makes changes, and sets aside managed policies that IAM does not
// find.
func (p *rolePhase) applyIndependently(ctx context.Context, s *scope, changes []plan.Change) (plan.Applied, error) {
	applied, err := p.applyChanges(ctx, s, changes)
	for err != nil && fault.ReasonOf(err, "") == v1alpha1.ReasonPolicyNotFound {
		attach, ok := s.pending[0].(plan.AttachPolicy)
		if !ok {
			break
		}
		if s.setAside(err, attach.ARN); s.wanted == nil {
			wanted := s.desired.Role
			s.wanted = &wanted
		}
		s.desired.Role = s.desired.Role.WithoutManaged(attach.ARN)
		var rest plan.Applied
		rest, err = p.applyChanges(ctx, s, s.pending[1:])
		applied.Completed = append(applied.Completed, rest.Completed...)
	}
	return applied, err
}

// missing returns the managed policies that changes attach but that do not exist, and an
// error that names the first. It checks this only if the changes also remove something: a
// running workload must not lose permissions for nothing.
func (p *rolePhase) missing(ctx context.Context, changes []plan.Change) ([]string, error) {
	var attached []string
	for _, c := range changes {
		if attach, ok := c.(plan.AttachPolicy); ok {
			attached = append(attached, attach.ARN)
		}
	}
	if len(attached) == len(changes) {
		return nil, nil
	}
	var missing []string
	var first error
	for _, arn := range attached {
		if err := p.policies.exists(ctx, arn); err != nil {
			missing, first = append(missing, arn), cmp.Or(first, err)
		}
	}
	return missing, first
}

func (p *rolePhase) applyChanges(ctx context.Context, s *scope, changes []plan.Change) (plan.Applied, error) {
	s.pending = nil // an earlier CreateRole attempt of this reconcile may have set it
	if len(changes) == 0 {
		return plan.Applied{}, nil
	}
	name := s.desired.Role.Name
	logf.FromContext(ctx).Info("Updating IAM role", "role", name, "changes", plan.Summary(changes), "drift", s.roleWasInSync)
	ratelimit.Raise(ctx, ratelimit.Repair) // drift found: raise the priority from Check to Repair
	applied, err := p.roles.Apply(withRepair(ctx, s.roleWasInSync), name, changes)
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
