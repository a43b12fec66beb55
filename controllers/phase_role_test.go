package controllers

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

func TestRolePhase_CreatesWithoutReading(t *testing.T) {
	u := newUnit(t)
	s := u.scopeOf(checkout())
	expectFault(t, u.role.reconcile(t.Context(), s), fault.Waiting, v1alpha1.ReasonRolePropagating)
	u.expectCalls("CreateRole", "AttachRolePolicy")
	if s.requeueAfter != unitConfig.IAMPropagationDelay {
		t.Errorf("requeueAfter = %s, want the propagation delay", s.requeueAfter)
	}

	u.clock.SetTime(now.Add(unitConfig.IAMPropagationDelay))
	if err := u.role.reconcile(t.Context(), s); err != nil {
		t.Errorf("after the propagation delay: %v", err)
	}
	u.expectCalls("CreateRole", "AttachRolePolicy") // the second reconcile costs no call
}

func TestRolePhase_ReadsOnceTheCacheExpires(t *testing.T) {
	u := newUnit(t)
	s := u.scopeOf(checkout())
	_ = u.role.reconcile(t.Context(), s)
	u.roles.calls = nil
	u.clock.SetTime(now.Add(maxMissedDriftChecks * unitConfig.DriftCheckInterval))
	s.obj.Status.Role = s.role
	if err := u.role.reconcile(t.Context(), s); err != nil {
		t.Error(err)
	}
	u.expectCalls("Observe")
}

func TestRolePhase_NeverTouchesRolesOfOtherOwners(t *testing.T) {
	name := plan.RoleName("prod", "shop", "checkout")
	cases := map[string]struct {
		tags map[string]string
		edit func(*v1alpha1.PodIdentity)
		want string // the reason; empty if the role is adopted
	}{
		"a role without ownership tags has another owner":     {tags: nil, want: v1alpha1.ReasonRoleNotOwned},
		"a role of an object with another UID is not adopted": {tags: plan.Owner{Cluster: "prod", Namespace: "shop", Name: "checkout", UID: "0"}.Tags(), want: v1alpha1.ReasonRoleNotOwned},
		"IfTagged adopts a role whose tags name the object": {
			tags: plan.Owner{Cluster: "prod", Namespace: "shop", Name: "checkout", UID: "0"}.Tags(),
			edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.AdoptionPolicy = v1alpha1.AdoptionIfTagged },
		},
		"IfTagged does not adopt a role of another namespace": {
			tags: plan.Owner{Cluster: "prod", Namespace: "other", Name: "checkout", UID: "0"}.Tags(),
			edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.AdoptionPolicy = v1alpha1.AdoptionIfTagged },
			want: v1alpha1.ReasonRoleNotOwned,
		},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			pi := checkout()
			if tc.edit != nil {
				tc.edit(pi)
			}
			u.roles.roles[name] = &plan.Observed{Role: plan.Role{Name: name, Path: unitCluster.RolePath, Tags: tc.tags}, CreatedAt: now.Add(-time.Hour)}
			err := u.role.reconcile(t.Context(), u.scopeOf(pi))
			if tc.want == "" {
				if err != nil {
					t.Errorf("the role is not adopted: %v", err)
				}
				return
			}
			expectFault(t, err, fault.Blocked, tc.want)
			u.expectCalls("CreateRole", "ObserveOwner")
		})
	}
}

func TestRolePhase_RemoveReadsTheOwnerBeforeItDeletes(t *testing.T) {
	u := newUnit(t)
	pi := checkout()
	s := u.scopeOf(pi)
	_ = u.role.reconcile(t.Context(), s)
	u.roles.calls = nil
	if err := u.role.remove(t.Context(), newScope(pi, "prod")); err != nil {
		t.Fatal(err)
	}
	u.expectCalls("ObserveOwner", "UpdateAssumeRolePolicy", "DetachRolePolicy", "DeleteRole")
}

func TestRolePhase_RemoveWaitsWhileANewRoleMayBeInvisible(t *testing.T) {
	u := newUnit(t)
	pi := checkout(func(pi *v1alpha1.PodIdentity) { pi.CreationTimestamp = metav1.NewTime(now) })
	expectFault(t, u.role.remove(t.Context(), newScope(pi, "prod")), fault.Waiting, v1alpha1.ReasonDeleting)
	u.clock.SetTime(now.Add(unitConfig.IAMPropagationDelay))
	if err := u.role.remove(t.Context(), newScope(pi, "prod")); err != nil {
		t.Errorf("after the propagation delay: %v", err)
	}
}

func TestRolePhase_RetainSucceedsWhileAWSIsUnreachable(t *testing.T) {
	for reason, tc := range map[string]struct {
		err   error
		calls []string
	}{
		"a retained role is tagged":             {nil, []string{"ObserveOwner", "TagRole"}},
		"an unreachable AWS blocks no deletion": {errors.New("unreachable"), []string{"ObserveOwner"}},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			pi := checkout(func(pi *v1alpha1.PodIdentity) { pi.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
			_ = u.role.reconcile(t.Context(), u.scopeOf(pi))
			u.roles.calls, u.roles.err = nil, tc.err
			s := newScope(pi, "prod")
			if err := u.role.remove(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			u.expectCalls(tc.calls...)
			if len(s.pendingEvents) != 1 || s.pendingEvents[0].reason != eventRetainedRole {
				t.Errorf("events = %v", s.pendingEvents)
			}
		})
	}
}
