package controllers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// CacheOptions returns options for the manager's cache that keep only the fields
// which the controller reads.
func CacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:            {Transform: stripPod},
			&corev1.ServiceAccount{}: {Transform: stripServiceAccount},
		},
	}
}

// watchedAnnotations are the annotations that the controller compares.
var watchedAnnotations = []string{
	plan.AnnotationRoleARN,
	plan.AnnotationAudience,
	plan.AnnotationTokenExpiration,
	plan.AnnotationSTSRegionalEndpoints,
}

// stripServiceAccount keeps identity, owners, annotations of AWS's webhook and
// the operator's own field ownership.
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
		OwnerReferences:   sa.OwnerReferences,
	}}
	for key, value := range sa.Annotations {
		if !slices.Contains(watchedAnnotations, key) {
			continue
		}
		if kept.Annotations == nil {
			kept.Annotations = map[string]string{}
		}
		kept.Annotations[key] = value
	}
	for _, entry := range sa.ManagedFields {
		if entry.Manager == FieldManager {
			kept.ManagedFields = append(kept.ManagedFields, entry)
		}
	}
	return kept, nil
}
