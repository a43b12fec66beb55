// Package v1alpha1 is the API of group iam.podidentity.io: an AWS identity for
// a workload, defined by one object.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=iam.podidentity.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion identifies the API of this package.
var GroupVersion = schema.GroupVersion{Group: "iam.podidentity.io", Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion by the name that generated code knows it by.
var SchemeGroupVersion = GroupVersion

// AddToScheme registers the types of this package with a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&PodIdentity{}, &PodIdentityList{},
		&PodIdentityGuardrail{}, &PodIdentityGuardrailList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
