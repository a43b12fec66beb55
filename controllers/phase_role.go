package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/clock"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// roles reads and changes IAM roles.
type roles interface {
	// Observe returns the named role, nil if there is none.
	Observe(ctx context.Context, name string) (*plan.Observed, error)
	// ObserveOwner returns the named role without its policies, nil if there is
	// none. It costs one call.
	ObserveOwner(ctx context.Context, name string) (*plan.Observed, error)
	// ObserveForTeardown returns the named role with everything attached to it, its
	// inline policies by name only; nil if there is none.
	ObserveForTeardown(ctx context.Context, name string) (*plan.Observed, error)
	// Apply makes changes to the named role, in order, and stops at the first one
	// that fails. It returns plan.ErrRoleExists if the role to create exists, and
	// plan.ErrDeleteConflict if the role to delete still has attachments.
	Apply(ctx context.Context, name string, changes []plan.Change) (plan.Applied, error)
	// Quotas returns the account's quotas on a role.
	Quotas(ctx context.Context) plan.Quotas
}

// maxMissedDriftChecks is the number of drift check intervals without a drift
// check after which a reconcile reads the role itself.
const maxMissedDriftChecks = 3

// rolePhase brings the IAM role in sync with the spec. Its condition is RoleReady.
type rolePhase struct {
	roles  roles
	gate   *gate
	cache  *roleCache
	clock  clock.PassiveClock
	config Config
	// guardrails decide whether a role may be retained.
	guardrails guardrailReader
	// policies knows which managed policies exist.
	policies *managedPolicies
	orphans  *orphans
	// checkPending reports whether the first drift check is still to come.
	checkPending func() bool
	// serviceAccountsInSync reports whether the ServiceAccounts of an identity need no
	// write.
	serviceAccountsInSync func(context.Context, *scope) (bool, error)
}

// checkQuotas rejects a role that exceeds the account's quotas before the operator
// creates any of it. It reads the account's quotas only if the default ones do not
// suffice.
func (p *rolePhase) checkQuotas(ctx context.Context, s *scope) error {
	if plan.DefaultQuotas.Check(s.desired.Role) == nil {
		return nil
	}
	err := p.roles.Quotas(ctx).Check(s.desired.Role)
	s.permitted = err == nil
	return err
}

// reconcile brings the IAM role in sync, and waits until pods can rely on it. It
// never touches a role that this object does not own.
func (p *rolePhase) reconcile(ctx context.Context, s *scope) error {
	s.roleReached = true
	if !p.suspect(ctx, s) {
		if left, err := p.leaveToDriftCheck(ctx, s); left || err != nil {
			return err
		}
	}
	if applied, known := p.cache.lastApplied(s.obj.UID); known && len(s.unattachable) > 0 {
		s.hold(applied)
	}
	if err := p.ensure(ctx, s); err != nil {
		return err
	}
	return s.held()
}

// suspect reports whether the role may have been changed out of band since it was last read.
// If so, its records go to the scope, and the reconcile gets the priority of a repair.
func (p *rolePhase) suspect(ctx context.Context, s *scope) bool {
	suspicion, suspected := p.cache.suspected(s.obj.UID)
	s.outOfBand = suspicion.records
	if suspected {
		ratelimit.Raise(ctx, ratelimit.Repair)
	}
	return suspected
}

// leaveToDriftCheck reports whether a role that was in sync is left to the first drift
// check, which reads it together with all others. The status is enough for that only while
// the identity needs no write.
func (p *rolePhase) leaveToDriftCheck(ctx context.Context, s *scope) (bool, error) {
	if p.cache.has(s.obj.UID) || !s.roleWasInSync || s.requestToken != "" || s.obj.Status.Role == nil || !p.checkPending() {
		return false, nil
	}
	if inSync, err := p.serviceAccountsInSync(ctx, s); !inSync || err != nil {
		return false, err
	}
	s.role = s.obj.Status.Role
	s.roleInSync = true
	return true, nil
}

// ensure makes the role match the desired one, and waits until pods can rely on it.
func (p *rolePhase) ensure(ctx context.Context, s *scope) error {
	began := p.clock.Now()
	cached, ok := p.cache.get(s.obj.UID)
	if ok && !equality.Semantic.DeepEqual(cached.desired, s.desired.Role) {
		s.roleWasInSync = false // the spec or what limits it has changed, so this is not drift
	}
	if !ok || !p.upToDate(cached, s) {
		var err error
		if cached, err = p.converge(ctx, s); err != nil {
			p.cacheBlocked(s, cached, began, err)
			return err
		}
		if s.tagsFailed {
			p.cache.remove(s.obj.UID) // the role is not as desired
		} else {
			p.cache.put(s.obj.UID, cached, began)
		}
	}
	s.role = &cached.status
	s.roleInSync = true
	if left := cached.assumableAt.Sub(p.clock.Now()); left > 0 {
		s.requeueAfter = left
		return fault.Errorf(fault.Waiting, v1alpha1.ReasonRolePropagating,
			"waiting up to %s for new role %s to propagate through IAM", p.config.IAMPropagationDelay, cached.status.Name)
	}
	return nil
}

