package controllers

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/queue"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

func TestPriorityOf_UserActionsComeFirst(t *testing.T) {
	ready := func(status metav1.ConditionStatus) v1alpha1.PodIdentityStatus {
		return v1alpha1.PodIdentityStatus{
			ObservedGeneration: 2,
			Role:               &v1alpha1.RoleStatus{Name: "r"},
			Conditions:         []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, ObservedGeneration: 2}},
		}
	}
	none := v1alpha1.PodIdentityStatus{ObservedGeneration: -1}
	rejected := ready(metav1.ConditionFalse)
	rejected.Role = nil

	cases := map[string]struct {
		reason     string
		status     v1alpha1.PodIdentityStatus
		generation int64 // 2 if it is not said
		deleted    bool
		requested  bool
		want       ratelimit.Priority
	}{
		"Deleted": {
			reason: "A user waits for a deletion, even of an identity that was never created in AWS.",
			status: none, deleted: true, want: ratelimit.Edit,
		},
		"Edited": {
			reason: "A user waits for an edit.",
			status: ready(metav1.ConditionTrue), generation: 3, want: ratelimit.Edit,
		},
		"EditedAndRequested": {
			reason: "An edit keeps its priority if a check is requested as well.",
			status: ready(metav1.ConditionTrue), generation: 3, requested: true, want: ratelimit.Edit,
		},
		"Corrected": {
			reason: "The edit of a rejected spec is an edit, though there is no role yet.",
			status: rejected, generation: 3, want: ratelimit.Edit,
		},
		"Undecided": {
			reason: "An edit that failed with a transient error is retried as an edit.",
			status: ready(metav1.ConditionUnknown), want: ratelimit.Edit,
		},
		"Requested": {
			reason: "Requested checks do not delay edits, even if users request a check of all identities.",
			status: ready(metav1.ConditionTrue), requested: true, want: ratelimit.Request,
		},
		"RequestedNew": {
			reason: "A user's request does not wait for a burst of new identities.",
			status: rejected, requested: true, want: ratelimit.Request,
		},
		"New": {
			reason: "The operator has not reconciled a new identity.",
			status: none, want: ratelimit.Create,
		},
		"NewAndRejected": {
			reason: "A new identity that is blocked is still a new one.",
			status: rejected, want: ratelimit.Create,
		},
		"Blocked": {
			reason: "Many identities that lack a permission do not delay edits with their retries.",
			status: ready(metav1.ConditionFalse), want: ratelimit.Check,
		},
		"InSync": {
			reason: "An identity that is ready needs only a check.",
			status: ready(metav1.ConditionTrue), want: ratelimit.Check,
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			obj := &v1alpha1.PodIdentity{Status: tc.status}
			obj.Generation = max(2, tc.generation)
			if tc.deleted {
				obj.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			}
			if tc.requested {
				obj.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: "now"}
			}
			if got := priorityOf(obj); got != tc.want {
				t.Errorf("priority = %s, want %s", got, tc.want)
			}
		})
	}
}

// An event on a ServiceAccount causes a reconcile of high priority, except if that would
// occupy the worker of an edit to wait for the rate limiter.
func TestWatch_ServiceAccountEventEnqueuesAtHighPriority(t *testing.T) {
	identity := func(name string, status metav1.ConditionStatus) v1alpha1.PodIdentity {
		pi := v1alpha1.PodIdentity{}
		pi.Namespace, pi.Name, pi.UID, pi.Generation = "shop", name, types.UID(name), 1
		pi.Status.ObservedGeneration, pi.Status.Role = 1, &v1alpha1.RoleStatus{Name: name}
		pi.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, ObservedGeneration: 1}}
		return pi
	}
	cases := map[string]struct {
		reason string
		pi     v1alpha1.PodIdentity
		want   ratelimit.Priority
	}{
		"Known":   {reason: "The check costs no call to AWS.", pi: identity("known", metav1.ConditionTrue), want: ratelimit.Edit},
		"Unknown": {reason: "The check costs a read of the role.", pi: identity("unknown", metav1.ConditionTrue), want: ratelimit.Repair},
		"Blocked": {reason: "The retry most likely fails again.", pi: identity("known", metav1.ConditionFalse), want: ratelimit.Check},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			q := priorityqueue.New[reconcile.Request](name)
			defer q.ShutDown()
			handler := enqueueMapped(
				func(context.Context, client.Object) []v1alpha1.PodIdentity { return []v1alpha1.PodIdentity{tc.pi} },
				func(uid types.UID) bool { return uid == "known" },
			)
			handler.Update(t.Context(), event.UpdateEvent{ObjectOld: &corev1.ServiceAccount{}, ObjectNew: &corev1.ServiceAccount{}}, q)
			if _, got, _ := q.GetWithPriority(); got != *queue.PriorityOf(tc.want) {
				t.Errorf("priority in the queue = %d, want that of %s", got, tc.want)
			}
		})
	}
}

// An edit raises the priority of the running reconcile that it waits for, and of no
// other.
func TestEdit_RaisesThePriorityOfARunningReconcile(t *testing.T) {
	object := func(name string, generation int64) *v1alpha1.PodIdentity {
		pi := &v1alpha1.PodIdentity{}
		pi.Namespace, pi.Name, pi.Generation, pi.Status.ObservedGeneration = "shop", name, generation, 1
		return pi
	}
	var u queue.InFlight
	edited, endEdited := u.Start(t.Context(), requestFor(object("edited", 1)), ratelimit.Check)
	other, endOther := u.Start(t.Context(), requestFor(object("other", 1)), ratelimit.Check)
	defer endOther()
	q := priorityqueue.New[reconcile.Request]("hurry")
	defer q.ShutDown()

	for _, name := range []string{"edited", "unknown"} {
		podIdentityHandler(&u, nil).Update(t.Context(), event.UpdateEvent{ObjectOld: object(name, 1), ObjectNew: object(name, 2)}, q)
	}
	if got := ratelimit.PriorityOf(edited); got != ratelimit.Edit {
		t.Errorf("the reconcile that an edit waits for has priority %s", got)
	}
	if got := ratelimit.PriorityOf(other); got != ratelimit.Check {
		t.Errorf("a reconcile that no edit waits for has priority %s", got)
	}

	endEdited()
	next, endNext := u.Start(t.Context(), requestFor(object("edited", 2)), ratelimit.Check)
	defer endNext()
	if got := ratelimit.PriorityOf(next); got != ratelimit.Check {
		t.Errorf("the next reconcile of the same object has priority %s", got)
	}
}
