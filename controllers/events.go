package controllers

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Reasons of events that are not reasons of conditions.
const (
	eventUpdatedRole             = "UpdatedRole"
	eventCreatedRole             = "CreatedRole"
	eventDeletedRole             = "DeletedRole"
	eventRetainedRole            = "RetainedRole"
	eventSkippedRoleDeletion     = "SkippedRoleDeletion"
	eventRevokedRole             = "RevokedRole"
	eventCorrectedDrift          = "CorrectedDrift"
	eventCreatedServiceAccount   = "CreatedServiceAccount"
	eventAnnotatedServiceAccount = "AnnotatedServiceAccount"
)

// componentServiceAccount names the ServiceAccount among the parts that drift.
const componentServiceAccount = "serviceAccount"

// pendingEvent is something that happened, once or to several targets, and that one
// event tells of: events that have reason and action in common are one to
// Kubernetes, which keeps the text of the first.
type pendingEvent struct {
	reason, action, message string
	targets                 []string
}

func (n pendingEvent) String() string {
	return strings.TrimSpace(n.message + " " + strings.Join(n.targets, ", "))
}

func (s *scope) addEvent(reason, action, message string, targets ...string) {
	for i := range s.pendingEvents {
		if n := &s.pendingEvents[i]; n.reason == reason && n.action == action && n.message == message {
			n.targets = append(n.targets, targets...)
			return
		}
	}
	s.pendingEvents = append(s.pendingEvents, pendingEvent{reason: reason, action: action, message: message, targets: targets})
}

// recordServiceAccount notes a write to a ServiceAccount; if the identity was
// settled, somebody else had undone it.
func (s *scope) recordServiceAccount(reason, message, name string) {
	if s.wasReady {
		driftCorrected.WithLabelValues(componentServiceAccount).Inc()
		reason, message = eventCorrectedDrift, driftMessage(componentServiceAccount, actionApplyServiceAccount)
	}
	s.addEvent(reason, actionApplyServiceAccount, message, name)
}

// recordChange notes a change that was made to the role.
func (s *scope) recordChange(c plan.Change) {
	reason, message := eventUpdatedRole, c.Action()
	if _, created := c.(plan.CreateRole); created {
		reason = eventCreatedRole
	}
	if s.wasReady {
		driftCorrected.WithLabelValues(c.Component()).Inc()
		reason, message = eventCorrectedDrift, driftMessage(c.Component(), c.Action())
	}
	s.addEvent(reason, c.Action(), message, targets(c)...)
}

func driftMessage(part, action string) string { return fmt.Sprintf("Put back %s: %s", part, action) }

func targets(c plan.Change) []string {
	if target := c.Target(); target != "" {
		return []string{target}
	}
	return nil
}

// emitEvents emits an event for each thing that happened, and one for a failure
// that needs somebody and that is news. It comes after the status is stored.
func (r *Reconciler) emitEvents(before *v1alpha1.PodIdentity, s *scope, err error) {
	for _, n := range s.pendingEvents {
		r.events.Eventf(s.obj, nil, corev1.EventTypeNormal, n.reason, n.action, "%s", eventNote(n.String()))
	}
	r.emitOutdatedPods(before, s)
	if kind := fault.KindOf(err); kind != fault.Blocked && kind != fault.Terminal {
		return
	}
	if message := err.Error(); message != messageOf(before) {
		reason := fault.ReasonOf(err, "Failed")
		failures.WithLabelValues(reason).Inc()
		r.events.Eventf(s.obj, nil, corev1.EventTypeWarning, reason, "Reconcile", "%s", eventNote(message))
	}
}

// emitOutdatedPods tells once that pods have to be restarted.
func (r *Reconciler) emitOutdatedPods(before *v1alpha1.PodIdentity, s *scope) {
	stale := func(obj *v1alpha1.PodIdentity) *metav1.Condition {
		c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionPodsUpToDate)
		if c == nil || c.Status != metav1.ConditionFalse {
			return nil
		}
		return c
	}
	if now := stale(s.obj); now != nil && stale(before) == nil {
		r.events.Eventf(s.obj, nil, corev1.EventTypeWarning, now.Reason, "Restart", "%s", eventNote(now.Message))
	}
}

// eventNote cuts a message to what an event may hold, 1 kB.
func eventNote(message string) string {
	if const1k := 1024; len(message) > const1k {
		return message[:const1k-3] + "..."
	}
	return message
}