// upToDate reports whether the cached role makes a read from AWS unnecessary. The
// drift check keeps cached roles recent; if it fails for long, reconciles read
// their roles themselves.
func (p *rolePhase) upToDate(cached cachedRole, s *scope) bool {
	return p.recent(cached, s) && equality.Semantic.DeepEqual(cached.desired, s.desired.Role)
}

// recent reports whether the role is still as it was when it was cached.
func (p *rolePhase) recent(cached cachedRole, s *scope) bool {
	return s.requestToken == "" && p.clock.Since(cached.observedAt) < maxMissedDriftChecks*p.config.DriftCheckInterval
}

// converge makes the role match the desired one and returns it. For an object
// without a role it creates one without reading first: IAM itself rejects a name
// that is taken, and only then is there something to read.
func (p *rolePhase) converge(ctx context.Context, s *scope) (cachedRole, error) {
	if entry, err := p.convergeKnown(ctx, s); !errors.Is(err, errNotKnown) {
		return entry, err
	}
	observed, err := p.observeExpected(ctx, s)
	if err != nil {
		return cachedRole{}, err
	}
	if observed == nil && s.keepOnly != nil {
		if _, had := p.cache.lastApplied(s.obj.UID); !had {
			return cachedRole{}, s.keepOnly
		}
	}
	if len(s.unattachable) > 0 && s.wanted == nil {
		p.holdBack(ctx, s, observed)
	}
	applied, err := p.apply(ctx, s, observed)
	if errors.Is(err, plan.ErrRoleExists) && observed == nil {
		p.gate.setTaken(requestFor(s.obj), s.desired.Role.Name)
		if observed, err = p.observeTaken(ctx, s); err != nil {
			return cachedRole{}, err
		}
		if observed == nil {
			return cachedRole{}, fmt.Errorf("role %s exists but is not visible yet (IAM is eventually consistent)", s.desired.Role.Name)
		}
		applied, err = p.apply(ctx, s, observed)
	}
	if err != nil {
		return p.entryAfter(s, observed, applied), err
	}
	return p.cacheEntry(s, observed, applied), nil
}

// observeExpected returns the object's role if the operator expects one: because the
// status names it, or because its name was taken at the last attempt. In that case one
// call finds out first whether the name is still taken.
func (p *rolePhase) observeExpected(ctx context.Context, s *scope) (*plan.Observed, error) {
	if s.obj.Status.Role != nil {
		return p.observe(ctx, s)
	}
	if !p.gate.isTaken(requestFor(s.obj), s.desired.Role.Name) {
		return nil, nil
	}
	return p.observeTaken(ctx, s)
}

// observeTaken returns the role that has the name of the object's role, nil if there is none,
// and an error if another owner has it. Only a role that the object may have is read in full.
func (p *rolePhase) observeTaken(ctx context.Context, s *scope) (*plan.Observed, error) {
	name := s.desired.Role.Name
	found, err := p.roles.ObserveOwner(ctx, name)
	if err != nil || found == nil {
		return nil, err
	}
	if err := p.requireOwned(ctx, s, found); err != nil {
		return nil, err
	}
	return p.observe(ctx, s)
}

// entryAfter returns the cache entry of the role after the changes that were made,
// which may not be all. It is empty if there is no role.
func (p *rolePhase) entryAfter(s *scope, observed *plan.Observed, applied plan.Applied) cachedRole {
	if s.role == nil {
		return cachedRole{}
	}
	var before plan.Role
	if observed != nil {
		before = observed.Role
	}
	entry := p.cacheEntry(s, observed, applied)
	entry.desired = plan.After(before, applied.Completed)
	return entry
}

// cacheBlocked caches a role that AWS does not let the operator bring in sync, so that
// the next attempt need not read it in full. After any other error the state of the
// role is unknown.
func (p *rolePhase) cacheBlocked(s *scope, entry cachedRole, began time.Time, err error) {
	known := fault.ReasonOf(err, "") == v1alpha1.ReasonAccessDenied && s.requestToken == ""
	if known && entry.status.ARN != "" && entry.desired.Name != "" {
		p.cache.put(s.obj.UID, entry, began)
		return
	}
	p.cache.remove(s.obj.UID)
}

// errNotKnown reports that the operator must read the whole role.
var errNotKnown = errors.New("the role is not as the operator last read it")

