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
		fleets
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
	shared := &environment{
		config: config, discover: discovery.issuer, account: aws.Account, providers: aws.Providers, clock: clock.RealClock{},
	}
	known := newMemory()
	rails := guardrails{client: mgr.GetClient()}
	s := &sweeper{
		config: config, client: mgr.GetClient(), fleets: aws.Roles, environment: shared, guardrails: rails, memory: known,
		clock: clock.RealClock{}, suspects: make(chan event.GenericEvent),
	}
	r := &Reconciler{
		config:      config,
		client:      client.WithFieldOwner(mgr.GetClient(), FieldManager),
		live:        mgr.GetAPIReader(),
		events:      mgr.GetEventRecorder("podidentity-operator"),
		roles:       aws.Roles,
		guardrails:  rails,
		environment: shared,
		sweeper:     s,
		memory:      known,
		clock:       clock.RealClock{},
	}
	return errors.Join(
		index(ctx, mgr.GetFieldIndexer()),
		mgr.Add(manager.RunnableFunc(r.warm)),
		mgr.Add(s),
		r.watch(mgr),
	)
}

// warm learns about the cluster before the first object needs it. It does not
// fail: what could not be learnt is learnt when an object needs it, which can
// then say so.
func (r *Reconciler) warm(ctx context.Context) error {
	cluster, err := r.environment.cluster(ctx)
	if err == nil {
		err = r.environment.requireProvider(ctx, cluster)
	}
	if err != nil {
		logf.FromContext(ctx).Info("The cluster cannot give out identities yet", "reason", err.Error())
	}
	return nil
}

func index(ctx context.Context, indexer client.FieldIndexer) error {
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

func (r *Reconciler) watch(mgr ctrl.Manager) error {
	warm := true
	return ctrl.NewControllerManagedBy(mgr).
		Named("podidentity").
		Watches(&v1alpha1.PodIdentity{}, visits(&r.underway), builder.WithPredicates(wanted)).
		Watches(&v1alpha1.PodIdentity{}, mapped(r.rivals, r.memory.knows), builder.WithPredicates(gone)).
		Watches(&v1alpha1.PodIdentity{}, mapped(r.neighbours, r.memory.knows), builder.WithPredicates(gone)).
		Watches(&v1alpha1.PodIdentityGuardrail{}, judged(r.bounded), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(namespaceObject(), judged(r.inhabitants), builder.WithPredicates(predicate.LabelChangedPredicate{}), builder.OnlyMetadata).
		Watches(&corev1.ServiceAccount{}, mapped(r.identitiesOf, r.memory.knows)).
		Watches(&corev1.Pod{}, counted(r.identitiesOfPod), builder.WithPredicates(podsThatCount)).
		WatchesRawSource(source.Channel(r.sweeper.suspects, visits(&r.underway))).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: r.config.MaxConcurrentReconciles,
			RateLimiter:             retryLimiter(),
			NewQueue:                reserveWorkers(r.config.MaxConcurrentReconciles),
			EnableWarmup:            &warm, // a standby takes over with full caches
		}).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// wanted lets pass what asks for work: a new spec, a deletion, a new value of the
// annotation that asks for a check, or the loss of the finalizer. It drops the
// operator's own writes.
var wanted = predicate.Or(
	predicate.GenerationChangedPredicate{},
	predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetAnnotations()[v1alpha1.RequestedAtAnnotation] != e.ObjectNew.GetAnnotations()[v1alpha1.RequestedAtAnnotation] ||
			e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
			controllerutil.ContainsFinalizer(e.ObjectOld, v1alpha1.Finalizer) && !controllerutil.ContainsFinalizer(e.ObjectNew, v1alpha1.Finalizer)
	}},
)

// gone lets pass deletions only.
var gone = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// rivals returns the PodIdentities that may have waited for a ServiceAccount of
// obj's.
func (r *Reconciler) rivals(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	pi, ok := obj.(*v1alpha1.PodIdentity)
	if !ok {
		return nil
	}
	var found []v1alpha1.PodIdentity
	for _, name := range plan.ServiceAccountsOf(pi) {
		found = append(found, r.naming(ctx, obj.GetNamespace(), name)...)
	}
	return found
}

// identitiesOf returns the PodIdentities that name a ServiceAccount.
func (r *Reconciler) identitiesOf(ctx context.Context, sa client.Object) []v1alpha1.PodIdentity {
	return r.naming(ctx, sa.GetNamespace(), sa.GetName())
}

// identitiesOfPod returns the PodIdentities that name the ServiceAccount of a pod.
func (r *Reconciler) identitiesOfPod(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return nil
	}
	return r.naming(ctx, pod.Namespace, pod.Spec.ServiceAccountName)
}

func (r *Reconciler) naming(ctx context.Context, namespace, serviceAccount string) []v1alpha1.PodIdentity {
	var list v1alpha1.PodIdentityList
	if err := r.client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{indexServiceAccounts: serviceAccount}); err != nil {
		logf.FromContext(ctx).Error(err, "Listing the PodIdentities of a ServiceAccount", "serviceAccount", serviceAccount)
		return nil
	}
	return list.Items
}
