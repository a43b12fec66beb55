package controllers

import (
	"context"
	"slices"
	"time"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// scope is what one visit to one object finds out, phase by phase.
type scope struct {
	obj        *v1alpha1.PodIdentity
	owner      plan.Owner
	cluster    plan.Cluster
	guardrails guardrail.Set
	desired    plan.State

	// requestToken is the value of the annotation that asks for a full check, if it
	// has not been acted on.
	requestToken string
	// role is the role as it is now, nil while that is not known.
	role *v1alpha1.RoleStatus
	// pending are the changes to the role that were not made.
	pending []plan.Change
	// pendingServiceAccounts are those that were not written to, in mode Plan.
	pendingServiceAccounts []string
	// pods are the pods that use the identity, nil while they are not known.
	pods *podUsage
	// wasReady says that all was as declared before, so that what has to be
	// changed now is somebody else's doing.
	wasReady bool
	// pendingEvents are what events should tell.
	pendingEvents []pendingEvent
	// succeeded are the condition types whose phases all succeeded.
	succeeded []string
	// failedCondition is the condition type of the phase that did not.
	failedCondition string
	// requeueAfter is how long to wait at least before the next visit; zero leaves it to
	// the kind of the outcome.
	requeueAfter time.Duration
}

func (r *Reconciler) newScope(obj *v1alpha1.PodIdentity) *scope {
	s := &scope{
		obj:      obj,
		wasReady: readyAt(obj, obj.Generation),
		owner:    plan.Owner{Cluster: r.config.ClusterName, Namespace: obj.Namespace, Name: obj.Name, UID: string(obj.UID)},
	}
	s.requestToken = pendingRequest(obj)
	return s
}

// pendingRequest returns the value of the annotation that asks for a full check, empty
// if there is none or if it has been acted on.
func pendingRequest(obj *v1alpha1.PodIdentity) string {
	if at := obj.Annotations[v1alpha1.RequestedAtAnnotation]; at != obj.Status.LastHandledReconcileAt {
		return at
	}
	return ""
}

// phase is one step of a visit. It stands for a condition, which is true when all
// its phases succeeded.
type phase struct {
	condition string
	run       func(context.Context, *scope) error
}

// run runs the phases in order and stops at the first error: each needs what the
// one before it ensures.
func run(ctx context.Context, s *scope, phases ...phase) error {
	for i, p := range phases {
		if err := p.run(ctx, s); err != nil {
			s.failedCondition = p.condition
			return err
		}
		last := !slices.ContainsFunc(phases[i+1:], func(later phase) bool { return later.condition == p.condition })
		if last {
			s.succeeded = append(s.succeeded, p.condition)
		}
	}
	return nil
}
