package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PodIdentityStatus is what the operator last found to be true.
type PodIdentityStatus struct {
	// conditions follow kstatus: Ready is there from the first visit on;
	// Reconciling and Stalled are there only while they are true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that the conditions speak of; -1
	// until the operator has seen the object.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// role is the IAM role.
	// +optional
	Role *RoleStatus `json:"role,omitempty"`

	// serviceAccount is the ServiceAccount that has the identity.
	// +optional
	ServiceAccount *ServiceAccountStatus `json:"serviceAccount,omitempty"`

	// issuer is the URL of the cluster's OIDC issuer, whose tokens the role
	// trusts.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Issuer string `json:"issuer,omitempty"`

	// guardrail is the PodIdentityGuardrail that the identity was last held
	// against: the one that refuses it or, if all allow it, the first by name. None
	// means the baseline that is built into the operator.
	// +optional
	Guardrail *GuardrailStatus `json:"guardrail,omitempty"`

	// plan lists the changes that would be made, in mode Plan.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Plan []PlannedChange `json:"plan,omitempty"`

	// pods counts the running pods of the ServiceAccounts.
	// +optional
	Pods *PodsStatus `json:"pods,omitempty"`

	// lastHandledReconcileAt is the value of the annotation
	// iam.podidentity.io/requestedAt that was last acted on.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}

// RoleStatus names an IAM role.
type RoleStatus struct {
	// name of the role.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name"`

	// arn of the role; what pods assume.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	ARN string `json:"arn,omitempty"`

	// id is the role's unique ID (AROA…): it differs when a role is deleted and
	// made again under the same name.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`
}

// ServiceAccountStatus names a ServiceAccount and says where it comes from.
type ServiceAccountStatus struct {
	// name of the ServiceAccount.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// provenance is Created if the operator made the ServiceAccount, Annotated
	// if somebody else did.
	// +optional
	Mode ServiceAccountMode `json:"mode,omitempty"`
}

// GuardrailStatus names a PodIdentityGuardrail.
type GuardrailStatus struct {
	// name of the guardrail.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// generation of the guardrail that the identity was held against.
	// +required
	Generation int64 `json:"generation"`
}

// PodsStatus counts running pods by whether they have the role: a pod is given
// it when it starts.
type PodsStatus struct {
	// current is the number of running pods that have the role.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	UpToDate int32 `json:"upToDate"`

	// stale is the number of running pods that lack the role, or have another:
	// they started before the ServiceAccount carried it.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Outdated int32 `json:"outdated"`
}

// PlannedChange is one call to AWS that would be made.
type PlannedChange struct {
	// action of IAM, such as AttachRolePolicy.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Action string `json:"action"`

	// target of the action within the role: a policy's ARN or name, tag keys.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Target string `json:"target,omitempty"`
}
