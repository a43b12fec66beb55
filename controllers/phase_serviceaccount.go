package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// checkServiceAccountOwnership refuses an identity whose ServiceAccount is somebody
// else's before a role is made for it. Once there is a role it is kept as
// declared, whatever becomes of the ServiceAccount.
func (r *Reconciler) checkServiceAccountOwnership(ctx context.Context, s *scope) error {
	if s.obj.Status.Role != nil {
		return nil
	}
	if err := r.checkServiceAccountConflict(ctx, s); err != nil {
		return err
	}
	if !s.desired.ServiceAccount.Create {
		return nil
	}
	existing, err := r.serviceAccount(ctx, s.obj.Namespace, s.desired.ServiceAccount.Name)
	if err != nil || existing == nil || metav1.IsControlledBy(existing, s.obj) {
		return err
	}
	return errNotControlled(existing.Name)
}

// reconcileServiceAccounts has every ServiceAccount of the identity carry the
// role, and no other that it once had.
func (r *Reconciler) reconcileServiceAccounts(ctx context.Context, s *scope) error {
	if err := r.checkServiceAccountConflict(ctx, s); err != nil {
		return err
	}
	if err := r.releaseUnreferenced(ctx, s); err != nil {
		return err
	}
	for _, want := range s.desired.ServiceAccounts() {
		existing, err := r.serviceAccount(ctx, s.obj.Namespace, want.Name)
		if err != nil {
			return err
		}
		if want.Create {
			err = r.ensureManaged(ctx, s, want, existing)
		} else {
			err = r.ensureAnnotated(ctx, s, want, existing)
		}
		if err != nil {
			return err
		}
	}
	s.obj.Status.ServiceAccount = serviceAccountStatus(s.desired.ServiceAccount)
	return nil
}

func serviceAccountStatus(sa plan.ServiceAccount) *v1alpha1.ServiceAccountStatus {
	mode := v1alpha1.ServiceAccountAnnotate
	if sa.Create {
		mode = v1alpha1.ServiceAccountCreate
	}
	return &v1alpha1.ServiceAccountStatus{Name: sa.Name, Mode: mode}
}

// checkServiceAccountConflict gives a ServiceAccount that two PodIdentities name to the one that
// came first.
func (r *Reconciler) checkServiceAccountConflict(ctx context.Context, s *scope) error {
	for _, name := range plan.ServiceAccountsOf(s.obj) {
		var list v1alpha1.PodIdentityList
		if err := r.client.List(ctx, &list, client.InNamespace(s.obj.Namespace), client.MatchingFields{indexServiceAccounts: name}); err != nil {
			return fmt.Errorf("listing the PodIdentities of ServiceAccount %s: %w", name, err)
		}
		sa, err := r.serviceAccount(ctx, s.obj.Namespace, name)
		if err != nil {
			return err
		}
		for i := range list.Items {
			rival := &list.Items[i]
			if rival.UID != s.obj.UID && rival.DeletionTimestamp.IsZero() && olderThan(rival, s.obj, s.hasServiceAccount(sa)) {
				return fault.Errorf(fault.Blocked, v1alpha1.ReasonServiceAccountConflict,
					"ServiceAccount %s is that of PodIdentity %s, which came first, and a ServiceAccount has one role: name another, or delete one of the two", name, rival.Name)
			}
		}
	}
	return nil
}

// hasServiceAccount returns whether an identity has the ServiceAccount.
func (s *scope) hasServiceAccount(sa *corev1.ServiceAccount) func(*v1alpha1.PodIdentity) bool {
	return func(pi *v1alpha1.PodIdentity) bool {
		arn := s.cluster.RoleARN(plan.NameOf(pi, s.cluster))
		return sa != nil && (metav1.IsControlledBy(sa, pi) || sa.Annotations[plan.AnnotationRoleARN] == arn)
	}
}

// ensureManaged has a ServiceAccount that is the identity's own exist and carry the
// role. It refuses one that is not.
func (r *Reconciler) ensureManaged(ctx context.Context, s *scope, want plan.ServiceAccount, existing *corev1.ServiceAccount) error {
	switch {
	case existing == nil:
		if err := r.createManaged(ctx, s.obj, want); err != nil {
			return err
		}
		s.recordServiceAccount(eventCreatedServiceAccount, "Created ServiceAccount", want.Name)
	case !metav1.IsControlledBy(existing, s.obj):
		return errNotControlled(want.Name)
	case !hasAnnotations(existing, want.Annotations):
		if err := r.applyManaged(ctx, s.obj, want, existing); err != nil {
			return err
		}
		s.recordServiceAccount(eventAnnotatedServiceAccount, "Annotated ServiceAccount", want.Name)
	}
	return nil
}

// ensureAnnotated has a ServiceAccount that somebody else makes carry the role.
// It never forces: another manager's value stays, and is reported.
func (r *Reconciler) ensureAnnotated(ctx context.Context, s *scope, want plan.ServiceAccount, existing *corev1.ServiceAccount) error {
	if existing == nil {
		return fault.Errorf(fault.Waiting, v1alpha1.ReasonServiceAccountNotFound,
			"ServiceAccount %s does not exist yet; it is not for this PodIdentity to make", want.Name)
	}
	if hasAnnotations(existing, want.Annotations) && !metav1.IsControlledBy(existing, s.obj) {
		return nil
	}
	if err := r.annotate(ctx, existing, want.Annotations); err != nil {
		return err
	}
	s.recordServiceAccount(eventAnnotatedServiceAccount, "Annotated ServiceAccount", want.Name)
	return nil
}

// releaseUnreferenced takes the role off ServiceAccounts that the spec no longer names.
func (r *Reconciler) releaseUnreferenced(ctx context.Context, s *scope) error {
	named := map[string]bool{}
	for _, name := range plan.ServiceAccountsOf(s.obj) {
		named[name] = true
	}
	return r.releaseMatching(ctx, s.obj.Namespace, s.role.ARN, func(sa *corev1.ServiceAccount) bool { return !named[sa.Name] })
}
