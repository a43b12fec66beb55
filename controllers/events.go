package controllers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

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
	eventUpdatedServiceAccount   = "UpdatedServiceAccount"
	eventOrphanedRole            = "OrphanedRole"
)

// componentServiceAccount is the component of drift in a ServiceAccount.
const componentServiceAccount = "serviceAccount"

// pendingEvent is an event about one or several targets. Kubernetes aggregates events
// with the same reason and action and keeps the note of the first, so one event
// lists all targets.
type pendingEvent struct {
	reason, action, message string
	targets                 []string
	// policies are those that a new role got.
	policies []string
}

func (n pendingEvent) String() string {
	text := strings.TrimSpace(n.message + " " + strings.Join(n.targets, ", "))
	if len(n.policies) > 0 {
		text += " with policies " + strings.Join(n.policies, ", ")
	}
	return text
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

// recordServiceAccount records a write to a ServiceAccount. If it was in sync,
// the write corrects drift.
func (s *scope) recordServiceAccount(reason, message, name string) {
	if s.serviceAccountWasInSync {
		driftCorrected.WithLabelValues(componentServiceAccount).Inc()
		reason, message = eventCorrectedDrift, driftMessage(componentServiceAccount, actionApplyServiceAccount)
	}
	s.addEvent(reason, actionApplyServiceAccount, message, name)
}

// recordChange records a change to the role, and whether it corrects drift. The event of
// a new role lists the policies that it got, so that a creation costs one event.
func (s *scope) recordChange(c plan.Change) {
	reason, message := eventUpdatedRole, c.Action()
	if _, created := c.(plan.CreateRole); created {
		reason, message = eventCreatedRole, "Created role"
	}
	if s.isDrift(c) {
		driftCorrected.WithLabelValues(c.Component()).Inc()
		reason, message = eventCorrectedDrift, driftMessage(c.Component(), c.Action())
		if record, ok := causeOf(c.Component(), s.outOfBand); ok {
			message += fmt.Sprintf(", made by %s at %s (%s)", record.Caller.Principal, record.Time.Format(time.RFC3339), record.Action)
			driftCorrectedByEvent.WithLabelValues(c.Component(), driftPrincipals.label(record.Caller.Principal)).Inc()
			driftEventLastCorrected.Set(float64(record.Time.Unix()))
		}
	}
	if created := s.creation(); created != nil && reason == eventUpdatedRole {
		created.policies = append(created.policies, c.Target())
		return
	}
	s.addEvent(reason, c.Action(), message, targets(c)...)
}

// creation returns the event of the role that this reconcile created, nil if it
// created none.
func (s *scope) creation() *pendingEvent {
	i := slices.IndexFunc(s.pendingEvents, func(n pendingEvent) bool { return n.reason == eventCreatedRole })
	if i < 0 {
		return nil
	}
	return &s.pendingEvents[i]
}

func driftMessage(component, action string) string {
	return fmt.Sprintf("Reverted out-of-band change to %s (%s)", component, action)
}

func targets(c plan.Change) []string {
	if target := c.Target(); target != "" {
		return []string{target}
	}
	return nil
}

// emitEvents emits the pending events, and a warning for a new failure that requires
// user action. The status must be stored before.
func (r *Reconciler) emitEvents(before *v1alpha1.PodIdentity, s *scope, err error) {
	for _, n := range s.pendingEvents {
		r.events.Eventf(s.obj, nil, corev1.EventTypeNormal, n.reason, n.action, "%s", n)
	}
	r.emitOutdatedPods(before, s)
	if kind := fault.KindOf(err); kind != fault.Blocked && kind != fault.Terminal {
		return
	}
	if status, reason := conditionFor(err); messageOf(before) == conditionMessage(v1alpha1.ConditionReady, status, reason, err.Error()) {
		return
	}
	reason := fault.ReasonOf(err, "Failed")
	failures.WithLabelValues(reason).Inc()
	r.events.Eventf(s.obj, nil, corev1.EventTypeWarning, reason, "Reconcile", "%s", fault.Bound(err.Error(), maxMessage))
}

// emitOutdatedPods warns once that pods need a restart.
func (r *Reconciler) emitOutdatedPods(before *v1alpha1.PodIdentity, s *scope) {
	outdated := func(obj *v1alpha1.PodIdentity) *metav1.Condition {
		c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionPodsUpToDate)
		if c == nil || c.Status != metav1.ConditionFalse {
			return nil
		}
		return c
	}
	if now := outdated(s.obj); now != nil && outdated(before) == nil {
		r.events.Eventf(s.obj, nil, corev1.EventTypeWarning, now.Reason, "None", "%s", now.Message)
	}
}

// boundedEvents records events whose notes are as short as Kubernetes requires, and
// on one line: kubectl describe prints them as they are.
type boundedEvents struct{ recorder events.EventRecorder }

// maxNote is the number of bytes that the API server accepts.
const maxNote = 1024

func (b boundedEvents) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	b.recorder.Eventf(regarding, related, kind, reason, action, "%s", fault.Bound(fmt.Sprintf(note, args...), maxNote))
}
