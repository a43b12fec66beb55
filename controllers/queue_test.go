package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/budget"
)

func TestUrgency(t *testing.T) {
	ready := func(status metav1.ConditionStatus) v1alpha1.PodIdentityStatus {
		return v1alpha1.PodIdentityStatus{
			ObservedGeneration: 2,
			Role:               &v1alpha1.RoleStatus{Name: "r"},
			Conditions:         []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, ObservedGeneration: 2}},
		}
	}
	none := v1alpha1.PodIdentityStatus{ObservedGeneration: -1}
	refused := ready(metav1.ConditionFalse)
	refused.Role = nil

	cases := map[string]struct {
		reason     string
		status     v1alpha1.PodIdentityStatus
		generation int64 // 2 if it is not said
		deleted    bool
		requested  bool
		want       budget.Priority
	}{
		"Deleted": {
			reason: "A user waits for a deletion, also of what never was.",
			status: none, deleted: true, want: budget.Edit,
		},
		"Edited": {
			reason: "A user waits for an edit.",
			status: ready(metav1.ConditionTrue), generation: 3, want: budget.Edit,
		},
		"EditedAndRequested": {
			reason: "An edit is not less urgent for a check that is asked for as well.",
			status: ready(metav1.ConditionTrue), generation: 3, requested: true, want: budget.Edit,
		},
		"Corrected": {
			reason: "The edit of a spec that was refused is an edit, though there is no role yet.",
			status: refused, generation: 3, want: budget.Edit,
		},
		"Undecided": {
			reason: "An edit that has failed in passing is tried again as the edit that it is.",
			status: ready(metav1.ConditionUnknown), want: budget.Edit,
		},
		"Requested": {
			reason: "Checks that are asked for, and be it of all identities at once, do not hold up edits.",
			status: ready(metav1.ConditionTrue), requested: true, want: budget.Request,
		},
		"RequestedNew": {
			reason: "Who asks does not wait for a crowd of new identities.",
			status: refused, requested: true, want: budget.Request,
		},
		"New": {
			reason: "A new identity has been seen by nobody.",
			status: none, want: budget.Create,
		},
		"NewAndRefused": {
			reason: "A new identity that is blocked stays a new one.",
			status: refused, want: budget.Create,
		},
		"Blocked": {
			reason: "A crowd that waits for a permission does not hold up edits every two minutes.",
			status: ready(metav1.ConditionFalse), want: budget.Check,
		},
		"Settled": {
			reason: "What is ready is only looked at.",
			status: ready(metav1.ConditionTrue), want: budget.Check,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			obj := &v1alpha1.PodIdentity{Status: tc.status}
			obj.Generation = max(2, tc.generation)
			if tc.deleted {
				obj.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			}
			if tc.requested {
				obj.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: "now"}
			}
			if got := urgency(obj); got != tc.want {
				t.Errorf("%s\nurgency = %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
}

// An edit hurries the visit that it has to wait for, and no other.
func TestHurry(t *testing.T) {
	request := func(name string) reconcile.Request {
		return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: name}}
	}
	var u underway
	edited, endEdited := u.begin(t.Context(), request("edited"), budget.Check)
	other, endOther := u.begin(t.Context(), request("other"), budget.Check)
	defer endOther()

	u.hurry(request("edited"), budget.Edit)
	u.hurry(request("unknown"), budget.Edit)
	if got := budget.PriorityOf(edited); got != budget.Edit {
		t.Errorf("the visit that an edit waits for is %s", got)
	}
	if got := budget.PriorityOf(other); got != budget.Check {
		t.Errorf("a visit that nobody waits for is %s", got)
	}

	endEdited()
	next, endNext := u.begin(t.Context(), request("edited"), budget.Check)
	defer endNext()
	if got := budget.PriorityOf(next); got != budget.Check {
		t.Errorf("the visit after the one that was hurried is %s", got)
	}
}
