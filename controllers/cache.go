package controllers

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// CacheOptions returns options for the manager's cache that keep only the fields
// which the controller reads. Users can write large values into the other fields of an
// object, which must not fill the operator's memory.
func CacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                    {Transform: stripPod},
			&corev1.ServiceAccount{}:         {Transform: stripServiceAccount},
			&corev1.Namespace{}:              {Transform: stripNamespace},
			&v1alpha1.PodIdentity{}:          {Transform: stripPodIdentity},
			&v1alpha1.PodIdentityGuardrail{}: {Transform: stripGuardrail},
		},
	}
}

// maxCachedText is the number of bytes of a value that is kept in full. No ARN and no
// other value that the controller compares is longer.
const maxCachedText = 2048

// cachedText returns a value as the cache keeps it: cut if it is longer than any value
// that the controller compares it with.
func cachedText(s string) string {
	if len(s) <= maxCachedText {
		return s
	}
	return strings.Clone(s[:maxCachedText+1]) // a slice would keep all of s in memory
}

// stripPodIdentity keeps everything but the metadata that the controller does not
// read. Labels, and the annotation with which kubectl apply remembers the last spec,
// can be larger than the spec.
func stripPodIdentity(in any) (any, error) {
	if pi, ok := in.(*v1alpha1.PodIdentity); ok {
		stripMetadata(&pi.ObjectMeta, v1alpha1.RequestedAtAnnotation)
	}
	return in, nil
}

// stripGuardrail is like stripPodIdentity.
func stripGuardrail(in any) (any, error) {
	if g, ok := in.(*v1alpha1.PodIdentityGuardrail); ok {
		stripMetadata(&g.ObjectMeta)
	}
	return in, nil
}

// stripNamespace keeps the identity and the labels of a namespace.
func stripNamespace(in any) (any, error) {
	if ns, ok := in.(*metav1.PartialObjectMetadata); ok {
		labels := ns.Labels
		stripMetadata(&ns.ObjectMeta)
		ns.Labels = labels
	}
	return in, nil
}

// stripMetadata removes labels, managed fields, owner references, and all annotations
// except those named.
func stripMetadata(meta *metav1.ObjectMeta, annotations ...string) {
	kept := keepAnnotations(meta.Annotations, annotations)
	meta.Labels, meta.ManagedFields, meta.OwnerReferences, meta.Annotations = nil, nil, nil, kept
}

// keepAnnotations returns the annotations of these keys, nil if there are none.
func keepAnnotations(all map[string]string, keys []string) map[string]string {
	var kept map[string]string
	for _, key := range keys {
		if value, ok := all[key]; ok {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[key] = cachedText(value)
		}
	}
	return kept
}

// watchedAnnotations are the annotations that the controller compares.
var watchedAnnotations = []string{
	plan.AnnotationRoleARN,
	plan.AnnotationAudience,
	plan.AnnotationTokenExpiration,
	plan.AnnotationSTSRegionalEndpoints,
}

// stripServiceAccount keeps identity, owner, annotations of AWS's webhook and the
// operator's own field ownership.
func stripServiceAccount(in any) (any, error) {
	sa, ok := in.(*corev1.ServiceAccount)
	if !ok {
		return in, nil
	}
	kept := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name:              sa.Name,
		Namespace:         sa.Namespace,
		UID:               sa.UID,
		ResourceVersion:   sa.ResourceVersion,
		CreationTimestamp: sa.CreationTimestamp,
		DeletionTimestamp: sa.DeletionTimestamp,
		Annotations:       keepAnnotations(sa.Annotations, watchedAnnotations),
	}}
	if owner := metav1.GetControllerOf(sa); owner != nil {
		kept.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	for _, entry := range sa.ManagedFields {
		if entry.Manager == FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == "" {
			kept.ManagedFields = append(kept.ManagedFields, entry)
		}
	}
	return kept, nil
}
