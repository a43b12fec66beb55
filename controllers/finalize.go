package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// ensureFinalizer must succeed before the first write to AWS; otherwise a deletion
// in between would leak the role.
func (r *Reconciler) ensureFinalizer(ctx context.Context, s *scope) error {
	before := s.obj.DeepCopy()
	if controllerutil.AddFinalizer(s.obj, v1alpha1.Finalizer) {
		if err := r.patchMetadata(ctx, before, s.obj); err != nil {
			return err
		}
	}
	r.role.cache.expect(s.obj.UID)
	return nil
}

// restoreFinalizer restores the finalizer of an object that has a role: a replace
// without metadata.finalizers removes it. The role may be so new that the status does not
// show it.
func (r *Reconciler) restoreFinalizer(ctx context.Context, obj *v1alpha1.PodIdentity) error {
	if obj.Status.Role == nil && !r.role.cache.mayExist(obj.UID) {
		return nil
	}
	return r.ensureFinalizer(ctx, &scope{obj: obj})
}

func (r *Reconciler) removeFinalizer(ctx context.Context, obj *v1alpha1.PodIdentity) error {
	before := obj.DeepCopy()
	if !controllerutil.RemoveFinalizer(obj, v1alpha1.Finalizer) {
		return nil
	}
	return r.patchMetadata(ctx, before, obj)
}

// finalize deletes what the operator created for the identity, in reverse order,
// and then removes the finalizer. It reads only the role name and the deletion
// policy from the spec, so an object with an invalid spec can be deleted.
//
// If a user has removed the finalizer, another one can keep the object, so that its role
// would be neither deleted nor orphaned. The operator deletes the role all the same.
func (r *Reconciler) finalize(ctx context.Context, obj *v1alpha1.PodIdentity) (ctrl.Result, error) {
	if !hasFinalizer(obj) && r.role.orphans.isHandled(obj.UID) {
		r.role.cache.forget(obj.UID)
		r.forget(requestFor(obj))
		return ctrl.Result{}, nil
	}
	// The cache may be stale: the object may be deleted, or its deletion policy may be
	// Retain by now. A read from the API server costs less than a call to AWS.
	if err := r.apiReader.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if obj.DeletionTimestamp.IsZero() || !hasFinalizer(obj) && r.role.orphans.isHandled(obj.UID) {
		return ctrl.Result{}, nil
	}
	before := obj.DeepCopy()
	s := newScope(obj, r.config.ClusterName)
	err := run(ctx, s,
		phase{"find the ID of the cluster", v1alpha1.ConditionRoleReady, r.issuer.resolveClusterID},
		phase{"remove the ServiceAccount", v1alpha1.ConditionServiceAccountReady, r.removeServiceAccount},
		phase{"remove the role", v1alpha1.ConditionRoleReady, r.role.remove},
		phase{"release the ServiceAccounts", v1alpha1.ConditionServiceAccountReady, r.serviceAccounts.releaseAll},
	)
	if err == nil || fault.KindOf(err) != fault.Waiting {
		r.role.cache.forget(obj.UID) // a reconcile that only waits has changed nothing
	}
	if err != nil {
		setDeletionStatus(s, err)
		return r.updateStatus(ctx, before, s, err)
	}
	if err := r.removeFinalizer(ctx, obj); err != nil {
		return retryConflict(err)
	}
	r.emitEvents(before, s, nil)
	r.retries.blocked.Resolve(requestFor(obj))
	r.forget(requestFor(obj))
	return ctrl.Result{}, nil
}

// removeServiceAccount deletes the ServiceAccount that the operator created, so
// that no pod starts with a role that is about to be deleted.
func (r *Reconciler) removeServiceAccount(ctx context.Context, s *scope) error {
	var sa corev1.ServiceAccount
	key := client.ObjectKey{Namespace: s.obj.Namespace, Name: plan.ServiceAccountOf(s.obj)}
	err := r.apiReader.Get(ctx, key, &sa)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(&sa, s.obj) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting ServiceAccount %s: %w", key.Name, err)
	}
	err = r.client.Delete(ctx, &sa, client.Preconditions{UID: &sa.UID, ResourceVersion: &sa.ResourceVersion})
	return classifyServiceAccount(key.Name, client.IgnoreNotFound(err))
}

