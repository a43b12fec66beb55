package controllers

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// Of the many objects of others the cache keeps what the controller looks at, and of
// its own all but the fields' owners.
func TestCacheKeepsWhatIsUsed(t *testing.T) {
	yes := true
	controller := metav1.OwnerReference{Kind: "ReplicaSet", Name: "checkout-5d9", UID: "2", Controller: &yes}
	ours := metav1.ManagedFieldsEntry{Manager: FieldManager, Operation: metav1.ManagedFieldsOperationApply}
	full := metav1.ObjectMeta{
		Namespace: "shop", Name: "checkout", UID: "1", ResourceVersion: "7", Generation: 3,
		Labels:          map[string]string{"app": "checkout", "pod-template-hash": "5d9"},
		Annotations:     map[string]string{"eks.amazonaws.com/role-arn": "arn", "kubectl.kubernetes.io/last-applied-configuration": "{…}"},
		OwnerReferences: []metav1.OwnerReference{{Kind: "Node", Name: "other", UID: "3"}, controller},
		Finalizers:      []string{"example.com/x"},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubectl"}, ours},
	}
	cases := map[string]struct {
		in, want client.Object
	}{
		"Pod": {
			in: &corev1.Pod{ObjectMeta: full, Spec: corev1.PodSpec{
				NodeName: "node", ServiceAccountName: "checkout",
				Containers: []corev1.Container{
					{Name: "app", Image: "app:v1", Env: []corev1.EnvVar{{Name: "LOG", Value: "info"}, {Name: "AWS_ROLE_ARN", Value: "arn"}}},
					{Name: "proxy", Image: "proxy:v1"},
				},
			}, Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1"}},
			want: &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: "shop", Name: "checkout", UID: "1", ResourceVersion: "7",
					Labels: map[string]string{"pod-template-hash": "5d9"}, OwnerReferences: []metav1.OwnerReference{controller},
				},
				Spec: corev1.PodSpec{
					ServiceAccountName: "checkout",
					Containers:         []corev1.Container{{Env: []corev1.EnvVar{{Name: "AWS_ROLE_ARN", Value: "arn"}}}},
				},
				Status: corev1.PodStatus{Phase: corev1.PodRunning},
			},
		},
		"ServiceAccount": {
			in: &corev1.ServiceAccount{
				ObjectMeta: full, Secrets: []corev1.ObjectReference{{Name: "token"}}, ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}},
			},
			want: &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: "checkout", UID: "1", ResourceVersion: "7",
				Annotations:     map[string]string{"eks.amazonaws.com/role-arn": "arn"},
				OwnerReferences: full.OwnerReferences,
				ManagedFields:   []metav1.ManagedFieldsEntry{ours},
			}},
		},
		"PodIdentity": {
			in: &v1alpha1.PodIdentity{ObjectMeta: *full.DeepCopy(), Spec: v1alpha1.PodIdentitySpec{Suspend: true}},
			want: func() client.Object {
				kept := full.DeepCopy()
				kept.ManagedFields = nil
				return &v1alpha1.PodIdentity{ObjectMeta: *kept, Spec: v1alpha1.PodIdentitySpec{Suspend: true}}
			}(),
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
