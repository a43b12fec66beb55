package controllers

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// serviceAccountPhase annotates the ServiceAccounts of an identity with its role.
// Its condition is ServiceAccountReady.
type serviceAccountPhase struct {
	client client.Client
}

// get returns the cached ServiceAccount, nil if there is none.
func (p *serviceAccountPhase) get(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	var sa corev1.ServiceAccount
	err := p.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &sa)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("getting ServiceAccount %s: %w", name, err)
	}
	return &sa, nil
}

// checkOwnership rejects an identity whose ServiceAccount has another owner
// before the operator creates a role for it. An identity that has a role keeps it,
// whatever happens to the ServiceAccount.
func (p *serviceAccountPhase) checkOwnership(ctx context.Context, s *scope) error {
	err := p.checkOwner(ctx, s)
	if s.obj.Status.Role != nil && fault.KindOf(err) == fault.Blocked {
		s.keepOnly, err = err, nil
	}
	return err
}

// checkOwner rejects an identity whose ServiceAccount has another owner.
func (p *serviceAccountPhase) checkOwner(ctx context.Context, s *scope) error {
	if err := p.checkConflict(ctx, s); err != nil {
		return err
	}
	if !s.desired.ServiceAccount.Create {
		return nil
	}
	existing, err := p.get(ctx, s.obj.Namespace, s.desired.ServiceAccount.Name)
	if err != nil || existing == nil || metav1.IsControlledBy(existing, s.obj) {
		return err
	}
	return errNotControlled(existing.Name)
}

// reconcile annotates every ServiceAccount of the identity with the role, and
// removes the annotation from ServiceAccounts that the spec no longer names.
func (p *serviceAccountPhase) reconcile(ctx context.Context, s *scope) error {
	s.serviceAccountsReached = true
	if err := p.checkConflict(ctx, s); err != nil {
		return err
	}
	if err := p.releaseUnreferenced(ctx, s); err != nil {
		return err
	}
	for _, want := range s.desired.ServiceAccounts() {
		existing, err := p.get(ctx, s.obj.Namespace, want.Name)
		if err != nil {
			return err
		}
		if want.Create {
			err = p.ensureManaged(ctx, s, want, existing)
		} else {
			err = p.ensureAnnotated(ctx, s, want, existing)
		}
		if err != nil {
			return err
		}
	}
	s.obj.Status.ServiceAccount = serviceAccountStatus(s.desired.ServiceAccount)
	return nil
}

// inSync reports whether reconcile would not write to any ServiceAccount.
func (p *serviceAccountPhase) inSync(ctx context.Context, s *scope) (bool, error) {
	unreferenced, err := p.annotatedWith(ctx, s.obj.Namespace, s.desired.ServiceAccount.Annotations[plan.AnnotationRoleARN], unnamedBy(s.obj))
	if err != nil || len(unreferenced) > 0 {
		return false, err
	}
	for _, want := range s.desired.ServiceAccounts() {
		existing, err := p.get(ctx, s.obj.Namespace, want.Name)
		if err != nil || existing == nil {
			return false, err
		}
		if !hasAnnotations(existing, want.Annotations) || hasForeignAudience(existing, want.Annotations) || want.Create != metav1.IsControlledBy(existing, s.obj) {
			return false, nil
		}
	}
	return true, nil
}

// repair restores the ServiceAccounts of a blocked identity that got the role before. It
// includes the additional ones only if all were in sync with this spec.
func (p *serviceAccountPhase) repair(ctx context.Context, s *scope) error {
	all := s.serviceAccountWasInSync
	s.desired.ServiceAccount = plan.OwnServiceAccount(s.obj, s.cluster)
	if !all {
		s.desired.Additional = nil
	}
	err := p.reconcile(ctx, s)
	if err == nil && all {
		s.succeeded = append(s.succeeded, v1alpha1.ConditionServiceAccountReady)
	}
	return err
}

func serviceAccountStatus(sa plan.ServiceAccount) *v1alpha1.ServiceAccountStatus {
	mode := v1alpha1.ServiceAccountAnnotate
	if sa.Create {
		mode = v1alpha1.ServiceAccountCreate
	}
	return &v1alpha1.ServiceAccountStatus{Name: sa.Name, Mode: mode}
}

