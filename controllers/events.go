package controllers

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Reasons of events that are not reasons of conditions.
const (
	eventChangedRole             = "ChangedRole"
	eventCreatedRole             = "CreatedRole"
	eventDeletedRole             = "DeletedRole"
	eventRetainedRole            = "RetainedRole"
	eventLeftRole                = "LeftRole"
	eventCorrectedDrift          = "CorrectedDrift"
	eventCreatedServiceAccount   = "CreatedServiceAccount"
	eventAnnotatedServiceAccount = "AnnotatedServiceAccount"
)

// partServiceAccount names the ServiceAccount among the parts that drift.
const partServiceAccount = "serviceAccount"

// note is something that happened and that an event tells of.
type note struct{ reason, action, message string }

func (s *scope) note(reason, action, format string, args ...any) {
	s.notes = append(s.notes, note{reason: reason, action: action, message: fmt.Sprintf(format, args...)})
}

// noteServiceAccount notes a write to a ServiceAccount; if the identity was
// settled, somebody else had undone it.
func (s *scope) noteServiceAccount(reason, format, name string) {
	if s.settled {
		driftCorrected.WithLabelValues(partServiceAccount).Inc()
		s.note(eventCorrectedDrift, "ApplyServiceAccount", "Put back %s: ServiceAccount %s had been changed or deleted", partServiceAccount, name)
		return
	}
	s.note(reason, "ApplyServiceAccount", format, name)
}

// noteChange notes a change that was made to the role.
func (s *scope) noteChange(c plan.Change) {
	about := c.Action()
	if target := c.Target(); target != "" {
		about += " " + target
	}
	_, created := c.(plan.CreateRole)
	switch {
	case s.settled:
		driftCorrected.WithLabelValues(c.Part()).Inc()
		s.note(eventCorrectedDrift, c.Action(), "Put back %s: %s", c.Part(), about)
	case created:
		s.note(eventCreatedRole, c.Action(), "%s", about)
	default:
		s.note(eventChangedRole, c.Action(), "%s", about)
	}
}

// announce emits an event for each thing that happened, and one for a failure
// that needs somebody and that is news. It comes after the status is stored.
func (r *Reconciler) announce(before *v1alpha1.PodIdentity, s *scope, err error) {
	for _, n := range s.notes {
		r.events.Eventf(s.obj, nil, corev1.EventTypeNormal, n.reason, n.action, "%s", n.message)
	}
	if kind := fault.KindOf(err); kind != fault.Blocked && kind != fault.Terminal {
		return
	}
	if message := err.Error(); message != messageOf(before) {
		r.events.Eventf(s.obj, nil, corev1.EventTypeWarning, fault.ReasonOf(err, "Failed"), "Reconcile", "%s", eventNote(message))
	}
}

// eventNote cuts a message to what an event may hold, 1 kB.
func eventNote(message string) string {
	if const1k := 1024; len(message) > const1k {
		return message[:const1k-3] + "..."
	}
	return message
}
