package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/queue"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// priorityOf returns the priority of a reconcile of obj.
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
	default: // a blocked object has the priority of one in sync: an edit does not fix it
		return ratelimit.Check
	}
}

// specChanged reports whether the spec has changed since the last reconcile of obj.
func specChanged(obj *v1alpha1.PodIdentity) bool {
	return obj.Status.ObservedGeneration > 0 && obj.Status.ObservedGeneration < obj.Generation
}

// inProgress reports whether obj is neither ready nor waits for user action.
func inProgress(obj *v1alpha1.PodIdentity) bool {
	ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady)
	return ready == nil || ready.Status == metav1.ConditionUnknown
}

func requestFor(obj client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)}
}

// podIdentityHandler enqueues PodIdentities by their priority. It calls gone, if it is not
// nil, for one that no longer exists, before it handles what happened after that.
func podIdentityHandler(running *queue.InFlight, gone func(*v1alpha1.PodIdentity)) handler.EventHandler {
	add := func(obj client.Object, q queue.Interface) {
		if pi, ok := obj.(*v1alpha1.PodIdentity); ok {
			queue.Add(q, priorityOf(pi), requestFor(pi))
			running.Raise(requestFor(pi), priorityOf(pi))
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue.Interface) { add(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue.Interface) { add(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue.Interface) {
			if pi, ok := e.Object.(*v1alpha1.PodIdentity); ok && gone != nil {
				gone(pi)
			}
			add(e.Object, q)
		},
		GenericFunc: func(_ context.Context, e event.GenericEvent, q queue.Interface) {
			queue.Add(q, ratelimit.Repair, requestFor(e.Object))
		},
	}
}

// mapFunc returns the PodIdentities that an object concerns.
type mapFunc func(context.Context, client.Object) []v1alpha1.PodIdentity

// enqueueMapped enqueues the PodIdentities that an object concerns. Ready ones go
// first: a ServiceAccount may have lost its annotation, and restoring it costs no AWS
// call if the role is cached. If it is not cached, the reconcile would occupy a worker
// reserved for edits only to wait for the rate limiter.
func enqueueMapped(concerns mapFunc, known func(types.UID) bool) handler.EventHandler {
	return onAnyEvent(func(ctx context.Context, obj client.Object, q queue.Interface) {
		for _, pi := range concerns(ctx, obj) {
			p := priorityOf(&pi)
			if readyAt(&pi, pi.Generation) {
				p = min(p, ratelimit.Repair)
				if known(pi.UID) {
					p = ratelimit.Edit
				}
			}
			queue.Add(q, p, requestFor(&pi))
		}
	})
}

// enqueueReevaluated is enqueueMapped for objects that guardrails depend on: evaluating
// an identity again costs no AWS call, and a new violation should show soon.
func enqueueReevaluated(concerns mapFunc) handler.EventHandler {
	add := func(ctx context.Context, obj client.Object, q queue.Interface) {
		for _, pi := range concerns(ctx, obj) {
			queue.Add(q, min(priorityOf(&pi), ratelimit.Repair), requestFor(&pi))
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue.Interface) { add(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue.Interface) {
			add(ctx, e.ObjectOld, q) // it may have selected other namespaces before
			add(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue.Interface) { add(ctx, e.Object, q) },
	}
}

// enqueueDebounced is enqueueMapped for objects that change in bursts: it waits for the
// end of the burst.
func enqueueDebounced(concerns mapFunc) handler.EventHandler {
	return onAnyEvent(func(ctx context.Context, obj client.Object, q queue.Interface) {
		for _, pi := range concerns(ctx, obj) {
			queue.AddAfter(q, ratelimit.Check, podDebounce, requestFor(&pi))
		}
	})
}

// onAnyEvent calls add for every event of an object.
func onAnyEvent(add func(context.Context, client.Object, queue.Interface)) handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue.Interface) { add(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue.Interface) { add(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue.Interface) { add(ctx, e.Object, q) },
	}
}
