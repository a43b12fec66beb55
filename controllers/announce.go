package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/queue"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// announcer gives a new identity its first status if its reconcile takes longer than
// announceAfter: because it waits for a worker, or for the rate limiter. A creation that
// waits for neither costs no further write.
type announcer struct {
	client client.Client
	queue  atomic.Pointer[queue.Queue]
	// readAt is when Start last read an identity that still waits.
	readAt map[reconcile.Request]time.Time
}

const (
	// announceAfter is the time without a status. A user sees a status within a second.
	announceAfter = 500 * time.Millisecond
	// announceInterval is the time between two checks of the queue, and announceBatch
	// the number of identities that get a status each time.
	announceInterval = 250 * time.Millisecond
	announceBatch    = 25
	// rereadAfter is the time between two reads of one identity. Most identities that
	// wait for long have a status.
	rereadAfter = 10 * time.Second
)

type newQueue = func(string, workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request]

// observe returns a constructor of queues that remembers the queue.
func (a *announcer) observe(construct newQueue) newQueue {
	return func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		constructed := construct(name, limiter)
		if q, ok := constructed.(*queue.Queue); ok {
			a.queue.Store(q)
		}
		return constructed
	}
}

// Start announces the identities that wait for a worker, until ctx ends.
func (a *announcer) Start(ctx context.Context) error {
	tick := time.NewTicker(announceInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.announceQueued(ctx)
		}
	}
}

func (a *announcer) announceQueued(ctx context.Context) {
	q := a.queue.Load()
	if q == nil {
		return
	}
	waiting, total := q.Waiting(announceAfter)
	announced := 0
	for _, request := range interleaved(a.dueForRead(waiting)) {
		a.readAt[request] = time.Now()
		var obj v1alpha1.PodIdentity
		if err := a.client.Get(ctx, request.NamespacedName, &obj, client.UnsafeDisableDeepCopy); err != nil || !unannounced(&obj) {
			continue
		}
		a.announce(ctx, obj.DeepCopy(), &obj, fmt.Sprintf("waiting for a free worker of the operator; length of its queue: %d", total))
		if announced++; announced == announceBatch {
			return
		}
	}
}

// dueForRead returns the waiting identities that were not read within rereadAfter, and
// forgets those that no longer wait.
func (a *announcer) dueForRead(waiting []reconcile.Request) []reconcile.Request {
	readAt := make(map[reconcile.Request]time.Time, len(waiting))
	var due []reconcile.Request
	for _, request := range waiting {
		if at, ok := a.readAt[request]; ok && time.Since(at) < rereadAfter {
			readAt[request] = at
			continue
		}
		due = append(due, request)
	}
	a.readAt = readAt
	return due
}

// interleaved sorts requests so that namespaces take turns, and a flood of one namespace
// does not delay the others.
func interleaved(requests []reconcile.Request) []reconcile.Request {
	before := map[string]int{} // of the same namespace
	turns := make(map[reconcile.Request]int, len(requests))
	for _, request := range requests {
		turns[request] = before[request.Namespace]
		before[request.Namespace]++
	}
	slices.SortStableFunc(requests, func(a, b reconcile.Request) int { return cmp.Compare(turns[a], turns[b]) })
	return requests
}

// announceWaits returns a context in which an AWS call that waits for the rate limiter
// gives obj its first status. before is obj as the API server has it.
func (a *announcer) announceWaits(ctx context.Context, before, obj *v1alpha1.PodIdentity) context.Context {
	if !unannounced(obj) {
		return ctx
	}
	return ratelimit.WithNotice(ctx, time.Now().Add(announceAfter), func(w ratelimit.Wait) {
		a.announce(ctx, before, obj, fmt.Sprintf(
			"waiting for the operator's rate limiter, which currently allows %.3g AWS calls per second; waiting calls: %d", w.Rate, w.Waiting))
	})
}

// unannounced reports whether obj has no status yet, and should have one.
func unannounced(obj *v1alpha1.PodIdentity) bool {
	return obj.DeletionTimestamp.IsZero() && !obj.Spec.Suspend && meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady) == nil
}

// announce writes that obj waits, and why. It changes nothing of obj but the resource
// version, so that the reconcile can write its result.
func (a *announcer) announce(ctx context.Context, before, obj *v1alpha1.PodIdentity, message string) {
	base, announced := before.DeepCopy(), obj.DeepCopy()
	base.ResourceVersion = obj.ResourceVersion
	announced.Status.ObservedGeneration = obj.Generation
	s := &scope{obj: announced}
	waits := fault.Errorf(fault.Waiting, v1alpha1.ReasonProgressing, "%s", message)
	setPhaseConditions(s, waits)
	setSummary(s, waits)
	sortConditions(announced.Status.Conditions)
	if err := a.client.Status().Patch(ctx, announced, locked(base)); err != nil {
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) && ctx.Err() == nil {
			logf.FromContext(ctx).Error(err, "Failed to write the first status of a PodIdentity that waits")
		}
		return
	}
	obj.ResourceVersion = announced.ResourceVersion
}
