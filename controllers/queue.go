package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// The queue of visits and the budget of AWS calls go by the same priorities, so
// that what is urgent waits for neither a worker nor a call.

// priorityOf returns how urgent a visit to obj is.
func priorityOf(obj *v1alpha1.PodIdentity) ratelimit.Priority {
	switch {
	case !obj.DeletionTimestamp.IsZero() || specChanged(obj):
		return ratelimit.Edit
	case pendingRequest(obj) != "":
		return ratelimit.Request
	case obj.Status.Role == nil:
		return ratelimit.Create
	case inProgress(obj):
		return ratelimit.Edit
	default: // what is blocked is looked at as what is in sync: its user waits for somebody else
		return ratelimit.Check
	}
}

// specChanged reports whether the spec has changed since the last visit to obj.
func specChanged(obj *v1alpha1.PodIdentity) bool {
	return obj.Status.ObservedGeneration > 0 && obj.Status.ObservedGeneration < obj.Generation
}

// inProgress reports whether visits have led neither to success nor to somebody who
// has to act.
func inProgress(obj *v1alpha1.PodIdentity) bool {
	ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady)
	return ready == nil || ready.Status == metav1.ConditionUnknown
}

// How long an object that failed waits for the next attempt: twice as long each
// time. It is not much at most, so that all goes on soon after an outage of AWS: what
// the attempts cost is bounded by the budget, however many objects there are.
const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 15 * time.Second
)

func retryLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](retryFirst, retryMost)
}

// queuePriority returns a priority as the queue has it, where higher goes first.
func queuePriority(p ratelimit.Priority) *int { q := -int(p); return &q }

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// enqueue puts a visit in the queue, or moves it forward if it is there already.
func enqueue(q queue, p ratelimit.Priority, requests ...reconcile.Request) {
	enqueueAfter(q, p, 0, requests...)
}

func enqueueAfter(q queue, p ratelimit.Priority, after time.Duration, requests ...reconcile.Request) {
	if prioritized, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: queuePriority(p), After: after}, requests...)
		return
	}
	for _, r := range requests {
		q.AddAfter(r, after)
	}
}

func requestFor(obj client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)}
}

// podIdentityHandler puts PodIdentities in the queue as urgently as they are.
func podIdentityHandler(under *inFlight) handler.EventHandler {
	visit := func(obj client.Object, q queue) {
		if pi, ok := obj.(*v1alpha1.PodIdentity); ok {
			enqueue(q, priorityOf(pi), requestFor(pi))
			under.raise(requestFor(pi), priorityOf(pi))
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { visit(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { visit(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { visit(e.Object, q) },
		GenericFunc: func(_ context.Context, e event.GenericEvent, q queue) {
			enqueue(q, ratelimit.Repair, requestFor(e.Object))
		},
	}
}

// mapFunc finds the PodIdentities that have to do with an object.
type mapFunc func(context.Context, client.Object) []v1alpha1.PodIdentity

// enqueueMapped puts the relatives of an object in the queue. Those that are ready go
// first: a ServiceAccount may have lost its role, and to see to that costs no call
// to AWS if the role is known. If it is not, the visit would take the worker of an
// edit only to wait for the budget.
func enqueueMapped(to mapFunc, known func(types.UID) bool) handler.EventHandler {
	return onAnyEvent(func(ctx context.Context, obj client.Object, q queue) {
		for _, pi := range to(ctx, obj) {
			p := priorityOf(&pi)
			if readyAt(&pi, pi.Generation) {
				p = min(p, ratelimit.Repair)
				if known(pi.UID) {
					p = ratelimit.Edit
				}
			}
			enqueue(q, p, requestFor(&pi))
		}
	})
}

// enqueueReevaluated is mapped for what guardrails rest on: to judge an identity anew costs no
// call to AWS, and one that is no longer allowed should hear of it soon.
func enqueueReevaluated(to mapFunc) handler.EventHandler {
	visit := func(ctx context.Context, obj client.Object, q queue) {
		for _, pi := range to(ctx, obj) {
			enqueue(q, min(priorityOf(&pi), ratelimit.Repair), requestFor(&pi))
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { visit(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			visit(ctx, e.ObjectOld, q) // it may have bound others before
			visit(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { visit(ctx, e.Object, q) },
	}
}

// enqueueDebounced is mapped for objects that come and go in crowds: it waits for the
// crowd to pass.
func enqueueDebounced(to mapFunc) handler.EventHandler {
	return onAnyEvent(func(ctx context.Context, obj client.Object, q queue) {
		for _, pi := range to(ctx, obj) {
			enqueueAfter(q, ratelimit.Check, podDebounce, requestFor(&pi))
		}
	})
}

// onAnyEvent calls visit for whatever happens to an object.
func onAnyEvent(visit func(context.Context, client.Object, queue)) handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { visit(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { visit(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { visit(ctx, e.Object, q) },
	}
}
