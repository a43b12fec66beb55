package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// revoke removes the trust policy and the permissions of the object's role, if there
// is one. It needs no valid spec.
func (p *rolePhase) revoke(ctx context.Context, s *scope) error {
	s.roleWasInSync = false // the operator changes the role because of a guardrail, so this is not drift
	if cached, ok := p.cache.get(s.obj.UID); ok && p.recent(cached, s) && revoked(cached.desired) {
		return nil
	}
	p.cache.remove(s.obj.UID)
	began := p.clock.Now()
	observed, err := p.observeOwned(ctx, s)
	if err != nil || observed == nil {
		return err
	}
	ratelimit.Raise(ctx, ratelimit.Edit)
	s.desired.Role = observed.Role.Revoked()
	applied, err := p.apply(ctx, s, observed)
	if err != nil {
		return err
	}
	if len(applied.Completed) > 0 {
		s.addEvent(eventRevokedRole, "Revoke", "Removed the trust policy and permissions of role", s.desired.Role.Name)
	}
	p.cache.put(s.obj.UID, p.cacheEntry(s, observed, applied), began)
	return nil
}

// revoked reports whether a role has neither trust nor permissions.
func revoked(role plan.Role) bool { return equality.Semantic.DeepEqual(role, role.Revoked()) }

// current returns the object's role as it is in AWS, nil if there is none. It reads
// the role only if the operator does not know it.
func (p *rolePhase) current(ctx context.Context, s *scope) (*plan.Role, error) {
	if cached, ok := p.cache.get(s.obj.UID); ok && p.recent(cached, s) {
		return &cached.desired, nil
	}
	observed, err := p.observeOwned(ctx, s)
	if err != nil || observed == nil {
		return nil, err
	}
	return &observed.Role, nil
}

// observeOwned returns the object's role, nil if there is none or if another owner
// has it. An object without a finalizer may have one, because users can remove the
// finalizer; the operator reads that once.
func (p *rolePhase) observeOwned(ctx context.Context, s *scope) (*plan.Observed, error) {
	if s.observed != nil || !hasFinalizer(s.obj) && p.cache.isAbsent(s.obj.UID) {
		return s.observed, nil
	}
	observed, err := p.roles.Observe(ctx, plan.NameOf(s.obj, p.config.ClusterName))
	if err != nil {
		return nil, err
	}
	if observed == nil || observed.OwnershipBy(s.owner) != plan.Owned || observed.Path != p.config.RolePath {
		if !hasFinalizer(s.obj) {
			p.cache.setAbsent(s.obj.UID)
		}
		return nil, nil
	}
	s.setObserved(observed)
	return observed, nil
}
