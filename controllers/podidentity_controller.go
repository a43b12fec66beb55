// Package controllers reconciles PodIdentities: it observes AWS and the cluster,
// lets package plan decide what to change, applies the changes, and reports the
// result in conditions and events.
package controllers

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/queue"
	"github.com/podidentity/podidentity-operator/internal/tracing"
)

// FieldManager owns the fields that the operator applies to ServiceAccounts. It
// is API: under another name the operator could not give up these fields.
const FieldManager = "podidentity-operator"

// Config holds the settings of the controller.
type Config struct {
	// ClusterName is the cluster's name in role names and ownership tags.
	ClusterName string
	// RolePath is the IAM path of every role, with a slash at both ends.
	RolePath string
	// PermissionsBoundary is the ARN of the boundary that every role must have;
	// empty if the operator enforces none.
	PermissionsBoundary string
	// OrphanedRoles defines what to do with leaked roles; empty is OrphanSeal.
	OrphanedRoles OrphanPolicy
	// AdoptFromClusterID is the ID of another cluster whose roles may be adopted.
	AdoptFromClusterID string
	// IgnoredTagPrefixes are the prefixes of tag keys that roles must not set.
	IgnoredTagPrefixes []string
	// Audience is the audience of the tokens of pods.
	Audience string
	// OIDCIssuer overrides the issuer that the API server publishes.
	OIDCIssuer string
	// RequireGuardrail rejects PodIdentities in namespaces that no guardrail
	// selects.
	RequireGuardrail bool
	// CreateOIDCProvider creates the IAM OIDC provider if there is none, and adds
	// the audience to it.
	CreateOIDCProvider bool
	// Pod is the operator's own pod, which gets the events about problems of all
	// identities; empty outside of a cluster.
	Pod types.NamespacedName
	// DriftCheckInterval is the time between two drift checks.
	DriftCheckInterval time.Duration
	// IAMPropagationDelay is the age from which pods can rely on a new role.
	IAMPropagationDelay time.Duration
	// MaxConcurrentReconciles is the number of workers.
	MaxConcurrentReconciles int
	// Tracer records reconciles and drift checks; nil records nothing.
	Tracer *tracing.Tracer
}

// Reconciler reconciles PodIdentities.
type Reconciler struct {
	config    Config
	client    client.Client
	apiReader client.Reader // bypasses the cache
	events    events.EventRecorder
	inFlight  queue.InFlight
	announcer *announcer
	retries   *retries
	gate      *gate

	// The phases. Each has only what it needs.
	issuer          *issuerPhase
	guardrails      *guardrailsPhase
	role            *rolePhase
	serviceAccounts *serviceAccountPhase
	plan            *planPhase
	pods            *podsPhase
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

// Reconcile brings the role and the ServiceAccounts of obj in sync with its spec,
// and writes its status once, at the end.
func (r *Reconciler) Reconcile(ctx context.Context, obj *v1alpha1.PodIdentity) (ctrl.Result, error) {
	ctx, end := r.begin(ctx, obj)
	defer end()
	ctx, span := r.config.Tracer.Begin(ctx, "reconcile")
	recordObject(ctx, span, obj)
	defer recordResult(span, obj)
	if !obj.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, obj)
	}
	if err := r.restoreFinalizer(ctx, obj); err != nil {
		return retryConflict(err)
	}
	before := obj.DeepCopy()
	s := newScope(obj, r.config.ClusterName)
	ctx = r.announcer.announceWaits(ctx, before, obj)
	if obj.Spec.Suspend {
		return r.reconcileSuspended(ctx, before, s)
	}
	err := run(ctx, s, r.phases(obj.Spec.Mode)...)
	r.protect(ctx, s, err)
	err = r.guardrails.enforceOnRole(ctx, s, err)
	if s.requestToken != "" && !s.roleInSync {
		r.role.cache.remove(obj.UID) // the request was handled without reading the whole role, so the next reconcile reads it
	}
	setStatus(s, err)
	return r.updateStatus(ctx, before, s, err)
}

// phases returns the phases of a reconcile, in order.
func (r *Reconciler) phases(mode v1alpha1.Mode) []phase {
	prepare := []phase{
		{"find the ID of the cluster", v1alpha1.ConditionIssuerReady, r.issuer.resolveClusterID},
		{"evaluate guardrails", v1alpha1.ConditionRoleReady, r.guardrails.enforce},
		{"find issuer and account", v1alpha1.ConditionIssuerReady, r.issuer.resolveCluster},
		{"compute the desired role", v1alpha1.ConditionReady, r.guardrails.computeDesired},
		{"require the contents of managed policies", v1alpha1.ConditionRoleReady, r.guardrails.requireContents},
		{"require the OIDC provider", v1alpha1.ConditionIssuerReady, r.issuer.requireProvider},
		{"check the owner of the ServiceAccount", v1alpha1.ConditionServiceAccountReady, r.serviceAccounts.checkOwnership},
		{"check quotas", v1alpha1.ConditionRoleReady, r.role.checkQuotas},
	}
	if mode == v1alpha1.ModePlan {
		return append(prepare,
			phase{"plan the role", v1alpha1.ConditionRoleReady, r.plan.planRole},
			phase{"plan the ServiceAccounts", v1alpha1.ConditionServiceAccountReady, r.plan.planServiceAccounts},
			phase{"count pods", v1alpha1.ConditionPodsUpToDate, r.pods.check},
			phase{"report the plan", v1alpha1.ConditionReady, r.plan.report},
		)
	}
	return append(prepare,
		phase{"add the finalizer", v1alpha1.ConditionReady, r.ensureFinalizer},
		phase{"reconcile the role", v1alpha1.ConditionRoleReady, r.role.reconcile},
		phase{"reconcile the ServiceAccounts", v1alpha1.ConditionServiceAccountReady, r.serviceAccounts.reconcile},
		phase{"count pods", v1alpha1.ConditionPodsUpToDate, r.pods.check},
	)
}

// updateStatus writes the status, and then emits the events.
func (r *Reconciler) updateStatus(ctx context.Context, before *v1alpha1.PodIdentity, s *scope, err error) (ctrl.Result, error) {
	if patchErr := r.patchStatus(ctx, before, s.obj); patchErr != nil {
		if apierrors.IsNotFound(patchErr) {
			r.objectGone(s.obj)
		}
		return retryConflict(patchErr)
	}
	r.emitEvents(before, s, err)
	return r.result(s, err)
}

// patchMetadata patches obj and keeps the status that this reconcile has
// assembled so far: the response of the API server contains the stored one.
func (r *Reconciler) patchMetadata(ctx context.Context, before, obj *v1alpha1.PodIdentity) error {
	status := obj.Status.DeepCopy()
	err := r.client.Patch(ctx, obj, locked(before))
	obj.Status = *status
	stripMetadata(&obj.ObjectMeta, v1alpha1.RequestedAtAnnotation) // as the cache does; otherwise the next patch would send it back
	return err
}

// locked returns a merge patch that fails on a conflict: a merge patch replaces
// whole lists, such as finalizers and conditions.
func locked(before client.Object) client.Patch {
	return client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
}

// retryConflict retries a conflict soon and without a log line. The write that
// caused the conflict may not requeue the object: a predicate can drop it.
func retryConflict(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}
