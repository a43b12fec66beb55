package controllers

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// An error that blocks an identity must not protect permissions that were added to its
// role out of band, and must not stop changes that do not depend on it. This file decides
// what the operator does with the role of a blocked object: it never grants more than the
// guardrails accepted.

// protect reverts out-of-band changes to the role and the ServiceAccounts of a blocked
// object, as far as the failed reconcile has not done it, unless a guardrail rejects the
// object.
func (r *Reconciler) protect(ctx context.Context, s *scope, err error) {
	if err == nil || fault.KindOf(err) == fault.Transient || !s.accepted || s.obj.Status.Role == nil || s.obj.Spec.Mode == v1alpha1.ModePlan {
		return
	}
	if !s.roleReached {
		if err := r.protectRole(ctx, s, err); err != nil {
			logf.FromContext(ctx).Info("Checking the role of a blocked identity failed", "reason", err.Error())
		}
	}
	if s.serviceAccountsReached || s.role == nil || s.cluster.Issuer == "" || s.obj.Status.ServiceAccount == nil {
		return
	}
	if err := r.serviceAccounts.repair(ctx, s); err != nil {
		logf.FromContext(ctx).Info("Repairing the ServiceAccounts of a blocked identity failed", "reason", err.Error())
	}
}

// protectRole restores the role of an object that an error has blocked.
func (r *Reconciler) protectRole(ctx context.Context, s *scope, blocked error) error {
	if !s.permitted {
		return r.role.restore(ctx, s)
	}
	s.keepOnly = blocked
	err := r.role.reconcile(ctx, s)
	if err == nil && s.deferred == nil {
		s.succeeded = append(s.succeeded, v1alpha1.ConditionRoleReady)
	}
	return err
}

// restore reverts out-of-band changes to the role of an object whose spec cannot be
// applied: it restores what the operator last applied, as far as the guardrails still
// accept that.
func (p *rolePhase) restore(ctx context.Context, s *scope) error {
	if cached, ok := p.cache.get(s.obj.UID); ok && p.recent(cached, s) {
		s.role = &cached.status
		return nil
	}
	p.suspect(ctx, s)
	began := p.clock.Now()
	observed, err := p.observeOwned(ctx, s)
	if err != nil || observed == nil {
		return err
	}
	applied, known := p.cache.lastApplied(s.obj.UID)
	if !known {
		applied = p.presumed(ctx, s, observed.Role)
	}
	s.desired.Role = plan.Restored(observed.Role, applied, func(name string, in plan.InlinePolicy) bool {
		return p.accepts(ctx, s, plan.Role{Inline: map[string]plan.InlinePolicy{name: in}})
	})
	s.applied, s.wanted = &applied, &applied
	done, err := p.apply(ctx, s, observed)
	if err != nil || s.tagsFailed {
		p.cache.remove(s.obj.UID)
		return err
	}
	p.cache.put(s.obj.UID, p.cacheEntry(s, observed, done), began)
	return nil
}

// setAside records that managed policies of the spec cannot be attached, and why. The
// reconcile goes on without them.
func (s *scope) setAside(err error, arns ...string) {
	s.unattachable = append(s.unattachable, arns...)
	s.deferred = cmp.Or(s.deferred, err)
}

// hold replaces the desired role with the one that may exist while some of its policies
// cannot be attached. applied is the role that the operator applied last.
func (s *scope) hold(applied plan.Role) {
	wanted := s.desired.Role
	s.wanted, s.applied = &wanted, &applied
	s.desired.Role = plan.Hold(applied, wanted, s.unattachable)
	if s.boundary.ARN != "" {
		s.desired.Role.Boundary = s.boundary.ARN // enforced by the operator or by a guardrail
	}
}

// holdBack is hold for a role that the operator may not have applied since its start.
// observed is nil if there is no role.
func (p *rolePhase) holdBack(ctx context.Context, s *scope, observed *plan.Observed) {
	applied, known := p.cache.lastApplied(s.obj.UID)
	switch {
	case known:
	case observed != nil:
		applied = p.presumed(ctx, s, observed.Role)
	}
	s.hold(applied)
}

// withoutUnattachable drops the changes that attach policies which cannot be attached.
// There are such changes if the role had a policy before and lost it out of band.
func (s *scope) withoutUnattachable(changes []plan.Change) []plan.Change {
	return slices.DeleteFunc(changes, func(c plan.Change) bool {
		attach, ok := c.(plan.AttachPolicy)
		if !ok || !slices.Contains(s.unattachable, attach.ARN) {
			return false
		}
		s.desired.Role = s.desired.Role.WithoutManaged(attach.ARN)
		return true
	})
}

// held returns the error because of which the object's ServiceAccounts must not get the
// role as it is: the spec names ServiceAccounts that the role does not trust yet, or none
// had the role before. It returns nil if they may get it.
func (s *scope) held() error {
	if s.wanted == nil {
		return nil
	}
	s.pending = append(plan.Diff(&s.desired.Role, *s.wanted), s.pending...)
	s.roleInSync = false
	if s.desired.Role.Trust != s.wanted.Trust || s.obj.Status.ServiceAccount == nil {
		return s.deferred
	}
	return nil
}

// presumed returns the role that the operator probably applied before it was restarted:
// it assumes that policies which the guardrails reject were added out of band.
func (p *rolePhase) presumed(ctx context.Context, s *scope, observed plan.Role) plan.Role {
	applied := observed.Clone()
	if s.cluster.Issuer != "" {
		applied.Trust = plan.TrustOf(s.obj, s.cluster)
	}
	applied.Boundary = cmp.Or(s.boundary.ARN, observed.Boundary)
	applied.Managed = slices.DeleteFunc(applied.Managed, func(arn string) bool { return !p.accepts(ctx, s, plan.Role{Managed: []string{arn}}) })
	maps.DeleteFunc(applied.Inline, func(name string, in plan.InlinePolicy) bool {
		return !p.accepts(ctx, s, plan.Role{Inline: map[string]plan.InlinePolicy{name: in}})
	})
	return applied
}

// accepts reports whether no guardrail of the object's namespace rejects the policies of
// part.
func (p *rolePhase) accepts(ctx context.Context, s *scope, part plan.Role) bool {
	part.Boundary = s.boundary.ARN
	return s.guardrails.EvaluateRole(part, s.obj.Namespace, facts(ctx, p.policies, s.guardrails, part.Managed)).Err == nil
}

// isDrift reports whether a change of the role reverts an out-of-band change: because
// the role was in sync, or because the change leads to what the operator last applied.
func (s *scope) isDrift(c plan.Change) bool {
	return s.roleWasInSync || slices.ContainsFunc(s.drift, func(d plan.Change) bool { return equality.Semantic.DeepEqual(c, d) })
}

// setDrift finds out which changes of the observed role lead to what the operator last
// applied.
func (p *rolePhase) setDrift(s *scope, observed *plan.Observed) {
	if s.applied == nil {
		if applied, known := p.cache.lastApplied(s.obj.UID); known {
			s.applied = &applied
		}
	}
	if s.drift = nil; s.applied != nil && observed != nil {
		s.drift = plan.Diff(&observed.Role, *s.applied)
	}
}
