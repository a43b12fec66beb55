package controllers

import (
	"cmp"
	"math/rand/v2"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// How long to wait when no event will tell us to look again.
const (
	retryBlocked = 2 * time.Minute // somebody may have granted what was missing
	retryWaiting = 5 * time.Second // something expected will happen soon
)

// result says when to look again after err.
func (r *Reconciler) result(s *scope, err error) (ctrl.Result, error) {
	if err == nil {
		return ctrl.Result{RequeueAfter: jitter(maxMissedDriftChecks * r.config.DriftCheckInterval), Priority: queuePriority(ratelimit.Check)}, nil
	}
	switch fault.KindOf(err) {
	case fault.Terminal:
		return ctrl.Result{}, reconcile.TerminalError(err)
	case fault.Blocked:
		return ctrl.Result{RequeueAfter: jitter(cmp.Or(s.requeueAfter, retryBlocked)), Priority: queuePriority(priorityOf(s.obj))}, nil
	case fault.Waiting:
		return ctrl.Result{RequeueAfter: cmp.Or(s.requeueAfter, retryWaiting)}, nil
	default:
		return ctrl.Result{}, err
	}
}

// jitter spreads what would come at once: up to a tenth later.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/10+1) } //nolint:gosec // it only spreads load