// remove deletes the role, or retains it if that is the deletion policy, and never
// touches a role that this object does not own.
func (p *rolePhase) remove(ctx context.Context, s *scope) error {
	name := plan.NameOf(s.obj, p.config.ClusterName)
	if s.obj.Spec.DeletionPolicy == v1alpha1.DeletionRetain {
		allowed, err := p.retentionAllowed(ctx, s.obj.Namespace)
		if err != nil {
			return err
		}
		if allowed {
			p.retain(ctx, s, name)
			return nil
		}
	}
	if err := p.deleteAttached(ctx, s, name); err != nil {
		return err
	}
	p.orphans.roleRemoved(s.obj.UID)
	return nil
}

// deleteAttached deletes the role and its attachments. It lists them only if they are not
// cached, or if IAM reports that there are more.
func (p *rolePhase) deleteAttached(ctx context.Context, s *scope, name string) error {
	if cached, ok := p.cache.get(s.obj.UID); ok {
		err := p.deleteRole(ctx, s, name, func(ctx context.Context) (*plan.Observed, error) { return p.observeCached(ctx, name, cached.desired) })
		if !errors.Is(err, plan.ErrDeleteConflict) {
			return err
		}
	}
	return p.deleteRole(ctx, s, name, func(ctx context.Context) (*plan.Observed, error) { return p.roles.ObserveForTeardown(ctx, name) })
}

// observeCached reads the owner of the role from AWS, and takes its attachments from
// the cache.
func (p *rolePhase) observeCached(ctx context.Context, name string, cached plan.Role) (*plan.Observed, error) {
	observed, err := p.roles.ObserveOwner(ctx, name)
	if observed != nil {
		observed.Managed, observed.Inline = cached.Managed, cached.Inline
	}
	return observed, err
}

// deleteRole deletes the role that observe returns, if this object owns it.
func (p *rolePhase) deleteRole(ctx context.Context, s *scope, name string, observe func(context.Context) (*plan.Observed, error)) error {
	observed, err := observe(ctx)
	if err != nil {
		return fmt.Errorf("observing role %s: %w", name, err)
	}
	if observed == nil {
		return p.waitForPropagation(s, name)
	}
	if observed.OwnershipBy(s.owner) != plan.Owned || observed.Path != p.config.RolePath {
		logf.FromContext(ctx).Info("Did not delete role of another owner", "role", name, "path", observed.Path, "owner", observed.OwnerDescription())
		s.addEvent(eventSkippedRoleDeletion, "Delete", fmt.Sprintf("Did not delete role %s: it has another owner", name))
		return nil
	}
	changes := plan.Teardown(observed)
	logf.FromContext(ctx).Info("Deleting IAM role", "role", name, "changes", plan.Summary(changes))
	applied, err := p.roles.Apply(ctx, name, changes)
	for _, c := range applied.Completed {
		changesMade.WithLabelValues(c.Action()).Inc()
	}
	if err != nil {
		return err
	}
	s.addEvent(eventDeletedRole, "Delete", "Deleted role", name)
	return nil
}

// retentionAllowed reports whether the guardrails of the namespace allow retaining a
// role. If the namespace is deleted, no guardrail selects it.
func (p *rolePhase) retentionAllowed(ctx context.Context, namespace string) (bool, error) {
	set, err := p.guardrails.forNamespace(ctx, namespace)
	if err != nil {
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	}
	return set.AllowsRetention(), nil
}

// retain tags a role that stays in AWS, so that drift checks distinguish it from a
// leaked one. It does not fail: a user can set Retain to delete an object while AWS is
// unreachable, and the next drift check then tags the role.
func (p *rolePhase) retain(ctx context.Context, s *scope, name string) {
	s.addEvent(eventRetainedRole, "Retain", fmt.Sprintf("Retained role %s in AWS (spec.deletionPolicy: Retain)", name))
	observed, err := p.roles.ObserveOwner(ctx, name)
	if err == nil && (observed == nil || observed.OwnershipBy(s.owner) != plan.Owned || observed.Path != p.config.RolePath) {
		p.orphans.roleRemoved(s.obj.UID)
		return
	}
	p.orphans.roleRetained(s.obj.UID, s.obj.Namespace, name)
	if err == nil && observed.Tags[plan.TagRetainedAt] == "" {
		_, err = p.roles.Apply(ctx, name, []plan.Change{retainedTag(p.clock.Now())})
	}
	if err != nil {
		p.orphans.markRetained(name)
		logf.FromContext(ctx).Info("Retained role is not tagged yet, retrying at the next drift check", "role", name, "reason", err.Error())
	}
}

