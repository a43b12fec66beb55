package controllers

import (
	"testing"

	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// A role that differs from the desired one is read with the priority of a repair, so that it
// does not wait for the checks of a busy namespace. A role that the drift check could not read
// is only checked.
func TestDriftCheck_DriftIsReadWithThePriorityOfARepair(t *testing.T) {
	for name, tc := range map[string]struct {
		snapshot plan.RoleSnapshot
		want     ratelimit.Priority
	}{
		"the role is not as desired":               {snapshot: plan.RoleSnapshot{Roles: map[string]*plan.Observed{}}, want: ratelimit.Repair},
		"AWS denied to list the roles of the path": {want: ratelimit.Check},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUnit(t)
			obj := checkout()
			s := u.scopeOf(obj)
			_ = u.role.reconcile(t.Context(), s) // waits until pods can rely on the role
			obj.Status.Role = s.role
			u.clock.SetTime(now.Add(unitConfig.DriftCheckInterval))
			d := &driftChecker{config: unitConfig, roleCache: u.cache, clock: testingclock.NewFakeClock(u.clock.Now()), suspects: make(chan event.GenericEvent, 1)}
			d.recordResults(t.Context(), []candidate{{obj: obj, owner: s.owner, desired: s.desired.Role}}, tc.snapshot, d.clock.Now())
			if len(d.suspects) != 1 {
				t.Fatal("the identity is not queued")
			}
			if err := u.role.reconcile(ratelimit.WithPriority(t.Context(), ratelimit.Check), u.scopeOf(obj)); err != nil {
				t.Fatal(err)
			}
			if u.roles.observedAs != tc.want {
				t.Errorf("the role is read with the priority %q, want %q", u.roles.observedAs, tc.want)
			}
			if _, suspected := u.cache.suspected(obj.UID); suspected {
				t.Error("the role is still suspected after it was read")
			}
		})
	}
}
