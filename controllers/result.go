package controllers

import (
	"cmp"
	"math/rand/v2"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/queue"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// retryWaiting is the time until the next reconcile if an expected change will happen
// soon.
const retryWaiting = 5 * time.Second

// result returns when to reconcile again after err.
func (r *Reconciler) result(s *scope, err error) (ctrl.Result, error) {
	r.recordOutcome(s, err)
	if err == nil {
		return ctrl.Result{RequeueAfter: jitter(maxMissedDriftChecks * r.config.DriftCheckInterval), Priority: queue.PriorityOf(ratelimit.Check)}, nil
	}
	switch fault.KindOf(err) {
	case fault.Terminal:
		return ctrl.Result{}, reconcile.TerminalError(err)
	case fault.Blocked:
		return r.blockedResult(), nil
	case fault.Waiting:
		return ctrl.Result{RequeueAfter: cmp.Or(s.requeueAfter, retryWaiting)}, nil
	default:
		return ctrl.Result{}, err
	}
}

// jitter spreads simultaneous reconciles: it adds up to a tenth.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/10+1) } //nolint:gosec // it only spreads load
