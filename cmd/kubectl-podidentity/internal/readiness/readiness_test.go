package readiness

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

func ready(status metav1.ConditionStatus) []metav1.Condition {
	return []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: "R", Message: "M"}}
}

func TestAwaiting_OutcomeFollowsTheConditions(t *testing.T) {
	requested := map[string]string{v1alpha1.RequestedAtAnnotation: "2"}
	cases := map[string]struct {
		reason string
		pi     v1alpha1.PodIdentity
		want   Outcome
	}{
		"NewObject": {
			"The operator has not seen a new object.",
			v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Status: v1alpha1.PodIdentityStatus{ObservedGeneration: -1}},
			Pending,
		},
		"Ready": {
			"Ready at the newest generation.",
			v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: v1alpha1.PodIdentityStatus{ObservedGeneration: 2, Conditions: ready(metav1.ConditionTrue)}},
			Succeeded,
		},
		"ReadyBeforeEdit": {
			"Ready is about the spec before the edit.",
			v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Generation: 3}, Status: v1alpha1.PodIdentityStatus{ObservedGeneration: 2, Conditions: ready(metav1.ConditionTrue)}},
			Pending,
		},
		"ReadyBeforeRequest": {
			"Ready is about the reconciliation before the request.",
			v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Annotations: requested}, Status: v1alpha1.PodIdentityStatus{LastHandledReconcileAt: "1", Conditions: ready(metav1.ConditionTrue)}},
			Pending,
		},
		"RequestHandled": {
			"The request was handled.",
			v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Annotations: requested}, Status: v1alpha1.PodIdentityStatus{LastHandledReconcileAt: "2", Conditions: ready(metav1.ConditionTrue)}},
			Succeeded,
		},
		"Working": {
			"The operator is still at work.",
			v1alpha1.PodIdentity{Status: v1alpha1.PodIdentityStatus{Conditions: ready(metav1.ConditionUnknown)}},
			Pending,
		},
		"Failed": {
			"Waiting longer would not help.",
			v1alpha1.PodIdentity{Status: v1alpha1.PodIdentityStatus{Conditions: ready(metav1.ConditionFalse)}},
			Failed,
		},
		"Suspended": {
			"A suspended identity keeps its Ready, and its requests stay unhandled.",
			v1alpha1.PodIdentity{
				ObjectMeta: metav1.ObjectMeta{Annotations: requested}, Spec: v1alpha1.PodIdentitySpec{Suspend: true},
				Status: v1alpha1.PodIdentityStatus{Conditions: ready(metav1.ConditionFalse)},
			},
			Succeeded,
		},
		"SuspendedFromTheStart": {
			"The operator writes no status to an object that it has never reconciled.",
			v1alpha1.PodIdentity{
				ObjectMeta: metav1.ObjectMeta{Generation: 1}, Spec: v1alpha1.PodIdentitySpec{Suspend: true},
				Status: v1alpha1.PodIdentityStatus{ObservedGeneration: -1},
			},
			Succeeded,
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := Of(&tc.pi).Awaiting(); got != tc.want {
				t.Errorf("Awaiting() = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestOf_ObjectWithoutStatusIsNotReconciled(t *testing.T) {
	got := Of(&v1alpha1.PodIdentity{})
	want := Readiness{
		Ready: metav1.ConditionUnknown, Reason: "NotReconciled", Current: true,
		Message: "The operator has not reconciled this PodIdentity yet; check that it is running",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Of({}): -want, +got:\n%s", diff)
	}
}
