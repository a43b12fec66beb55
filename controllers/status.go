package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// phaseConditions are the conditions of the parts of an identity, in the order in
// which the operator creates the parts.
var phaseConditions = []string{
	v1alpha1.ConditionIssuerReady,
	v1alpha1.ConditionRoleReady,
	v1alpha1.ConditionServiceAccountReady,
}

// setStatus turns the result of a reconcile into the object's status.
func setStatus(s *scope, err error) {
	status := &s.obj.Status
	s.drop(v1alpha1.ConditionSuspended)
	if s.role != nil {
		status.Role = withLastUse(s.role, status.Role)
	}
	status.Plan = planned(s)
	if err != nil && fault.KindOf(err) == fault.Transient {
		// AWS did not answer, so the request stays pending and its check is retried.
		if readyAt(s.obj, s.obj.Generation) {
			return // a transient error does not change the status of a ready object
		}
	} else if s.requestToken != "" {
		status.LastHandledReconcileAt = s.requestToken
	}
	status.ObservedGeneration = s.obj.Generation
	setPhaseConditions(s, err)
	setPodsCondition(s)
	setSummary(s, err)
	sortConditions(status.Conditions)
}

// setPhaseConditions sets the condition of every phase that ran. Conditions of later
// phases keep their last value, or report that they wait.
func setPhaseConditions(s *scope, err error) {
	for _, condition := range phaseConditions {
		switch {
		case s.pendingIn(condition) > 0:
			s.set(condition, metav1.ConditionUnknown, v1alpha1.ReasonChangesPending, changesPending(s.pendingIn(condition)))
		case condition == v1alpha1.ConditionRoleReady && s.deferred != nil && s.roleReached:
			status, reason := conditionFor(s.deferred)
			s.set(condition, status, reason, s.deferred.Error())
		case slices.Contains(s.succeeded, condition):
			s.set(condition, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, successMessage(s, condition))
		case condition == s.failedCondition:
			status, reason := conditionFor(err)
			s.set(condition, status, reason, err.Error())
		case meta.FindStatusCondition(s.obj.Status.Conditions, condition) == nil:
			s.set(condition, metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "Waiting for earlier steps to complete")
		}
	}
}

// pendingIn returns the number of changes that mode Plan holds back in the part of a
// condition.
func (s *scope) pendingIn(condition string) int {
	switch {
	case s.obj.Spec.Mode != v1alpha1.ModePlan || !slices.Contains(s.succeeded, condition):
		return 0
	case condition == v1alpha1.ConditionRoleReady:
		return len(s.pending)
	case condition == v1alpha1.ConditionServiceAccountReady:
		return len(s.pendingServiceAccounts)
	default:
		return 0
	}
}

// successMessage returns the message of a condition that is True. A permissions
// boundary that the spec does not get is part of it.
func successMessage(s *scope, condition string) string {
	wanted := string(s.obj.Spec.Role.PermissionsBoundary)
	if condition == v1alpha1.ConditionRoleReady && s.boundary.ARN != "" && wanted != "" && wanted != s.boundary.ARN {
		return fmt.Sprintf("IAM role is in sync with the spec, except for its permissions boundary: %s requires %s", s.boundary.By, s.boundary.ARN)
	}
	return successMessages[condition]
}

// successMessages are the messages of conditions that are True.
var successMessages = map[string]string{
	v1alpha1.ConditionIssuerReady:         "IAM OIDC provider is configured for this cluster's issuer",
	v1alpha1.ConditionRoleReady:           "IAM role is in sync with the spec",
	v1alpha1.ConditionServiceAccountReady: "ServiceAccount is annotated with the role ARN",
}

// setSummary sets Ready, and Reconciling or Stalled. These two exist only while they
// are True, and never both.
func setSummary(s *scope, err error) {
	if err == nil {
		s.drop(v1alpha1.ConditionReconciling)
		s.drop(v1alpha1.ConditionStalled)
		s.set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "Identity is ready for use by pods of the ServiceAccount")
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

// conditionFor returns the status and reason of a condition that failed with err:
// Unknown while the operator retries, False if a user has to act.
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
		Message:            conditionMessage(kind, status, reason, message),
		ObservedGeneration: s.obj.Generation,
	})
}

func (s *scope) drop(kind string) { meta.RemoveStatusCondition(&s.obj.Status.Conditions, kind) }

// maxMessage is the number of bytes of a condition's message. Kubernetes accepts 32,768,
// but people read it.
const maxMessage = 2048

// reasonsPage explains every reason, under a heading of its name.
const reasonsPage = "https://github.com/podidentity/podidentity-operator/blob/main/docs/conditions.md"

// conditionMessage returns the message of a condition: short, and on one line. If a user
// has to act, it ends with a link to the cause and the fix.
func conditionMessage(kind string, status metav1.ConditionStatus, reason, message string) string {
	if status != metav1.ConditionFalse && kind != v1alpha1.ConditionStalled {
		return fault.Bound(message, maxMessage)
	}
	link := "; see " + reasonsPage + "#" + strings.ToLower(reason)
	return fault.Bound(message, maxMessage-len(link)) + link
}

// sortConditions sorts the summary first and the parts after it, so that the order
// is stable.
func sortConditions(conditions []metav1.Condition) {
	order := slices.Concat(
		[]string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionSuspended},
		phaseConditions,
		[]string{v1alpha1.ConditionPodsUpToDate},
	)
	slices.SortStableFunc(conditions, func(a, b metav1.Condition) int {
		return slices.Index(order, a.Type) - slices.Index(order, b.Type)
	})
}

// readyAt reports whether obj was ready at that generation.
func readyAt(obj *v1alpha1.PodIdentity, generation int64) bool {
	return inSyncAt(obj, v1alpha1.ConditionReady, generation)
}

// inSyncAt reports whether the condition of a part of obj was True at that generation.
// Another part may have failed since.
func inSyncAt(obj *v1alpha1.PodIdentity, condition string, generation int64) bool {
	c := meta.FindStatusCondition(obj.Status.Conditions, condition)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == generation
}

// reasonOf returns the reason of Ready.
func reasonOf(obj *v1alpha1.PodIdentity) string {
	if ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return ""
}

// messageOf returns the message of Ready.
func messageOf(obj *v1alpha1.PodIdentity) string {
	if ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Message
	}
	return ""
}

// maxTarget is the length of a target that the API server accepts.
const maxTarget = 2048

// planned returns the changes that were not made.
func planned(s *scope) []v1alpha1.PlannedChange {
	var changes []v1alpha1.PlannedChange
	for _, c := range s.pending {
		changes = append(changes, v1alpha1.PlannedChange{Action: c.Action(), Target: fault.Bound(c.Target(), maxTarget)})
	}
	for _, name := range s.pendingServiceAccounts {
		changes = append(changes, v1alpha1.PlannedChange{Action: actionApplyServiceAccount, Target: name})
	}
	return changes
}

// actionApplyServiceAccount is the one action in a plan that is not an IAM action.
const actionApplyServiceAccount = "ApplyServiceAccount"

// patchStatus writes obj's status if it changed.
func (r *Reconciler) patchStatus(ctx context.Context, before, obj *v1alpha1.PodIdentity) error {
	if equality.Semantic.DeepEqual(before.Status, obj.Status) {
		return nil
	}
	base := before.DeepCopy()
	base.ResourceVersion = obj.ResourceVersion // of the operator's own last write, if any
	return r.client.Status().Patch(ctx, obj, locked(base))
}