// checkConflict rejects the identity if an older PodIdentity names the same
// ServiceAccount.
func (p *serviceAccountPhase) checkConflict(ctx context.Context, s *scope) error {
	for _, name := range plan.ServiceAccountsOf(s.obj) {
		var list v1alpha1.PodIdentityList
		if err := p.client.List(ctx, &list, client.InNamespace(s.obj.Namespace), client.MatchingFields{indexServiceAccounts: name}); err != nil {
			return fmt.Errorf("listing the PodIdentities of ServiceAccount %s: %w", name, err)
		}
		sa, err := p.get(ctx, s.obj.Namespace, name)
		if err != nil {
			return err
		}
		for i := range list.Items {
			other := &list.Items[i]
			if other.UID != s.obj.UID && other.DeletionTimestamp.IsZero() && canHave(other, name, sa) && olderThan(other, s.obj, s.hasServiceAccount(sa)) {
				return fault.Errorf(fault.Blocked, v1alpha1.ReasonServiceAccountConflict,
					"ServiceAccount %s is already used by the older PodIdentity %s; use a different ServiceAccount or delete one of the two", name, other.Name)
			}
		}
	}
	return nil
}

// canHave reports whether an identity can get the ServiceAccount. One in mode Create
// cannot get an existing ServiceAccount that it does not own.
func canHave(pi *v1alpha1.PodIdentity, name string, sa *corev1.ServiceAccount) bool {
	creates := pi.Spec.ServiceAccount.Mode != v1alpha1.ServiceAccountAnnotate && plan.ServiceAccountOf(pi) == name
	return !creates || sa == nil || metav1.IsControlledBy(sa, pi)
}

// hasServiceAccount returns a function that reports whether an identity has the
// ServiceAccount.
func (s *scope) hasServiceAccount(sa *corev1.ServiceAccount) func(*v1alpha1.PodIdentity) bool {
	return func(pi *v1alpha1.PodIdentity) bool {
		arn := s.cluster.RoleARN(plan.NameOf(pi, s.cluster.Name))
		return sa != nil && (metav1.IsControlledBy(sa, pi) || sa.Annotations[plan.AnnotationRoleARN] == arn)
	}
}

// ensureManaged ensures that a ServiceAccount which the identity owns exists and is
// annotated with the role. It rejects one with another owner.
func (p *serviceAccountPhase) ensureManaged(ctx context.Context, s *scope, want plan.ServiceAccount, existing *corev1.ServiceAccount) error {
	switch {
	case existing == nil:
		if err := p.createManaged(ctx, s.obj, want); err != nil {
			return err
		}
		s.recordServiceAccount(eventCreatedServiceAccount, "Created ServiceAccount", want.Name)
	case !metav1.IsControlledBy(existing, s.obj):
		return errNotControlled(want.Name)
	case !hasAnnotations(existing, want.Annotations) || hasForeignAudience(existing, want.Annotations):
		if err := p.applyManaged(ctx, s.obj, want, existing); err != nil {
			return err
		}
		s.recordServiceAccount(eventUpdatedServiceAccount, "Updated ServiceAccount", want.Name)
	}
	return nil
}

// ensureAnnotated annotates a ServiceAccount that is managed elsewhere with the
// role. It never forces: the value of another manager stays, and is reported.
func (p *serviceAccountPhase) ensureAnnotated(ctx context.Context, s *scope, want plan.ServiceAccount, existing *corev1.ServiceAccount) error {
	if existing == nil {
		return fault.Errorf(fault.Waiting, v1alpha1.ReasonServiceAccountNotFound,
			"waiting for ServiceAccount %s to be created; this PodIdentity annotates it and does not create it", want.Name)
	}
	if !hasAnnotations(existing, want.Annotations) || metav1.IsControlledBy(existing, s.obj) {
		if err := p.annotate(ctx, existing, want.Annotations); err != nil {
			return err
		}
		s.recordServiceAccount(eventAnnotatedServiceAccount, "Annotated ServiceAccount", want.Name)
	}
	if hasForeignAudience(existing, want.Annotations) {
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonServiceAccountConflict,
			"ServiceAccount %s: annotation %s is %q, but the role trusts tokens for the audience %q only; remove the annotation",
			want.Name, plan.AnnotationAudience, existing.Annotations[plan.AnnotationAudience], audienceOf(want.Annotations))
	}
	return nil
}

// releaseUnreferenced removes the role from ServiceAccounts that the spec no longer
// names.
func (p *serviceAccountPhase) releaseUnreferenced(ctx context.Context, s *scope) error {
	roleARN := s.desired.ServiceAccount.Annotations[plan.AnnotationRoleARN] // not that of the status
	unreferenced, err := p.annotatedWith(ctx, s.obj.Namespace, roleARN, unnamedBy(s.obj))
	if err != nil {
		return err
	}
	return p.releaseEach(ctx, unreferenced)
}

// unnamedBy returns a function that reports whether an identity does not name a
// ServiceAccount.
func unnamedBy(obj *v1alpha1.PodIdentity) func(*corev1.ServiceAccount) bool {
	named := plan.ServiceAccountsOf(obj)
	return func(sa *corev1.ServiceAccount) bool { return !slices.Contains(named, sa.Name) }
}