// retainedTag returns the change that marks a role as retained.
func retainedTag(at time.Time) plan.Change {
	return plan.TagRole{Tags: map[string]string{plan.TagRetainedAt: at.UTC().Format(time.RFC3339)}}
}

// waitForPropagation returns an error while IAM may not show a recently created role
// yet: treating it as absent would leak the role.
func (p *rolePhase) waitForPropagation(s *scope, name string) error {
	visible := s.obj.CreationTimestamp.Add(p.config.IAMPropagationDelay)
	if cached, ok := p.cache.get(s.obj.UID); ok && cached.assumableAt.After(visible) {
		visible = cached.assumableAt
	}
	if left := visible.Sub(p.clock.Now()); left > 0 {
		s.requeueAfter = left
		return fault.Errorf(fault.Waiting, v1alpha1.ReasonDeleting,
			"role %s not found; it was created recently and may not have propagated yet, retrying", name)
	}
	return nil
}

// releaseAll removes the role from all ServiceAccounts that the operator annotated with a
// role of this name and that it does not own. It does not rely on the status, which users
// can write. If another identity with a role of this name uses a ServiceAccount, the
// annotation stays.
func (p *serviceAccountPhase) releaseAll(ctx context.Context, s *scope) error {
	var list corev1.ServiceAccountList
	// They are only read, and a namespace can have many.
	if err := p.client.List(ctx, &list, client.InNamespace(s.obj.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the ServiceAccounts of namespace %s: %w", s.obj.Namespace, err)
	}
	var released []*corev1.ServiceAccount
	suffix := "/" + plan.NameOf(s.obj, s.owner.Cluster)
	for i := range list.Items {
		sa := &list.Items[i]
		if !strings.HasSuffix(sa.Annotations[plan.AnnotationRoleARN], suffix) || metav1.IsControlledBy(sa, s.obj) ||
			!slices.Contains(ownedAnnotations(sa), plan.AnnotationRoleARN) {
			continue
		}
		used, err := p.usedByNamesake(ctx, s, sa.Name)
		if err != nil {
			return err
		}
		if !used {
			released = append(released, sa)
		}
	}
	return p.releaseEach(ctx, released)
}

// usedByNamesake reports whether another identity uses a ServiceAccount with a role of the
// same name. At most one of the two can have the role.
func (p *serviceAccountPhase) usedByNamesake(ctx context.Context, s *scope, serviceAccount string) (bool, error) {
	var list v1alpha1.PodIdentityList
	if err := p.client.List(ctx, &list, client.InNamespace(s.obj.Namespace), client.MatchingFields{indexServiceAccounts: serviceAccount}); err != nil {
		return false, fmt.Errorf("listing the PodIdentities of ServiceAccount %s: %w", serviceAccount, err)
	}
	name := plan.NameOf(s.obj, s.owner.Cluster)
	return slices.ContainsFunc(list.Items, func(other v1alpha1.PodIdentity) bool {
		return other.UID != s.obj.UID && other.DeletionTimestamp.IsZero() && plan.NameOf(&other, s.owner.Cluster) == name
	}), nil
}

// setDeletionStatus reports why the object still exists, and what to do if the
// deletion needs user action.
func setDeletionStatus(s *scope, err error) {
	status, reason := metav1.ConditionUnknown, v1alpha1.ReasonDeleting
	message := fmt.Sprintf("Deletion continues: %v", err)
	if kind := fault.KindOf(err); kind == fault.Blocked || kind == fault.Terminal {
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonDeletionBlocked
		message = fmt.Sprintf("Deletion is blocked: %v", err)
	}
	message += "; to delete the PodIdentity and keep the role, set spec.deletionPolicy: Retain"
	s.obj.Status.ObservedGeneration = s.obj.Generation
	if s.failedCondition != "" {
		phaseStatus, phaseReason := conditionFor(err)
		s.set(s.failedCondition, phaseStatus, phaseReason, err.Error())
	}
	s.set(v1alpha1.ConditionReady, status, reason, message)
	s.drop(v1alpha1.ConditionStalled)
	s.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonDeleting, message)
	sortConditions(s.obj.Status.Conditions)
}
