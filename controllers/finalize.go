package controllers

import (
	"context"
	"errors"
	"fmt"

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

// finalize takes an identity down, in the reverse order of how it is made, and
// then lets the object go. It needs nothing of the spec but whose the role is and
// what should become of it: a spec that is refused can always be deleted.
func (r *Reconciler) finalize(ctx context.Context, obj *v1alpha1.PodIdentity) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(obj, v1alpha1.Finalizer) {
		r.roleCache.remove(obj.UID)
		return ctrl.Result{}, nil
	}
	// The cache may not know yet that the object is gone, or that it is to be
	// retained after all; to ask the API server costs less than to ask AWS.
	if err := r.apiReader.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if obj.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(obj, v1alpha1.Finalizer) {
		return ctrl.Result{}, nil
	}
	before := obj.DeepCopy()
	s := r.newScope(obj)
	err := run(ctx, s,
		phase{v1alpha1.ConditionServiceAccountReady, r.removeServiceAccount},
		phase{v1alpha1.ConditionRoleReady, r.removeRole},
		phase{v1alpha1.ConditionServiceAccountReady, r.releaseServiceAccounts},
	)
	if err == nil || fault.KindOf(err) != fault.Waiting {
		r.roleCache.remove(obj.UID) // who only waits has changed nothing
	}
	if err != nil {
		setDeletionStatus(s, err)
		return r.updateStatus(ctx, before, s, err)
	}
	if err := r.removeFinalizer(ctx, obj); err != nil {
		return retryConflict(err)
	}
	r.emitEvents(before, s, nil)
	return ctrl.Result{}, nil
}

func (r *Reconciler) removeFinalizer(ctx context.Context, obj *v1alpha1.PodIdentity) error {
	before := obj.DeepCopy()
	controllerutil.RemoveFinalizer(obj, v1alpha1.Finalizer)
	return r.patchMetadata(ctx, before, obj)
}

// removeServiceAccount deletes the ServiceAccount that the operator made, so that
// no pod starts on a role that is about to go.
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

// removeRole deletes the role, leaves it if it is to be retained, and keeps away
// from one that is not this object's. What hangs on it is listed only if it is
// not known, or if IAM says that there is more.
func (r *Reconciler) removeRole(ctx context.Context, s *scope) error {
	name := plan.NameOf(s.obj, plan.Cluster{Name: r.config.ClusterName})
	if s.obj.Spec.DeletionPolicy == v1alpha1.DeletionRetain {
		s.addEvent(eventRetainedRole, "Retain", fmt.Sprintf("Role %s stays in AWS, as spec.deletionPolicy says", name))
		return nil
	}
	if known, ok := r.roleCache.get(s.obj.UID); ok {
		err := r.deleteRole(ctx, s, name, func(ctx context.Context) (*plan.Observed, error) { return r.observeCached(ctx, name, known.desired) })
		if !errors.Is(err, plan.ErrDeleteConflict) {
			return err
		}
	}
	return r.deleteRole(ctx, s, name, func(ctx context.Context) (*plan.Observed, error) { return r.roles.ObserveForTeardown(ctx, name) })
}

// observeCached asks AWS only whose the role is, and takes what hangs on it from
// what is remembered.
func (r *Reconciler) observeCached(ctx context.Context, name string, known plan.Role) (*plan.Observed, error) {
	observed, err := r.roles.ObserveOwner(ctx, name)
	if observed != nil {
		observed.Managed, observed.Inline = known.Managed, known.Inline
	}
	return observed, err
}

// deleteRole deletes the role that observe finds, if it is this object's.
func (r *Reconciler) deleteRole(ctx context.Context, s *scope, name string, observe func(context.Context) (*plan.Observed, error)) error {
	observed, err := observe(ctx)
	if err != nil {
		return fmt.Errorf("observing role %s: %w", name, err)
	}
	if observed == nil {
		return r.waitForPropagation(s, name)
	}
	if observed.OwnershipBy(s.owner) != plan.Owned {
		s.addEvent(eventSkippedRoleDeletion, "Delete", fmt.Sprintf("Role %s is left alone: it belongs to %s", name, observed.OwnerDescription()))
		return nil
	}
	changes := plan.Teardown(observed)
	logf.FromContext(ctx).Info("Deleting IAM role", "role", name, "changes", plan.Summary(changes))
	applied, err := r.roles.Apply(ctx, name, changes)
	for _, c := range applied.Completed {
		changesMade.WithLabelValues(c.Action()).Inc()
	}
	if err != nil {
		return err
	}
	s.addEvent(eventDeletedRole, "Delete", "Deleted role", name)
	return nil
}

// waitForPropagation returns an error while IAM may not show a role yet that was just made:
// to believe that there is none would leave it behind.
func (r *Reconciler) waitForPropagation(s *scope, name string) error {
	shown := s.obj.CreationTimestamp.Add(r.config.IAMPropagationDelay)
	if known, ok := r.roleCache.get(s.obj.UID); ok && known.assumableAt.After(shown) {
		shown = known.assumableAt
	}
	if left := shown.Sub(r.clock.Now()); left > 0 {
		s.requeueAfter = left
		return fault.Errorf(fault.Waiting, v1alpha1.ReasonDeleting,
			"IAM shows no role %s, but one that is new is not shown everywhere at once; IAM is asked again", name)
	}
	return nil
}

// releaseServiceAccounts takes the role off ServiceAccounts of others that carry
// it by the operator's hand.
func (r *Reconciler) releaseServiceAccounts(ctx context.Context, s *scope) error {
	if s.obj.Status.Role == nil {
		return nil
	}
	return r.releaseMatching(ctx, s.obj.Namespace, s.obj.Status.Role.ARN, func(sa *corev1.ServiceAccount) bool {
		return !metav1.IsControlledBy(sa, s.obj)
	})
}

// setDeletionStatus says why the object is not gone yet, and what to do if it
// takes somebody to let it go.
func setDeletionStatus(s *scope, err error) {
	status, reason := metav1.ConditionUnknown, v1alpha1.ReasonDeleting
	message := fmt.Sprintf("Deleting the IAM role: %v", err)
	if kind := fault.KindOf(err); kind == fault.Blocked || kind == fault.Terminal {
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonDeletionBlocked
	}
	message += "; to let the object go and leave the role in AWS, set spec.deletionPolicy to Retain"
	s.obj.Status.ObservedGeneration = s.obj.Generation
	if s.failedCondition != "" {
		partStatus, partReason := conditionFor(err)
		s.set(s.failedCondition, partStatus, partReason, err.Error())
	}
	s.set(v1alpha1.ConditionReady, status, reason, message)
	s.drop(v1alpha1.ConditionStalled)
	s.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonDeleting, message)
	sortConditions(s.obj.Status.Conditions)
}
