package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/queue"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// retries queues blocked objects when it is time for another attempt.
type retries struct {
	blocked *queue.Blocked
	clock   clock.Clock
}

func newRetries(c clock.Clock) *retries {
	return &retries{blocked: queue.NewBlocked(c.Now, jitter), clock: c}
}

// run queues what is due until ctx ends.
func (r *retries) run(ctx context.Context, q queue.Interface) error {
	go func() {
		for {
			due, wait := r.blocked.Due()
			for _, release := range due {
				queue.Add(q, releasePriority(release), release.Request)
			}
			setBlocked(r.blocked.Reasons())
			var timer <-chan time.Time
			if wait > 0 {
				timer = r.clock.After(wait)
			}
			select {
			case <-ctx.Done():
				return
			case <-timer:
			case <-r.blocked.Changed():
			}
		}
	}()
	return nil
}

// releasePriority returns the priority of a retry. Users wait for the result of a probe,
// as they wait for new identities, and it costs no more. A cause of one object alone, such
// as a role with another owner, can be created by its tenant at will.
func releasePriority(release queue.Release) ratelimit.Priority {
	if release.Shared {
		return ratelimit.Create
	}
	return ratelimit.Check
}

// begin returns the context of a reconcile of obj, and a function to call at its end.
func (r *Reconciler) begin(ctx context.Context, obj *v1alpha1.PodIdentity) (context.Context, func()) {
	request := requestFor(obj)
	p := priorityOf(obj)
	block, released, blocked := r.retries.blocked.State(request)
	switch {
	case p <= ratelimit.Request:
	case blocked && released && block.Cause != "":
		p = min(p, ratelimit.Create)
	case blocked && !clusterReasons[block.Reason]:
		p = ratelimit.Check
	}
	ctx = withAttempt(ctx, attempt{request: request, released: released, urgent: p <= ratelimit.Request})
	return r.inFlight.Start(ctx, request, p)
}

// clusterReasons are the reasons that an event of the cluster ends, so a reconcile of
// an object that is blocked by one is not a retry.
var clusterReasons = map[string]bool{
	v1alpha1.ReasonGuardrailViolated:      true,
	v1alpha1.ReasonGuardrailMissing:       true,
	v1alpha1.ReasonServiceAccountConflict: true,
}

// recordOutcome schedules the retry of a blocked object, and lets an object that is no
// longer blocked release those that wait for the same cause.
func (r *Reconciler) recordOutcome(s *scope, err error) {
	request := requestFor(s.obj)
	switch {
	case err == nil, fault.KindOf(err) == fault.Waiting:
		r.retries.blocked.Resolve(request)
	case fault.KindOf(err) == fault.Blocked:
		r.retries.blocked.Add(request, queue.Block{Cause: fault.CauseOf(err), Reason: fault.ReasonOf(err, ""), Token: retryToken(s)})
	default:
		r.retries.blocked.Forget(request)
	}
}

// retryToken identifies what restarts the delays of retries: the spec, a request and
// the guardrails.
func retryToken(s *scope) string {
	var token strings.Builder
	fmt.Fprintf(&token, "%d %q", s.obj.Generation, s.requestToken)
	for _, g := range s.guardrails {
		fmt.Fprintf(&token, " %s %d", g.UID, g.Generation)
	}
	return token.String()
}

// objectGone forgets the role of an object that no longer exists, and counts it towards
// the limit of the namespace if the operator has not removed it.
func (r *Reconciler) objectGone(obj *v1alpha1.PodIdentity) {
	if obj.Status.Role != nil || r.role.cache.mayExist(obj.UID) {
		r.role.orphans.objectGone(obj.UID, obj.Namespace, plan.NameOf(obj, r.config.ClusterName))
	}
	r.role.cache.forget(obj.UID)
}

// forget removes an object that no longer exists.
func (r *Reconciler) forget(request reconcile.Request) {
	r.retries.blocked.Forget(request)
	r.gate.forget(request)
}

// blockedResult is the result of a reconcile of a blocked object. The retries queue it
// sooner, unless another object probes on its behalf; then this one checks for drift.
func (r *Reconciler) blockedResult() ctrl.Result {
	return ctrl.Result{RequeueAfter: jitter(maxMissedDriftChecks * r.config.DriftCheckInterval), Priority: queue.PriorityOf(ratelimit.Check)}
}