// convergeKnown makes the role match the desired one without reading its policies, if
// the operator read or created the role within the drift check interval. One call
// shows that the role still belongs to the object and has the settings that the
// operator knows. It returns errNotKnown if that is not so, or if AWS rejects a change,
// which an out-of-band change of the policies can cause.
func (p *rolePhase) convergeKnown(ctx context.Context, s *scope) (cachedRole, error) {
	known, ok := p.cache.get(s.obj.UID)
	if !ok || s.requestToken != "" || p.clock.Since(known.readAt) >= p.config.DriftCheckInterval {
		return cachedRole{}, errNotKnown
	}
	if changes := plan.Diff(&known.desired, s.desired.Role); len(changes) > 0 {
		if err := p.gate.closed(withRepair(ctx, s.roleWasInSync), s.desired.Role.Name, changes[0]); err != nil {
			s.role, s.pending = &known.status, changes
			return known, err
		}
	}
	observed, err := p.observeCached(ctx, s.desired.Role.Name, known.desired)
	switch {
	case err != nil:
		return cachedRole{}, err
	case observed == nil || observed.ID != known.status.ID || observed.OwnershipBy(s.owner) != plan.Owned,
		len(plan.Diff(&observed.Role, known.desired)) > 0:
		return cachedRole{}, errNotKnown
	}
	s.setObserved(observed)
	applied, err := p.apply(ctx, s, observed)
	switch {
	case err == nil:
		entry := p.cacheEntry(s, observed, applied)
		entry.readAt = known.readAt // the policies were not read
		return entry, nil
	case fault.KindOf(err) == fault.Transient, fault.ReasonOf(err, "") == v1alpha1.ReasonAccessDenied:
		entry := p.entryAfter(s, observed, applied)
		entry.readAt = known.readAt
		return entry, err
	default:
		return cachedRole{}, errNotKnown
	}
}

// observe returns the object's role, nil if there is none, and an error if another
// owner has it.
func (p *rolePhase) observe(ctx context.Context, s *scope) (*plan.Observed, error) {
	name := s.desired.Role.Name
	observed, err := p.roles.Observe(ctx, name)
	if err != nil || observed == nil {
		return nil, err
	}
	if err := p.requireOwned(ctx, s, observed); err != nil {
		return nil, err
	}
	s.setObserved(observed)
	return observed, nil
}

// requireOwned returns an error if a role has another owner or another path.
func (p *rolePhase) requireOwned(ctx context.Context, s *scope, observed *plan.Observed) error {
	name, ownership := s.desired.Role.Name, observed.OwnershipBy(s.owner)
	adopt := ownership == plan.Adoptable && s.obj.Spec.Role.AdoptionPolicy == v1alpha1.AdoptionIfTagged
	switch {
	case ownership != plan.Owned && !adopt:
		logf.FromContext(ctx).Info("Role has another owner", "role", name, "owner", observed.OwnerDescription())
		return errNotOwned(s.obj, name, ownership)
	case observed.Path != s.desired.Role.Path:
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonRoleNotOwned,
			"role %s has path %s, but the operator only manages roles under %s; delete the role or set a different spec.role.name",
			name, observed.Path, s.desired.Role.Path)
	}
	return nil
}

func (s *scope) setObserved(observed *plan.Observed) {
	s.observed = observed
	role := roleStatus(observed)
	s.role = &role
}

// errNotOwned is the error for a role of another owner. It does not name the owner,
// who may be in a namespace that the user must not see; the log does.
func errNotOwned(obj *v1alpha1.PodIdentity, name string, ownership plan.Ownership) error {
	hint := "set a different spec.role.name, or ask your platform team to delete the existing role"
	switch {
	case ownership == plan.Adoptable:
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonRoleNotOwned,
			"role %s already exists; an earlier PodIdentity of this name created it or its tags name this one; to adopt it, set spec.role.adoptionPolicy: IfTagged", name)
	case obj.Status.Role != nil:
		hint = "ask your platform team to delete that role"
	}
	return fault.Errorf(fault.Blocked, v1alpha1.ReasonRoleNotOwned, "role %s already exists and has another owner; %s", name, hint)
}

// cacheEntry returns the cache entry of a role that matches the desired one now.
func (p *rolePhase) cacheEntry(s *scope, observed *plan.Observed, applied plan.Applied) cachedRole {
	now := p.clock.Now()
	created := now
	if applied.ARN == "" && observed != nil {
		created = observed.CreatedAt
	}
	return cachedRole{
		desired:     s.desired.Role,
		status:      *s.role,
		observedAt:  now,
		readAt:      now,
		assumableAt: earliest(created, now).Add(p.config.IAMPropagationDelay),
	}
}

// earliest returns the earlier of two times. It guards against a clock of AWS that
// is ahead of ours.
func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
