package controllers

import (
	"context"
	"slices"
	"time"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/driftevent"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// scope holds what one reconcile of one object finds out. Each field names the
// phase that sets it; later phases read it.
type scope struct {
	// Set before the first phase.
	obj   *v1alpha1.PodIdentity
	owner plan.Owner
	// requestToken is the value of the annotation that requests a reconciliation, empty
	// if none is pending.
	requestToken string
	// roleWasInSync and serviceAccountWasInSync report that the role or the
	// ServiceAccount was in sync at this generation before: if this reconcile must
	// change it, the change reverts drift. Phases clear roleWasInSync if instead the
	// spec, or a limit on it, has changed.
	roleWasInSync, serviceAccountWasInSync bool

	// guardrails, unread and accepted are set by guardrailsPhase.enforce. unread is the
	// error that kept the operator from reading the contents of unreadPolicies, which
	// are managed policies of the spec; nil if it knows all contents. accepted reports
	// that no guardrail rejects what is known.
	guardrails     guardrail.Set
	unread         error
	unreadPolicies []string
	accepted       bool
	// cluster is set by issuerPhase.resolveCluster; guardrailsPhase.computeDesired
	// adds the boundary that applies to the namespace.
	cluster plan.Cluster
	// boundary and desired are set by guardrailsPhase.computeDesired.
	boundary guardrail.Boundary
	desired  plan.State

	// observed is the role as this reconcile read it, nil if it did not. Set by
	// rolePhase.
	observed *plan.Observed
	// roleInSync reports that the role matches the spec, or that the first drift check
	// will find out. Set by rolePhase.
	roleInSync bool
	// permitted reports that the guardrails accept the identity, and that desired is
	// known and can be applied. Set by guardrailsPhase.requireContents and
	// rolePhase.checkQuotas.
	permitted bool
	// keepOnly is the error because of which the identity may keep an existing role but
	// must not get a new one; nil if it may get one. The status alone does not prove that
	// a role exists. Set by guardrailsPhase, serviceAccountPhase and protect.
	keepOnly error
	// roleReached and serviceAccountsReached report that the phase has begun.
	roleReached, serviceAccountsReached bool

	// unattachable are managed policies of the spec that cannot be attached: they do not
	// exist, or their contents are not known. Set by guardrailsPhase and rolePhase.
	unattachable []string
	// wanted is the role of the spec, set if desired holds a smaller one until all
	// policies can be attached, otherwise nil. Set by rolePhase.
	wanted *plan.Role
	// applied is the role that the operator applied last, set only if rolePhase needs
	// it. drift are the changes that lead from the observed role to it.
	applied *plan.Role
	drift   []plan.Change
	// tagsFailed reports that the tags of the role are not in sync. Set by rolePhase.
	tagsFailed bool

	// outOfBand are the records of CloudTrail about out-of-band changes to the role since the
	// operator last read it. Set by rolePhase.
	outOfBand []driftevent.Record
	// role is the role as it is now, nil while it is unknown. Set by rolePhase.
	role *v1alpha1.RoleStatus
	// pending are the changes to the role that were not made. Set by rolePhase and
	// planPhase.
	pending []plan.Change
	// deferred is an error about the role that later phases do not depend on, such as a
	// denied tag change. run returns it after all phases. Set by guardrailsPhase and
	// rolePhase.
	deferred error
	// pendingServiceAccounts are the ServiceAccounts that Plan mode did not write.
	// Set by planPhase.
	pendingServiceAccounts []string
	// pods counts the pods that use the identity, nil while they are unknown. Set by
	// podsPhase.
	pods *podUsage

	// pendingEvents are the events to emit once the status is stored. Any phase adds
	// to them.
	pendingEvents []pendingEvent

	outcome
}

// outcome is the result of the phases of one reconcile.
type outcome struct {
	// succeeded are the condition types whose phases all succeeded. Set by run.
	succeeded []string
	// failedCondition is the condition type of the phase that failed, empty if none
	// did. Set by run.
	failedCondition string
	// requeueAfter is the time until the next reconcile; zero leaves it to the kind
	// of the error. The phase that fails sets it.
	requeueAfter time.Duration
}

func newScope(obj *v1alpha1.PodIdentity, clusterName string) *scope {
	return &scope{
		obj:                     obj,
		requestToken:            pendingRequest(obj),
		roleWasInSync:           inSyncAt(obj, v1alpha1.ConditionRoleReady, obj.Generation),
		serviceAccountWasInSync: inSyncAt(obj, v1alpha1.ConditionServiceAccountReady, obj.Generation),
		owner:                   plan.Owner{Cluster: clusterName, Namespace: obj.Namespace, Name: obj.Name, UID: string(obj.UID)},
	}
}

// pendingRequest returns the value of the annotation that requests a reconciliation,
// empty if there is none or if the operator has handled it. It is cut to the length
// that the status accepts.
func pendingRequest(obj *v1alpha1.PodIdentity) string {
	if at := fault.Bound(obj.Annotations[v1alpha1.RequestedAtAnnotation], maxRequest); at != obj.Status.LastHandledReconcileAt {
		return at
	}
	return ""
}

// maxRequest is the length of status.lastHandledReconcileAt that the API server accepts.
const maxRequest = 1024

// phase is one step of a reconcile. It belongs to a condition, which is True when
// all phases of the condition succeeded.
type phase struct {
	name      string // of its span
	condition string
	run       func(context.Context, *scope) error
}

// run runs the phases in order and stops at the first error, because each phase
// needs the result of the phase before it. A deferred error is returned at the end.
func run(ctx context.Context, s *scope, phases ...phase) error {
	for i, p := range phases {
		if err := p.do(ctx, s); err != nil {
			s.failedCondition = p.condition
			return err
		}
		last := !slices.ContainsFunc(phases[i+1:], func(later phase) bool { return later.condition == p.condition })
		if last {
			s.succeeded = append(s.succeeded, p.condition)
		}
	}
	if s.deferred != nil {
		s.failedCondition = v1alpha1.ConditionRoleReady
	}
	return s.deferred
}
