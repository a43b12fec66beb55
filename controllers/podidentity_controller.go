// Package controllers keeps PodIdentities: it observes, lets package plan
// decide, has the changes made, and says in conditions and events what is true.
package controllers

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// FieldManager owns what the operator applies to ServiceAccounts. It is API:
// another name would not give up what this one holds.
const FieldManager = "podidentity-operator"

// Config is how the operator was told to work.
type Config struct {
	// ClusterName is the cluster's name in role names and ownership tags.
	ClusterName string
	// RolePath is the IAM path of every role, with a slash at both ends.
	RolePath string
	// PermissionsBoundary is the ARN of a permissions boundary forced on every role.
	PermissionsBoundary string
	// Audience is what the tokens of pods are issued for.
	Audience string
	// OIDCIssuer overrides the issuer that the API server declares.
	OIDCIssuer string
	// RequireGuardrail has the operator refuse namespaces that no guardrail matches.
	RequireGuardrail bool
	// CreateOIDCProvider has the operator make the IAM OIDC provider if there is
	// none, and add the audience to it.
	CreateOIDCProvider bool
	// DriftCheckInterval is how often an identity in sync is compared with AWS.
	DriftCheckInterval time.Duration
	// IAMPropagationDelay is how old a role must be before pods may rely on it.
	IAMPropagationDelay time.Duration
	// MaxConcurrentReconciles is the number of workers.
	MaxConcurrentReconciles int
}

// Reconciler reconciles PodIdentities.
type Reconciler struct {
	config       Config
	client       client.Client
	apiReader    client.Reader // reads past the cache
	events       events.EventRecorder
	roles        roles
	guardrails   guardrailReader
	clusterInfo  *clusterInfo
	driftChecker *driftChecker
	roleCache    *roleCache
	inFlight     inFlight
	clock        clock.PassiveClock
}

// +kubebuilder:rbac:groups=iam.podidentity.io,resources=podidentities,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=iam.podidentity.io,resources=podidentities/status,verbs=get;patch
// +kubebuilder:rbac:groups=iam.podidentity.io,resources=podidentities/finalizers,verbs=update
// +kubebuilder:rbac:groups=iam.podidentity.io,resources=podidentityguardrails,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:urls=/.well-known/openid-configuration,verbs=get

// Reconcile brings obj's role and ServiceAccounts in line with its spec, and
// writes its status once, at the end.
func (r *Reconciler) Reconcile(ctx context.Context, obj *v1alpha1.PodIdentity) (ctrl.Result, error) {
	ctx, end := r.inFlight.start(ctx, requestFor(obj), priorityOf(obj))
	defer end()
	if !obj.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, obj)
	}
	if err := r.restoreFinalizer(ctx, obj); err != nil {
		return retryConflict(err)
	}
	if obj.Spec.Suspend {
		return r.observeSuspended(ctx, obj)
	}

	before := obj.DeepCopy()
	s := r.newScope(obj)
	err := run(ctx, s, r.phases(obj.Spec.Mode)...)
	r.setStatus(s, err)
	return r.updateStatus(ctx, before, s, err)
}

// phases returns the steps of a visit, in order.
func (r *Reconciler) phases(mode v1alpha1.Mode) []phase {
	prepare := []phase{
		{v1alpha1.ConditionIssuerReady, r.resolveCluster},
		{v1alpha1.ConditionReady, r.computeDesired},
		{v1alpha1.ConditionRoleReady, r.enforceGuardrails},
		{v1alpha1.ConditionIssuerReady, r.requireIssuer},
		{v1alpha1.ConditionServiceAccountReady, r.checkServiceAccountOwnership},
		{v1alpha1.ConditionRoleReady, r.checkQuotas},
	}
	if mode == v1alpha1.ModePlan {
		return append(prepare,
			phase{v1alpha1.ConditionRoleReady, r.planRole},
			phase{v1alpha1.ConditionServiceAccountReady, r.planServiceAccounts},
			phase{v1alpha1.ConditionPodsUpToDate, r.checkPods},
			phase{v1alpha1.ConditionReady, r.reportPlan},
		)
	}
	return append(prepare,
		phase{v1alpha1.ConditionReady, r.ensureFinalizer},
		phase{v1alpha1.ConditionRoleReady, r.reconcileRole},
		phase{v1alpha1.ConditionServiceAccountReady, r.reconcileServiceAccounts},
		phase{v1alpha1.ConditionPodsUpToDate, r.checkPods},
	)
}

// updateStatus stores the status, and then tells of what happened.
func (r *Reconciler) updateStatus(ctx context.Context, before *v1alpha1.PodIdentity, s *scope, err error) (ctrl.Result, error) {
	if patchErr := r.patchStatus(ctx, before, s.obj); patchErr != nil {
		return retryConflict(patchErr)
	}
	r.emitEvents(before, s, err)
	return r.result(s, err)
}

// ensureFinalizer must succeed before the first write to AWS, or a deletion in
// between would leave the role behind.
func (r *Reconciler) ensureFinalizer(ctx context.Context, s *scope) error {
	before := s.obj.DeepCopy()
	if !controllerutil.AddFinalizer(s.obj, v1alpha1.Finalizer) {
		return nil
	}
	return r.patchMetadata(ctx, before, s.obj)
}

// restoreFinalizer puts the finalizer back on an object that has a role, whatever
// else may be done for it: a replace that leaves metadata.finalizers out takes
// it off.
func (r *Reconciler) restoreFinalizer(ctx context.Context, obj *v1alpha1.PodIdentity) error {
	if obj.Status.Role == nil {
		return nil
	}
	return r.ensureFinalizer(ctx, &scope{obj: obj})
}

// observeSuspended says that the spec of a suspended object has been seen, and leaves
// all else as it was last found.
func (r *Reconciler) observeSuspended(ctx context.Context, obj *v1alpha1.PodIdentity) (ctrl.Result, error) {
	if len(obj.Status.Conditions) == 0 {
		return ctrl.Result{}, nil // nothing has been found yet
	}
	before := obj.DeepCopy()
	obj.Status.ObservedGeneration = obj.Generation
	return retryConflict(r.patchStatus(ctx, before, obj))
}

// patchMetadata patches obj without losing the status that this visit has put
// together so far: the answer of the API server carries the stored one.
func (r *Reconciler) patchMetadata(ctx context.Context, before, obj *v1alpha1.PodIdentity) error {
	status := obj.Status.DeepCopy()
	err := r.client.Patch(ctx, obj, locked(before))
	obj.Status = *status
	return err
}

// locked makes a merge patch that fails on a conflict: a merge patch replaces
// whole lists, such as finalizers and conditions.
func locked(before client.Object) client.Patch {
	return client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
}

// retryConflict retries a conflict soon and in silence. The write that caused
// it need not bring the object back by itself: the predicate may drop it.
func retryConflict(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}
