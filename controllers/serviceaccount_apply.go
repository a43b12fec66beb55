package controllers

import (
	"cmp"
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
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// The operator writes ServiceAccounts by server-side apply under one field manager,
// so that the API server itself knows which fields the operator owns: applying
// fewer fields gives up the others, and all other fields stay untouched.

// managedServiceAccount returns all that the operator applies to a ServiceAccount
// which obj owns.
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

// createManaged creates a ServiceAccount. Server-side apply has no create-only mode;
// if another client created one of that name at the same moment, the operator gives
// up everything that it applied to it.
func (p *serviceAccountPhase) createManaged(ctx context.Context, obj *v1alpha1.PodIdentity, want plan.ServiceAccount) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(managedServiceAccount(obj, want))
	if err != nil {
		return err
	}
	made := &unstructured.Unstructured{Object: content}
	if err := p.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(made)); err != nil {
		return classifyServiceAccount(want.Name, err)
	}
	others := func(m metav1.ManagedFieldsEntry) bool { return m.Manager != FieldManager }
	if !slices.ContainsFunc(made.GetManagedFields(), others) {
		return nil
	}
	if err := p.release(ctx, made); err != nil {
		return err
	}
	return errNotControlled(want.Name)
}

// applyManaged reverts changes to a ServiceAccount that obj owns. Server-side apply
// leaves annotations of other managers, so it removes a foreign audience explicitly.
func (p *serviceAccountPhase) applyManaged(ctx context.Context, obj *v1alpha1.PodIdentity, want plan.ServiceAccount, existing *corev1.ServiceAccount) error {
	if _, wanted := want.Annotations[plan.AnnotationAudience]; !wanted && hasForeignAudience(existing, want.Annotations) {
		patch := fmt.Sprintf(`{"metadata":{"uid":%q,"annotations":{%q:null}}}`, existing.UID, plan.AnnotationAudience)
		sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: existing.Namespace, Name: existing.Name}}
		if err := p.client.Patch(ctx, sa, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			return classifyServiceAccount(want.Name, err)
		}
	}
	err := p.client.Apply(ctx, managedServiceAccount(obj, want).WithUID(existing.UID), client.ForceOwnership)
	return classifyServiceAccount(want.Name, err)
}

// audienceOf returns the audience of the tokens of a ServiceAccount with these
// annotations.
func audienceOf(annotations map[string]string) string {
	return cmp.Or(annotations[plan.AnnotationAudience], plan.DefaultAudience)
}

// hasForeignAudience reports whether pods of sa get tokens for another audience than
// wanted, with which they cannot assume the role.
func hasForeignAudience(sa *corev1.ServiceAccount, want map[string]string) bool {
	return audienceOf(sa.Annotations) != audienceOf(want)
}

// annotate applies annotations, and nothing else, to an existing ServiceAccount.
func (p *serviceAccountPhase) annotate(ctx context.Context, existing *corev1.ServiceAccount, annotations map[string]string) error {
	ac := corev1ac.ServiceAccount(existing.Name, existing.Namespace).WithUID(existing.UID).WithAnnotations(annotations)
	err := p.client.Apply(ctx, ac)
	if apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) {
		return errAnnotationConflict(existing, annotations, err)
	}
	return classifyServiceAccount(existing.Name, err)
}

// release gives up everything that the operator applied to a ServiceAccount. Values
// that another manager has set too, or has changed since, stay.
func (p *serviceAccountPhase) release(ctx context.Context, sa client.Object) error {
	ac := corev1ac.ServiceAccount(sa.GetName(), sa.GetNamespace()).WithUID(sa.GetUID())
	err := p.client.Apply(ctx, ac)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // the ServiceAccount was deleted, or recreated under the same name
	}
	return classifyServiceAccount(sa.GetName(), err)
}

// annotatedWith returns the ServiceAccounts of a namespace that the operator annotated with
// the role and that pass the filter.
func (p *serviceAccountPhase) annotatedWith(ctx context.Context, namespace, roleARN string, filter func(*corev1.ServiceAccount) bool) ([]*corev1.ServiceAccount, error) {
	var list corev1.ServiceAccountList
	if err := p.client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{indexRoleARN: roleARN}); err != nil {
		return nil, fmt.Errorf("listing the ServiceAccounts of role %s: %w", roleARN, err)
	}
	var found []*corev1.ServiceAccount
	for i := range list.Items {
		if sa := &list.Items[i]; filter(sa) && len(ownedAnnotations(sa)) > 0 {
			found = append(found, sa)
		}
	}
	return found, nil
}

// releaseEach releases ServiceAccounts.
func (p *serviceAccountPhase) releaseEach(ctx context.Context, accounts []*corev1.ServiceAccount) error {
	for _, sa := range accounts {
		if err := p.release(ctx, sa); err != nil {
			return err
		}
	}
	return nil
}

// hasAnnotations reports whether sa has the annotations, and no other annotation that
// the operator owns.
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

// trimField returns the name in a field path element such as f:name. The element
// "." denotes the map itself.
func trimField(element string) (string, bool) {
	if len(element) < 3 || element[:2] != "f:" {
		return "", false
	}
	return element[2:], true
}

// errNotControlled is the error for a ServiceAccount that exists and has another
// owner.
func errNotControlled(name string) error {
	return fault.Errorf(fault.Blocked, v1alpha1.ReasonServiceAccountConflict,
		"ServiceAccount %s already exists and is not owned by this PodIdentity; to use it anyway, set spec.serviceAccount.mode: Annotate", name)
}

// classifyServiceAccount classifies an error of the API server on a write to a
// ServiceAccount.
func classifyServiceAccount(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return fault.Errorf(fault.Waiting, v1alpha1.ReasonNamespaceTerminating, "the namespace is being deleted")
	case apierrors.IsForbidden(err):
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "ServiceAccount %s: denied by RBAC or an admission policy: %w", name, err)
	case apierrors.IsInvalid(err):
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonServiceAccountConflict, "ServiceAccount %s: %w", name, err)
	default:
		return fmt.Errorf("applying ServiceAccount %s: %w", name, err)
	}
}

// errAnnotationConflict is the error for annotations that other field managers own
// with other values. It names each annotation, both values and its owner.
func errAnnotationConflict(sa *corev1.ServiceAccount, want map[string]string, err error) error {
	var status apierrors.APIStatus
	var conflicts []string
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			key := strings.TrimPrefix(cause.Field, ".metadata.annotations.")
			// The message of a cause is: conflict with "helm" using v1.
			manager := strings.TrimPrefix(cause.Message, "conflict with ")
			conflicts = append(conflicts, fmt.Sprintf("annotation %s is %q, owned by field manager %s; this PodIdentity needs %q",
				key, sa.Annotations[key], manager, want[key]))
		}
	}
	slices.Sort(conflicts)
	return fault.Errorf(fault.Blocked, v1alpha1.ReasonServiceAccountConflict,
		"ServiceAccount %s: %s; change or remove it there", sa.Name, strings.Join(conflicts, "; "))
}
