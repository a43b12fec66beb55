package controllers

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/queue"
)

// Indexes of the cache.
const (
	indexServiceAccounts = "serviceAccounts" // PodIdentities by the ServiceAccounts that they name
	indexRoleARN         = "roleARN"         // ServiceAccounts by the role that they are annotated with
)

func setupIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	return errors.Join(
		indexer.IndexField(ctx, &v1alpha1.PodIdentity{}, indexServiceAccounts, func(o client.Object) []string {
			if pi, ok := o.(*v1alpha1.PodIdentity); ok {
				return plan.ServiceAccountsOf(pi)
			}
			return nil
		}),
		indexer.IndexField(ctx, &corev1.ServiceAccount{}, indexRoleARN, func(o client.Object) []string {
			if arn := o.GetAnnotations()[plan.AnnotationRoleARN]; arn != "" {
				return []string{arn}
			}
			return nil
		}),
	)
}

// watcher maps the events of other objects to the PodIdentities that they concern.
type watcher struct {
	client     client.Reader
	guardrails guardrailReader
}

func setupWatches(mgr ctrl.Manager, r *Reconciler, w watcher, suspects <-chan event.GenericEvent, cached *roleCache) error {
	warmup := true
	return ctrl.NewControllerManagedBy(mgr).
		Named("podidentity").
		Watches(&v1alpha1.PodIdentity{}, podIdentityHandler(&r.inFlight, r.objectGone), builder.WithPredicates(reconcileTriggers)).
		Watches(&v1alpha1.PodIdentity{}, enqueueMapped(w.conflicting, cached.has), builder.WithPredicates(deletedOnly)).
		Watches(&v1alpha1.PodIdentity{}, enqueueMapped(func(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
			if pi, ok := obj.(*v1alpha1.PodIdentity); ok {
				r.objectGone(pi) // the other handler of this event may come later
			}
			return w.rejectedInNamespace(ctx, obj)
		}, cached.has), builder.WithPredicates(deletedOnly)).
		Watches(&v1alpha1.PodIdentityGuardrail{}, enqueueReevaluated(w.ofGuardrail), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(namespaceObject(), enqueueReevaluated(w.inNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{}), builder.OnlyMetadata).
		Watches(&corev1.ServiceAccount{}, enqueueMapped(w.ofServiceAccount, cached.has)).
		Watches(&corev1.Pod{}, enqueueDebounced(w.ofPod), builder.WithPredicates(podLifecycleChanged)).
		WatchesRawSource(source.Channel(suspects, podIdentityHandler(&r.inFlight, nil))).
		WatchesRawSource(source.Func(r.retries.run)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: r.config.MaxConcurrentReconciles,
			RateLimiter:             queue.RetryLimiter(),
			NewQueue:                r.announcer.observe(queue.New(r.config.MaxConcurrentReconciles)),
			EnableWarmup:            &warmup, // a standby replica takes over with full caches
		}).
		Complete(&existing{client: mgr.GetClient(), reconciler: r})
}

// existing reconciles objects that exist, and forgets the others.
type existing struct {
	client     client.Reader
	reconciler *Reconciler
}

// Reconcile implements reconcile.Reconciler.
func (e *existing) Reconcile(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	obj := &v1alpha1.PodIdentity{}
	if err := e.client.Get(ctx, request.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			e.reconciler.forget(request)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return e.reconciler.Reconcile(ctx, obj)
}

// reconcileTriggers passes a new spec, a deletion, a new value of the annotation
// that requests a check, and the loss of the finalizer. It drops the operator's own
// writes.
var reconcileTriggers = predicate.Or(
	predicate.GenerationChangedPredicate{},
	predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetAnnotations()[v1alpha1.RequestedAtAnnotation] != e.ObjectNew.GetAnnotations()[v1alpha1.RequestedAtAnnotation] ||
			e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
			controllerutil.ContainsFinalizer(e.ObjectOld, v1alpha1.Finalizer) && !controllerutil.ContainsFinalizer(e.ObjectNew, v1alpha1.Finalizer)
	}},
)

// deletedOnly passes deletions only.
var deletedOnly = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// conflicting returns the PodIdentities that may wait for a ServiceAccount of obj.
func (w watcher) conflicting(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	pi, ok := obj.(*v1alpha1.PodIdentity)
	if !ok {
		return nil
	}
	var found []v1alpha1.PodIdentity
	for _, name := range plan.ServiceAccountsOf(pi) {
		found = append(found, w.byServiceAccount(ctx, obj.GetNamespace(), name)...)
	}
	return found
}

// ofServiceAccount returns the PodIdentities that name a ServiceAccount.
func (w watcher) ofServiceAccount(ctx context.Context, sa client.Object) []v1alpha1.PodIdentity {
	return w.byServiceAccount(ctx, sa.GetNamespace(), sa.GetName())
}

// ofPod returns the PodIdentities that name the ServiceAccount of a pod.
func (w watcher) ofPod(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	pod, ok := obj.(*cachedPod)
	if !ok {
		return nil
	}
	return w.byServiceAccount(ctx, pod.Namespace, pod.serviceAccount.Value())
}

// ofGuardrail returns the identities in the namespaces that a guardrail selects. It
// includes namespaces whose labels cannot be read.
func (w watcher) ofGuardrail(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	g, ok := obj.(*v1alpha1.PodIdentityGuardrail)
	if !ok {
		return nil
	}
	selected := map[string]bool{} // by namespace
	var found []v1alpha1.PodIdentity
	for _, pi := range w.list(ctx) {
		if _, known := selected[pi.Namespace]; !known {
			matching, err := w.guardrails.matching(ctx, pi.Namespace, *g)
			selected[pi.Namespace] = err != nil || len(matching) > 0
		}
		if selected[pi.Namespace] {
			found = append(found, pi)
		}
	}
	return found
}

// inNamespace returns the identities of a namespace.
func (w watcher) inNamespace(ctx context.Context, namespace client.Object) []v1alpha1.PodIdentity {
	return w.list(ctx, client.InNamespace(namespace.GetName()))
}

// rejectedInNamespace returns the identities of obj's namespace that a guardrail
// rejects: the deletion of obj may make room for one.
func (w watcher) rejectedInNamespace(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	var rejected []v1alpha1.PodIdentity
	for _, pi := range w.list(ctx, client.InNamespace(obj.GetNamespace())) {
		if reasonOf(&pi) == v1alpha1.ReasonGuardrailViolated {
			rejected = append(rejected, pi)
		}
	}
	return rejected
}

func (w watcher) byServiceAccount(ctx context.Context, namespace, serviceAccount string) []v1alpha1.PodIdentity {
	return w.list(ctx, client.InNamespace(namespace), client.MatchingFields{indexServiceAccounts: serviceAccount})
}

func (w watcher) list(ctx context.Context, options ...client.ListOption) []v1alpha1.PodIdentity {
	var list v1alpha1.PodIdentityList
	if err := w.client.List(ctx, &list, options...); err != nil {
		logf.FromContext(ctx).Error(err, "Failed to list PodIdentities for an event")
		return nil
	}
	return list.Items
}
