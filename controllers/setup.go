package controllers

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// AWS is what the controller needs of AWS.
type AWS struct {
	Roles interface {
		roles
		roleLister
	}
	Providers providers
	Account   account
}

// Indexes of the cache.
const (
	indexServiceAccounts   = "serviceAccounts" // PodIdentities by the ServiceAccounts they name
	indexRoleARN           = "roleARN"         // ServiceAccounts by the role they carry
	indexPodServiceAccount = "serviceAccount"  // pods by the ServiceAccount they use
)

// Setup adds the controller to mgr.
func Setup(ctx context.Context, mgr ctrl.Manager, config Config, aws AWS) error {
	discovery, err := newDiscovery(mgr)
	if err != nil {
		return err
	}
	shared := &clusterInfo{
		config: config, discover: discovery.issuer, account: aws.Account, providers: aws.Providers, clock: clock.RealClock{},
	}
	known := newRoleCache()
	rails := guardrailReader{client: mgr.GetClient()}
	s := &driftChecker{
		config: config, client: mgr.GetClient(), lister: aws.Roles, clusterInfo: shared, guardrails: rails, roleCache: known,
		clock: clock.RealClock{}, suspects: make(chan event.GenericEvent),
	}
	r := &Reconciler{
		config:       config,
		client:       client.WithFieldOwner(mgr.GetClient(), FieldManager),
		apiReader:    mgr.GetAPIReader(),
		events:       mgr.GetEventRecorder("podidentity-operator"),
		roles:        aws.Roles,
		guardrails:   rails,
		clusterInfo:  shared,
		driftChecker: s,
		roleCache:    known,
		clock:        clock.RealClock{},
	}
	return errors.Join(
		setupIndexes(ctx, mgr.GetFieldIndexer()),
		mgr.Add(manager.RunnableFunc(r.prefetch)),
		mgr.Add(s),
		r.setupWatches(mgr),
	)
}

// prefetch learns about the cluster before the first object needs it. It does not
// fail: what could not be learnt is learnt when an object needs it, which can
// then say so.
func (r *Reconciler) prefetch(ctx context.Context) error {
	cluster, err := r.clusterInfo.cluster(ctx)
	if err == nil {
		err = r.clusterInfo.ensureProvider(ctx, cluster)
	}
	if err != nil {
		logf.FromContext(ctx).Info("The cluster cannot give out identities yet", "reason", err.Error())
	}
	return nil
}

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
		indexer.IndexField(ctx, &corev1.Pod{}, indexPodServiceAccount, func(o client.Object) []string {
			if pod, ok := o.(*corev1.Pod); ok {
				return []string{pod.Spec.ServiceAccountName}
			}
			return nil
		}),
	)
}

func (r *Reconciler) setupWatches(mgr ctrl.Manager) error {
	warm := true
	return ctrl.NewControllerManagedBy(mgr).
		Named("podidentity").
		Watches(&v1alpha1.PodIdentity{}, podIdentityHandler(&r.inFlight), builder.WithPredicates(reconcileTriggers)).
		Watches(&v1alpha1.PodIdentity{}, enqueueMapped(r.conflictingIdentities, r.roleCache.has), builder.WithPredicates(deletedOnly)).
		Watches(&v1alpha1.PodIdentity{}, enqueueMapped(r.rejectedInNamespace, r.roleCache.has), builder.WithPredicates(deletedOnly)).
		Watches(&v1alpha1.PodIdentityGuardrail{}, enqueueReevaluated(r.identitiesOfGuardrail), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(namespaceObject(), enqueueReevaluated(r.identitiesInNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{}), builder.OnlyMetadata).
		Watches(&corev1.ServiceAccount{}, enqueueMapped(r.identitiesOfServiceAccount, r.roleCache.has)).
		Watches(&corev1.Pod{}, enqueueDebounced(r.identitiesOfPod), builder.WithPredicates(podLifecycleChanged)).
		WatchesRawSource(source.Channel(r.driftChecker.suspects, podIdentityHandler(&r.inFlight))).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: r.config.MaxConcurrentReconciles,
			RateLimiter:             retryLimiter(),
			NewQueue:                withReservedWorkers(r.config.MaxConcurrentReconciles),
			EnableWarmup:            &warm, // a standby takes over with full caches
		}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// reconcileTriggers lets pass what asks for work: a new spec, a deletion, a new value of the
// annotation that asks for a check, or the loss of the finalizer. It drops the
// operator's own writes.
var reconcileTriggers = predicate.Or(
	predicate.GenerationChangedPredicate{},
	predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetAnnotations()[v1alpha1.RequestedAtAnnotation] != e.ObjectNew.GetAnnotations()[v1alpha1.RequestedAtAnnotation] ||
			e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
			controllerutil.ContainsFinalizer(e.ObjectOld, v1alpha1.Finalizer) && !controllerutil.ContainsFinalizer(e.ObjectNew, v1alpha1.Finalizer)
	}},
)

// deletedOnly lets pass deletions only.
var deletedOnly = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// conflictingIdentities returns the PodIdentities that may have waited for a ServiceAccount of
// obj's.
func (r *Reconciler) conflictingIdentities(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	pi, ok := obj.(*v1alpha1.PodIdentity)
	if !ok {
		return nil
	}
	var found []v1alpha1.PodIdentity
	for _, name := range plan.ServiceAccountsOf(pi) {
		found = append(found, r.identitiesByServiceAccount(ctx, obj.GetNamespace(), name)...)
	}
	return found
}

// identitiesOfServiceAccount returns the PodIdentities that name a ServiceAccount.
func (r *Reconciler) identitiesOfServiceAccount(ctx context.Context, sa client.Object) []v1alpha1.PodIdentity {
	return r.identitiesByServiceAccount(ctx, sa.GetNamespace(), sa.GetName())
}

// identitiesOfPod returns the PodIdentities that name the ServiceAccount of a pod.
func (r *Reconciler) identitiesOfPod(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return nil
	}
	return r.identitiesByServiceAccount(ctx, pod.Namespace, pod.Spec.ServiceAccountName)
}

func (r *Reconciler) identitiesByServiceAccount(ctx context.Context, namespace, serviceAccount string) []v1alpha1.PodIdentity {
	var list v1alpha1.PodIdentityList
	if err := r.client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{indexServiceAccounts: serviceAccount}); err != nil {
		logf.FromContext(ctx).Error(err, "Listing the PodIdentities of a ServiceAccount", "serviceAccount", serviceAccount)
		return nil
	}
	return list.Items
}
