package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PodIdentityStatus is the most recently observed state.
type PodIdentityStatus struct {
	// conditions follow kstatus: Ready is always present after the first
	// reconciliation, Reconciling and Stalled only while they are True.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the last generation reconciled by the operator; -1 before
	// the first reconciliation.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// role is the IAM role.
	// +optional
	Role *RoleStatus `json:"role,omitempty"`

	// serviceAccount is the ServiceAccount of the identity.
	// +optional
	ServiceAccount *ServiceAccountStatus `json:"serviceAccount,omitempty"`

	// issuer is the URL of the cluster's OIDC issuer. The role trusts its tokens.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Issuer string `json:"issuer,omitempty"`

	// guardrail is the PodIdentityGuardrail last evaluated: the first one that
	// rejected the identity or, if all allow it, the first by name. Unset if only the
	// built-in baseline applies.
	// +optional
	Guardrail *GuardrailStatus `json:"guardrail,omitempty"`

	// plan lists the pending changes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Plan []PlannedChange `json:"plan,omitempty"`

	// pods counts the running pods of the ServiceAccounts.
	// +optional
	Pods *PodsStatus `json:"pods,omitempty"`

	// lastHandledReconcileAt is the last value of the annotation
	// iam.podidentity.io/requestedAt that the operator handled.
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

	// arn of the role.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	ARN string `json:"arn,omitempty"`

	// id is the role's unique ID (AROA…). It changes if the role is recreated.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// lastUsedTime is the day, in UTC, on which a pod last used the role in a request to
	// AWS, with hours and minutes set to zero. It follows the use by up to four hours and
	// one drift check. It is absent if the role was never used, if its last use was more
	// than 400 days ago when the operator first read the role, and if the operator does
	// not know.
	// +optional
	LastUsedTime *metav1.Time `json:"lastUsedTime,omitempty"`
}

// ServiceAccountStatus names a ServiceAccount and reports how it is managed.
type ServiceAccountStatus struct {
	// name of the ServiceAccount.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// mode is Create if the operator created the ServiceAccount, Annotate if it is
	// managed elsewhere.
	// +optional
	Mode ServiceAccountMode `json:"mode,omitempty"`
}

// GuardrailStatus names a PodIdentityGuardrail.
type GuardrailStatus struct {
	// name of the guardrail.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// generation of the guardrail that was evaluated.
	// +required
	Generation int64 `json:"generation"`
}

// PodsStatus counts running pods by whether they use the role. A pod gets its role
// when it starts.
type PodsStatus struct {
	// upToDate is the number of running pods that use the role.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	UpToDate int32 `json:"upToDate"`

	// outdated is the number of running pods that do not use the role because they
	// started before the annotation was set.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Outdated int32 `json:"outdated"`
}

// PlannedChange is one pending call to AWS.
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
