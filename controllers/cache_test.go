package controllers

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// Of every object the cache keeps what the controller reads, and no more of it than
// the controller compares.
func TestCache_KeepsOnlyWhatIsRead(t *testing.T) {
	yes := true
	controller := metav1.OwnerReference{Kind: "ReplicaSet", Name: "checkout-5d9", UID: "2", Controller: &yes}
	ours := metav1.ManagedFieldsEntry{Manager: FieldManager, Operation: metav1.ManagedFieldsOperationApply}
	forged := metav1.ManagedFieldsEntry{Manager: FieldManager, Operation: metav1.ManagedFieldsOperationUpdate}
	long := strings.Repeat("a", 1<<16)
	full := metav1.ObjectMeta{
		Namespace: "shop", Name: "checkout", UID: "1", ResourceVersion: "7", Generation: 3,
		Labels:          map[string]string{"app": "checkout", "pod-template-hash": "5d9"},
		Annotations:     map[string]string{"eks.amazonaws.com/role-arn": "arn", "kubectl.kubernetes.io/last-applied-configuration": "{…}"},
		OwnerReferences: []metav1.OwnerReference{{Kind: "Node", Name: "other", UID: "3"}, controller},
		Finalizers:      []string{"example.com/x"},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubectl"}, forged, ours},
	}
	cases := map[string]struct {
		in, want client.Object
	}{
		"ServiceAccount": {
			in: &corev1.ServiceAccount{
				ObjectMeta: full, Secrets: []corev1.ObjectReference{{Name: "token"}}, ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}},
			},
			want: &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: "checkout", UID: "1", ResourceVersion: "7",
				Annotations:     map[string]string{"eks.amazonaws.com/role-arn": "arn"},
				OwnerReferences: []metav1.OwnerReference{controller},
				ManagedFields:   []metav1.ManagedFieldsEntry{ours},
			}},
		},
		"ServiceAccountOfAnyone": {
			in:   &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "s", Annotations: map[string]string{"eks.amazonaws.com/role-arn": long, "x": long}}},
			want: &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "s", Annotations: map[string]string{"eks.amazonaws.com/role-arn": long[:2049]}}},
		},
		"PodIdentity": {
			in: &v1alpha1.PodIdentity{ObjectMeta: requested(full), Spec: v1alpha1.PodIdentitySpec{Suspend: true}},
			want: &v1alpha1.PodIdentity{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: "shop", Name: "checkout", UID: "1", ResourceVersion: "7", Generation: 3,
					Annotations: map[string]string{v1alpha1.RequestedAtAnnotation: "now"}, Finalizers: []string{"example.com/x"},
				},
				Spec: v1alpha1.PodIdentitySpec{Suspend: true},
			},
		},
		"Guardrail": {
			in: &v1alpha1.PodIdentityGuardrail{ObjectMeta: requested(full), Spec: v1alpha1.PodIdentityGuardrailSpec{PermissionsBoundary: "arn"}},
			want: &v1alpha1.PodIdentityGuardrail{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: "shop", Name: "checkout", UID: "1", ResourceVersion: "7", Generation: 3, Finalizers: []string{"example.com/x"},
				},
				Spec: v1alpha1.PodIdentityGuardrailSpec{PermissionsBoundary: "arn"},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := transformOf(tc.in)(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// A namespace is cached as metadata: identity and labels, by which guardrails select
// it.
func TestCache_KeepsLabelsOfNamespaces(t *testing.T) {
	ns := namespaceObject()
	ns.ObjectMeta = metav1.ObjectMeta{
		Name: "shop", ResourceVersion: "7", Labels: map[string]string{"team": "shop"},
		Annotations: map[string]string{"x": "y"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
	}
	want := namespaceObject()
	want.ObjectMeta = metav1.ObjectMeta{Name: "shop", ResourceVersion: "7", Labels: map[string]string{"team": "shop"}}
	got, err := transformOf(&corev1.Namespace{})(ns)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// requested returns metadata with the annotation that requests a check.
func requested(meta metav1.ObjectMeta) metav1.ObjectMeta {
	meta = *meta.DeepCopy()
	meta.Annotations[v1alpha1.RequestedAtAnnotation] = "now"
	return meta
}

// transformOf returns what the cache makes of objects of obj's kind.
func transformOf(obj client.Object) toolscache.TransformFunc {
	options := CacheOptions()
	for kind, by := range options.ByObject {
		if reflect.TypeOf(kind) == reflect.TypeOf(obj) {
			return by.Transform
		}
	}
	return options.DefaultTransform
}
