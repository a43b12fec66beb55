package cluster

import (
	"context"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Applied is what the API server would make of an object.
type Applied struct {
	Live   *unstructured.Unstructured // nil if the object does not exist
	Result *unstructured.Unstructured // nil if the API server rejects it
	// Rejection states why the API server rejects the object; empty if it does not.
	Rejection string
	// NoNamespace reports that the namespace of the object does not exist.
	NoNamespace bool
}

// DryRunApply validates an object with the API server and its admission, as if it were
// applied and nothing else set its spec. It stores nothing.
func (c *Cluster) DryRunApply(ctx context.Context, object *unstructured.Unstructured) (Applied, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(object.GroupVersionKind())
	err := c.Get(ctx, client.ObjectKeyFromObject(object), live)
	if err != nil && !apierrors.IsNotFound(err) {
		return Applied{}, err
	}
	next := object.DeepCopy()
	delete(next.Object, "status")
	strict := client.FieldValidation(metav1.FieldValidationStrict)
	if err != nil {
		return applied(nil, next, c.Create(ctx, next, client.DryRunAll, strict))
	}
	merge(next, live)
	return applied(live, next, c.Update(ctx, next, client.DryRunAll, strict))
}

// merge sets what an apply keeps of the live object.
func merge(next, live *unstructured.Unstructured) {
	labels, annotations := live.GetLabels(), live.GetAnnotations()
	next.SetLabels(union(labels, next.GetLabels()))
	next.SetAnnotations(union(annotations, next.GetAnnotations()))
	next.SetResourceVersion(live.GetResourceVersion())
	next.SetUID(live.GetUID())
	next.SetFinalizers(live.GetFinalizers())
	next.SetOwnerReferences(live.GetOwnerReferences())
	if status, ok := live.Object["status"]; ok {
		next.Object["status"] = status
	}
}

func union(sets ...map[string]string) map[string]string {
	var all map[string]string
	for _, set := range sets {
		for key, value := range set {
			if all == nil {
				all = map[string]string{}
			}
			all[key] = value
		}
	}
	return all
}

func applied(live, result *unstructured.Unstructured, err error) (Applied, error) {
	status, ok := err.(apierrors.APIStatus)
	switch {
	case err == nil:
		return Applied{Live: live, Result: result}, nil
	case !ok || lacksPermission(err):
		return Applied{}, err
	case apierrors.IsNotFound(err) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces":
		return Applied{Live: live, NoNamespace: true}, nil
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err), apierrors.IsRequestEntityTooLargeError(err):
		return Applied{Live: live, Rejection: status.Status().Message}, nil
	default:
		return Applied{}, err
	}
}

// lacksPermission distinguishes a user without a permission from an object that admission
// rejects, both of which are Forbidden.
func lacksPermission(err error) bool {
	return apierrors.IsForbidden(err) && (strings.Contains(err.Error(), " cannot create resource ") || strings.Contains(err.Error(), " cannot update resource "))
}

// NamespaceOf returns the metadata of a namespace, nil if it does not exist.
func (c *Cluster) NamespaceOf(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	ns := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
	err := c.Get(ctx, client.ObjectKey{Name: name}, ns)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return ns, err
}
