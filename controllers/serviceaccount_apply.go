package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// All writes to ServiceAccounts are server-side apply under one field manager, so
// that the API server itself knows which fields are the operator's: applying
// fewer fields gives up the others, and nothing else is ever touched.

// serviceAccount returns the cached ServiceAccount, nil if there is none.
func (r *Reconciler) serviceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	var sa corev1.ServiceAccount
	err := r.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &sa)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("getting ServiceAccount %s: %w", name, err)
	}
	return &sa, nil
}

// managedServiceAccount is the whole of a ServiceAccount that is obj's own.
func managedServiceAccount(obj *v1alpha1.PodIdentity, want plan.ServiceAccount) *corev1ac.ServiceAccountApplyConfiguration {
	return corev1ac.ServiceAccount(want.Name, obj.Namespace).
		WithAnnotations(want.Annotations).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).
			WithKind("PodIdentity").
			WithName(obj.Name).
			WithUID(obj.UID).
			WithController(true).
			WithBlockOwnerDeletion(true))
}

// createManaged makes a ServiceAccount. Server-side apply cannot be told to create
// only; if somebody else made one of that name in the same moment, everything is
// taken back from it.
func (r *Reconciler) createManaged(ctx context.Context, obj *v1alpha1.PodIdentity, want plan.ServiceAccount) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(managedServiceAccount(obj, want))
	if err != nil {
		return err
	}
	made := &unstructured.Unstructured{Object: content}
	if err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(made)); err != nil {
		return classifyServiceAccount(want.Name, err)
	}
	others := func(m metav1.ManagedFieldsEntry) bool { return m.Manager != FieldManager }
	if !slices.ContainsFunc(made.GetManagedFields(), others) {
		return nil
	}
	if err := r.release(ctx, made); err != nil {
		return err
	}
	return errNotControlled(want.Name)
}

// applyManaged puts a ServiceAccount that is obj's own right, whoever changed it.
func (r *Reconciler) applyManaged(ctx context.Context, obj *v1alpha1.PodIdentity, want plan.ServiceAccount, existing *corev1.ServiceAccount) error {
	err := r.client.Apply(ctx, managedServiceAccount(obj, want).WithUID(existing.UID), client.ForceOwnership)
	return classifyServiceAccount(want.Name, err)
}

// annotate applies annotations, and nothing else, to an existing ServiceAccount.
func (r *Reconciler) annotate(ctx context.Context, existing *corev1.ServiceAccount, annotations map[string]string) error {
	ac := corev1ac.ServiceAccount(existing.Name, existing.Namespace).WithUID(existing.UID).WithAnnotations(annotations)
	return classifyServiceAccount(existing.Name, r.client.Apply(ctx, ac))
}

// release gives up all that the operator applied to a ServiceAccount. What
// another manager set too, or has changed since, stays.
func (r *Reconciler) release(ctx context.Context, sa client.Object) error {
	ac := corev1ac.ServiceAccount(sa.GetName(), sa.GetNamespace()).WithUID(sa.GetUID())
	err := r.client.Apply(ctx, ac)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // it is another ServiceAccount by now, or none
	}
	return classifyServiceAccount(sa.GetName(), err)
}

// releaseMatching releases the ServiceAccounts of a namespace that carry the role and
// that pass the filter.
func (r *Reconciler) releaseMatching(ctx context.Context, namespace, roleARN string, filter func(*corev1.ServiceAccount) bool) error {
	var list corev1.ServiceAccountList
	if err := r.client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{indexRoleARN: roleARN}); err != nil {
		return fmt.Errorf("listing the ServiceAccounts of role %s: %w", roleARN, err)
	}
	for i := range list.Items {
		sa := &list.Items[i]
		if !filter(sa) || len(ownedAnnotations(sa)) == 0 {
			continue
		}
		if err := r.release(ctx, sa); err != nil {
			return err
		}
	}
	return nil
}

// hasAnnotations reports whether sa has the annotations, and none else by the
// operator's hand.
func hasAnnotations(sa *corev1.ServiceAccount, want map[string]string) bool {
	for key, value := range want {
		if got, ok := sa.Annotations[key]; !ok || got != value {
			return false
		}
	}
	return !slices.ContainsFunc(ownedAnnotations(sa), func(key string) bool { _, ok := want[key]; return !ok })
}

// ownedAnnotations returns the keys of the annotations that the operator applied to sa and
// still owns (https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).
func ownedAnnotations(sa *corev1.ServiceAccount) []string {
	var keys []string
	for _, entry := range sa.ManagedFields {
		if entry.Manager != FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Annotations map[string]json.RawMessage `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			continue
		}
		for key := range fields.Metadata.Annotations {
			if key, ok := trimField(key); ok {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// trimField returns the name in a field path element such as f:name; the element
// "." stands for the map itself.
func trimField(element string) (string, bool) {
	if len(element) < 3 || element[:2] != "f:" {
		return "", false
	}
	return element[2:], true
}

// errNotControlled says that a ServiceAccount to be created exists and is not ours.
func errNotControlled(name string) error {
	return fault.Errorf(fault.Blocked, v1alpha1.ReasonServiceAccountConflict,
		"ServiceAccount %s exists and is not this PodIdentity's; to give it the role as it is, set spec.serviceAccount.mode to Annotate", name)
}

// classifyServiceAccount says what an API server's refusal to apply means.
func classifyServiceAccount(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonServiceAccountConflict,
			"ServiceAccount %s: %s set the annotation %s to another value; remove it there, and the operator applies its own", name, conflictOf(err), plan.AnnotationRoleARN)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return fault.Errorf(fault.Waiting, v1alpha1.ReasonNamespaceTerminating, "the namespace is being deleted")
	case apierrors.IsForbidden(err):
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "ServiceAccount %s: the operator's ClusterRole, or an admission policy, forbids it: %w", name, err)
	case apierrors.IsInvalid(err):
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonServiceAccountConflict, "ServiceAccount %s: %w", name, err)
	default:
		return fmt.Errorf("applying ServiceAccount %s: %w", name, err)
	}
}

// conflictOf names the field managers that a server-side apply conflicts with.
func conflictOf(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return "another field manager"
	}
	message := status.Status().Details.Causes[0].Message // conflict with "helm" using v1
	return "field manager " + strings.TrimPrefix(message, "conflict with ")
}
