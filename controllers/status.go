package controllers

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// phaseConditions are the conditions that speak of a part of the identity, in the order in
// which the parts are made.
var phaseConditions = []string{
	v1alpha1.ConditionIssuerReady,
	v1alpha1.ConditionRoleReady,
	v1alpha1.ConditionServiceAccountReady,
}

// setStatus turns what a visit found out, and its error, into the object's status.
func (r *Reconciler) setStatus(s *scope, err error) {
	status := &s.obj.Status
	if s.requestToken != "" {
		status.LastHandledReconcileAt = s.requestToken
	}
	if s.role != nil {
		status.Role = s.role
	}
	status.Plan = planned(s)
	if fault.KindOf(err) == fault.Transient && err != nil && readyAt(s.obj, s.obj.Generation) {
		return // it passes by itself: a healthy object does not flap
	}
	status.ObservedGeneration = s.obj.Generation
	setPhaseConditions(s, err)
	setPodsCondition(s)
	setSummary(s, err)
	sortConditions(status.Conditions)
}

// setPhaseConditions sets the condition of every part that the visit came to. Parts
// behind a failure keep what was last found, or say what they wait for.
func setPhaseConditions(s *scope, err error) {
	for _, part := range phaseConditions {
		switch {
		case slices.Contains(s.succeeded, part):
			s.set(part, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, successMessages[part])
		case part == s.failedCondition:
			status, reason := conditionFor(err)
			s.set(part, status, reason, err.Error())
		case meta.FindStatusCondition(s.obj.Status.Conditions, part) == nil:
			s.set(part, metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "Waits for what comes before it")
		}
	}
}

// successMessages is what a condition says when it is true.
var successMessages = map[string]string{
	v1alpha1.ConditionIssuerReady:         "IAM trusts this cluster's issuer",
	v1alpha1.ConditionRoleReady:           "The IAM role is as declared",
	v1alpha1.ConditionServiceAccountReady: "The ServiceAccount carries the role",
}

// setSummary sets Ready, and Reconciling or Stalled, which are there only while
// they are true, and never both.
func setSummary(s *scope, err error) {
	if err == nil {
		s.drop(v1alpha1.ConditionReconciling)
		s.drop(v1alpha1.ConditionStalled)
		s.set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "Pods of the ServiceAccount get the identity")
		return
	}
	status, reason := conditionFor(err)
	s.set(v1alpha1.ConditionReady, status, reason, err.Error())
	if fault.KindOf(err) == fault.Terminal {
		s.drop(v1alpha1.ConditionReconciling)
		s.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, err.Error())
		return
	}
	why := v1alpha1.ReasonProgressingWithRetry
	if fault.KindOf(err) == fault.Waiting {
		why = v1alpha1.ReasonProgressing
	}
	s.drop(v1alpha1.ConditionStalled)
	s.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, why, err.Error())
}

// conditionFor returns the status and reason that an error gives to what it is about:
// Unknown while it may pass by itself, False once somebody has to act.
func conditionFor(err error) (metav1.ConditionStatus, string) {
	switch fault.KindOf(err) {
	case fault.Blocked, fault.Terminal:
		return metav1.ConditionFalse, fault.ReasonOf(err, v1alpha1.ReasonProgressingWithRetry)
	case fault.Waiting:
		return metav1.ConditionUnknown, fault.ReasonOf(err, v1alpha1.ReasonProgressing)
	default:
		return metav1.ConditionUnknown, fault.ReasonOf(err, v1alpha1.ReasonProgressingWithRetry)
	}
}

func (s *scope) set(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&s.obj.Status.Conditions, metav1.Condition{
		Type:               kind,
		Status:             status,
		Reason:             reason,
		Message:            truncate(message),
		ObservedGeneration: s.obj.Generation,
	})
}

func (s *scope) drop(kind string) { meta.RemoveStatusCondition(&s.obj.Status.Conditions, kind) }

// truncate cuts a message to what a condition may hold.
func truncate(message string) string {
	const limit = 32768
	if len(message) <= limit {
		return message
	}
	return message[:limit-3] + "..."
}

// sortConditions puts the summary first and then the parts in their order, so
// that the list never changes by chance.
func sortConditions(conditions []metav1.Condition) {
	order := slices.Concat(
		[]string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled},
		phaseConditions,
		[]string{v1alpha1.ConditionPodsUpToDate},
	)
	slices.SortStableFunc(conditions, func(a, b metav1.Condition) int {
		return slices.Index(order, a.Type) - slices.Index(order, b.Type)
	})
}

// readyAt reports whether obj was found ready at that generation.
func readyAt(obj *v1alpha1.PodIdentity, generation int64) bool {
	ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == generation
}

// reasonOf returns the reason of Ready.
func reasonOf(obj *v1alpha1.PodIdentity) string {
	if ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return ""
}

// messageOf returns what Ready says.
func messageOf(obj *v1alpha1.PodIdentity) string {
	if ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Message
	}
	return ""
}

// planned lists the changes that were not made.
func planned(s *scope) []v1alpha1.PlannedChange {
	var changes []v1alpha1.PlannedChange
	for _, c := range s.pending {
		changes = append(changes, v1alpha1.PlannedChange{Action: c.Action(), Target: c.Target()})
	}
	for _, name := range s.pendingServiceAccounts {
		changes = append(changes, v1alpha1.PlannedChange{Action: actionApplyServiceAccount, Target: name})
	}
	return changes
}

// actionApplyServiceAccount stands in a plan for the one change that is not IAM's.
const actionApplyServiceAccount = "ApplyServiceAccount"

// patchStatus stores obj's status if it says anything new.
func (r *Reconciler) patchStatus(ctx context.Context, before, obj *v1alpha1.PodIdentity) error {
	if equality.Semantic.DeepEqual(before.Status, obj.Status) {
		return nil
	}
	base := before.DeepCopy()
	base.ResourceVersion = obj.ResourceVersion // of our own last write, if there was one
	return r.client.Status().Patch(ctx, obj, locked(base))
}
