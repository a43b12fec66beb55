package controllers

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// edited brings an identity in sync, and returns the scope of the reconcile after an
// edit that adds a managed policy.
func (u *unit) edited() *scope {
	u.t.Helper()
	s := u.scopeOf(checkout())
	_ = u.role.reconcile(u.t.Context(), s) // waits for the propagation
	u.clock.SetTime(now.Add(time.Minute))
	u.roles.calls = nil
	pi := checkout(func(pi *v1alpha1.PodIdentity) {
		pi.Spec.Policies.Managed = append(pi.Spec.Policies.Managed, sqsFullAccess)
		pi.Status.Role = s.role
	})
	return u.scopeOf(pi)
}

const sqsFullAccess = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"

func TestRolePhase_EditOfAKnownRoleReadsOnlyItsOwner(t *testing.T) {
	u := newUnit(t)
	s := u.edited()
	if err := u.role.reconcile(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	u.expectCalls("ObserveOwner", "AttachRolePolicy")
}

func TestRolePhase_EditReadsTheRoleIfItIsNotKnown(t *testing.T) {
	name := plan.RoleName("prod", "shop", "checkout")
	owned := plan.Owner{Cluster: "prod", Namespace: "shop", Name: "checkout", UID: "1"}.Tags()
	cases := map[string]struct {
		change func(*unit, *scope)
		want   []string
	}{
		"the last read is older than a drift check interval": {
			func(u *unit, _ *scope) { u.clock.SetTime(now.Add(unitConfig.DriftCheckInterval)) },
			[]string{"Observe", "AttachRolePolicy"},
		},
		"the user requests a reconciliation": {
			func(_ *unit, s *scope) { s.requestToken = "now" },
			[]string{"Observe", "AttachRolePolicy"},
		},
		"the trust policy was changed out of band": {
			func(u *unit, _ *scope) { u.roles.roles[name].Trust = `{"Version":"2012-10-17"}` },
			[]string{"ObserveOwner", "Observe", "AttachRolePolicy", "UpdateAssumeRolePolicy"},
		},
		"the role was replaced by another one of the same name": {
			func(u *unit, _ *scope) { u.roles.roles[name].ID = "AROA2" },
			[]string{"ObserveOwner", "Observe", "AttachRolePolicy"},
		},
		"the role was deleted": {
			func(u *unit, _ *scope) { delete(u.roles.roles, name) },
			[]string{"ObserveOwner", "Observe", "CreateRole", "AttachRolePolicy", "AttachRolePolicy"},
		},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			s := u.edited()
			u.roles.roles[name].Tags = owned
			tc.change(u, s)
			if err := u.role.reconcile(t.Context(), s); err != nil && fault.KindOf(err) != fault.Waiting {
				t.Fatal(err)
			}
			slices.Sort(tc.want[1:])
			slices.Sort(u.roles.calls[1:])
			u.expectCalls(tc.want...)
		})
	}
}

func TestRolePhase_EditsNeverPostponeTheFullRead(t *testing.T) {
	u := newUnit(t)
	s := u.edited()
	managed := s.obj.Spec.Policies.Managed
	for elapsed := time.Minute; elapsed < unitConfig.DriftCheckInterval; elapsed += time.Minute {
		u.clock.SetTime(now.Add(elapsed))
		s.obj.Spec.Policies.Managed = managed[:1+int(elapsed/time.Minute)%2]
		if err := u.role.reconcile(t.Context(), u.scopeOf(s.obj)); err != nil {
			t.Fatal(err)
		}
	}
	if slices.Contains(u.roles.calls, "Observe") {
		t.Errorf("calls = %v, want no full read within the drift check interval", u.roles.calls)
	}
	u.roles.calls = nil
	u.clock.SetTime(now.Add(unitConfig.DriftCheckInterval))
	s.obj.Spec.Policies.Managed = managed[:1]
	if err := u.role.reconcile(t.Context(), u.scopeOf(s.obj)); err != nil {
		t.Fatal(err)
	}
	if u.roles.calls[0] != "Observe" {
		t.Errorf("calls = %v, want a full read first", u.roles.calls)
	}
}

// rejectOnce rejects the first attachment of a policy, as IAM does if policies that the
// operator does not know have used up the quota.
type rejectOnce struct {
	*fakeRoles
	with error
}

func (r *rejectOnce) Apply(ctx context.Context, name string, changes []plan.Change) (plan.Applied, error) {
	if err := r.with; err != nil {
		r.with = nil
		_ = r.called("rejected " + changes[0].Action())
		return plan.Applied{}, err
	}
	return r.fakeRoles.Apply(ctx, name, changes)
}

func TestRolePhase_RejectedEditReadsTheRoleAndPlansAgain(t *testing.T) {
	full := []string{"ObserveOwner", "rejected AttachRolePolicy", "Observe", "AttachRolePolicy"}
	cases := map[string]struct {
		err  error
		want []string
	}{
		"a quota can be used up by a foreign policy":  {fault.Errorf(fault.Blocked, v1alpha1.ReasonQuotaExceeded, "quota"), full},
		"a missing permission is not about the role":  {fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "denied"), full[:2]},
		"a throttled call is repeated by a reconcile": {fault.Errorf(fault.Transient, v1alpha1.ReasonProgressingWithRetry, "throttled"), full[:2]},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			s := u.edited()
			u.role.roles = &rejectOnce{u.roles, tc.err}
			err := u.role.reconcile(t.Context(), s)
			if (err == nil) != (len(tc.want) == len(full)) {
				t.Errorf("error = %v", err)
			}
			u.expectCalls(tc.want...)
			if denied := fault.ReasonOf(err, "") == v1alpha1.ReasonAccessDenied; err != nil && u.cache.has(s.obj.UID) != denied {
				t.Errorf("cached = %v, want so if the operator knows the role: %v", !denied, denied)
			}
		})
	}
}
