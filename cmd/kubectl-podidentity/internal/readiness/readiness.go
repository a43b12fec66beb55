// Package readiness reports how far the operator is with a PodIdentity.
package readiness

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// Readiness is the state of one PodIdentity.
type Readiness struct {
	// Ready is the status of the condition Ready: True, False or Unknown.
	Ready metav1.ConditionStatus `json:"ready"`
	// Reason and Message are those of the condition.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Current reports that the operator has seen the newest spec and the newest request
	// to reconcile, so that the other fields are about them.
	Current bool `json:"current"`
	// Suspended reports that the operator does not change the identity.
	Suspended bool `json:"suspended,omitempty"`
}

// Of returns the readiness of a PodIdentity.
func Of(pi *v1alpha1.PodIdentity) Readiness {
	r := Readiness{Ready: metav1.ConditionUnknown, Suspended: pi.Spec.Suspend, Current: current(pi)}
	c := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		r.Reason, r.Message = "NotReconciled", "The operator has not reconciled this PodIdentity yet; check that it is running"
		return r
	}
	r.Ready, r.Reason, r.Message = c.Status, c.Reason, c.Message
	return r
}

func current(pi *v1alpha1.PodIdentity) bool {
	if pi.Spec.Suspend && len(pi.Status.Conditions) == 0 {
		return true // the operator leaves such an object as it is, its status too
	}
	requested := pi.Annotations[v1alpha1.RequestedAtAnnotation]
	handled := requested == "" || requested == pi.Status.LastHandledReconcileAt || pi.Spec.Suspend
	return handled && pi.Status.ObservedGeneration >= pi.Generation
}

// Outcome is what a user who waits for an identity sees.
type Outcome int

// The outcomes.
const (
	Pending   Outcome = iota // wait on
	Succeeded                // the identity is as wanted
	Failed                   // it needs an action by its user
)

// Awaiting returns the outcome for a user who waits until the operator has handled
// the newest spec. A suspended identity is handled when the operator has seen that
// it is.
func (r Readiness) Awaiting() Outcome {
	switch {
	case !r.Current:
		return Pending
	case r.Suspended || r.Ready == metav1.ConditionTrue:
		return Succeeded
	case r.Ready == metav1.ConditionFalse:
		return Failed
	default:
		return Pending
	}
}
