package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PodIdentityGuardrail limits what the PodIdentities of the selected namespaces may
// request. The operator evaluates it on every reconciliation, regardless of who
// applied the PodIdentity, and rejects a PodIdentity that requests more.
//
// Anything that a guardrail does not cover is subject to the baseline. The baseline
// is built into the operator and also applies in namespaces that no guardrail
// selects: no administration of IAM, and no access to everything. If several
// guardrails select a namespace, each must allow an identity.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=podidentityguardrails,singular=podidentityguardrail,shortName=podidguard,categories=aws,scope=Cluster
// +kubebuilder:printcolumn:name="Boundary",type=string,JSONPath=`.spec.permissionsBoundary`,description="The permissions boundary of every role"
// +kubebuilder:printcolumn:name="Max",type=integer,JSONPath=`.spec.maxIdentities`,description="The number of PodIdentities that a namespace may have"
// +kubebuilder:printcolumn:name="OnViolation",type=string,JSONPath=`.spec.onViolation`,description="What happens to an existing role whose identity is rejected"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PodIdentityGuardrail struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's standard metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec defines what the guardrail allows.
	// +required
	Spec PodIdentityGuardrailSpec `json:"spec,omitzero"`
}

// PodIdentityGuardrailSpec defines which namespaces are limited, and how.
type PodIdentityGuardrailSpec struct {
	// namespaceSelector selects the namespaces by labels, which tenants must not be
	// able to set; {} selects all. The label kubernetes.io/metadata.name holds a
	// namespace's name.
	// +required
	NamespaceSelector NamespaceSelector `json:"namespaceSelector,omitzero"`

	// managedPolicies limits spec.policies.managed, by ARN. The operator also reads
	// the contents of a managed policy and evaluates them against actions, resources
	// and the baseline, unless the policy is trusted.
	// +optional
	ManagedPolicies ManagedPolicyLimit `json:"managedPolicies,omitzero"`

	// inlinePolicies is Allowed (default) or Forbidden.
	// +optional
	InlinePolicies Permission `json:"inlinePolicies,omitempty"`

	// actions limits the actions that policies may allow. A statement with
	// notActions is treated as all actions. Deny statements are not limited.
	// +optional
	Actions PermissionLimit `json:"actions,omitzero"`

	// resources limits the resources that policies may grant access to. A statement
	// with notResources is treated as all resources. To allow iam:PassRole,
	// sts:AssumeRole or sts:AssumeRoot, a guardrail must list the action in actions,
	// and the roles in resources.
	// +optional
	Resources PermissionLimit `json:"resources,omitzero"`

	// permissionsBoundary is the permissions boundary of every role. It overrides
	// the boundary of a PodIdentity.
	// +optional
	PermissionsBoundary PolicyARN `json:"permissionsBoundary,omitempty"`

	// tagKeys limits the keys of spec.role.tags: policies elsewhere may grant
	// permissions by tag.
	// +optional
	TagKeys PatternLimit `json:"tagKeys,omitzero"`

	// roleNames limits spec.role.name. Generated names are always allowed.
	// +optional
	RoleNames PatternLimit `json:"roleNames,omitzero"`

	// serviceAccounts limits the names of the ServiceAccounts that get an identity.
	// +optional
	ServiceAccounts PatternLimit `json:"serviceAccounts,omitzero"`

	// namespaceTrust determines whether spec.trust.scope may be Namespace: Allowed
	// (default) or Forbidden.
	// +optional
	NamespaceTrust Permission `json:"namespaceTrust,omitempty"`

	// maxIdentities is the number of PodIdentities that a namespace may have. The
	// newest ones above it are rejected. Unlimited if unset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	MaxIdentities *int32 `json:"maxIdentities,omitempty"`

	// onViolation determines what happens to an existing role whose identity is
	// rejected. Report (default) reports the violation, and neither extends nor
	// repairs the role. Revoke also removes the role's trust and policies until the
	// identity is allowed again.
	// +optional
	OnViolation ViolationPolicy `json:"onViolation,omitempty"`

	// retention is Allowed or Forbidden. Allowed (default) accepts
	// spec.deletionPolicy: Retain. Forbidden rejects it, and deletes the role with its
	// PodIdentity even if the policy is Retain.
	// +optional
	Retention RetentionPolicy `json:"retention,omitempty"`
}

// NamespaceSelector selects namespaces by their labels, as a LabelSelector of
// Kubernetes does: all requirements must hold.
type NamespaceSelector struct {
	// matchLabels are labels that the namespace must have.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="a label key must be a name of at most 63 letters, digits, - _ and ., with an optional DNS prefix and a slash"
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// matchExpressions are requirements on the namespace's labels.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	MatchExpressions []NamespaceRequirement `json:"matchExpressions,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule=`self.matches('^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$')`,message="a label value must contain only letters, digits, - _ and ., and begin and end with a letter or digit"
type LabelValue string

// NamespaceRequirement is a requirement on one label of a namespace.
//
// +kubebuilder:validation:XValidation:rule="(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",message="values must be set with operator In and NotIn, and must not be with Exists and DoesNotExist",fieldPath=".values"
type NamespaceRequirement struct {
	// key of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",message="a label key must be a name of at most 63 letters, digits, - _ and ., with an optional DNS prefix and a slash"
	Key string `json:"key,omitempty"`

	// operator that relates the label to values.
	// +required
	Operator NamespaceOperator `json:"operator,omitempty"`

	// values of In and NotIn.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Values []LabelValue `json:"values,omitempty"`
}

// NamespaceOperator relates a label to values.
//
// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
type NamespaceOperator string

// PatternLimit limits strings by patterns.
//
// +kubebuilder:validation:XValidation:rule="has(self.allowed) || has(self.denied)",message="at least one of allowed and denied must be set"
type PatternLimit struct {
	// allowed lists patterns. A string that none of them covers is rejected. An empty
	// list allows nothing. If unset, everything is allowed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=200
	Allowed []Pattern `json:"allowed,omitzero"`

	// denied lists patterns. A string that overlaps with one of them is rejected,
	// even if allowed covers it.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Denied []Pattern `json:"denied,omitempty"`
}

// PermissionLimit limits actions or resources by patterns.
//
// +kubebuilder:validation:XValidation:rule="has(self.allowed) || has(self.denied) || has(self.additional)",message="at least one of allowed, denied and additional must be set"
type PermissionLimit struct {
	// allowed lists patterns, and replaces the baseline. A string that none of them
	// covers is rejected. An empty list allows nothing. If unset, the baseline
	// applies.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=200
	Allowed []Pattern `json:"allowed,omitzero"`

	// additional lists patterns that are allowed in addition to allowed or, without
	// allowed, in addition to the baseline.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Additional []Pattern `json:"additional,omitempty"`

	// denied lists patterns. A string that overlaps with one of them is rejected,
	// even if allowed or additional covers it.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Denied []Pattern `json:"denied,omitempty"`
}

// ManagedPolicyLimit limits managed policies by patterns of their ARNs.
//
// +kubebuilder:validation:XValidation:rule="has(self.allowed) || has(self.denied) || has(self.trusted)",message="at least one of allowed, denied and trusted must be set"
type ManagedPolicyLimit struct {
	// allowed lists patterns. A policy that none of them covers is rejected. An empty
	// list allows nothing. If it is unset, every policy whose contents are allowed is
	// allowed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=200
	Allowed []Pattern `json:"allowed,omitzero"`

	// denied lists patterns. A policy that matches one of them is rejected, even if
	// allowed covers it.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Denied []Pattern `json:"denied,omitempty"`

	// trusted lists patterns of policies whose contents are not evaluated. The owner
	// of such a policy decides what it grants: list only policies whose owners may
	// grant everything in this AWS account.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Trusted []Pattern `json:"trusted,omitempty"`
}

// Pattern matches strings. * matches any characters, ? matches one.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
type Pattern string

// RetentionPolicy defines whether roles may stay in AWS after their PodIdentity is
// deleted.
//
// +kubebuilder:validation:Enum=Allowed;Forbidden
type RetentionPolicy string

// The retention policies.
const (
	RetentionAllowed   RetentionPolicy = "Allowed"
	RetentionForbidden RetentionPolicy = "Forbidden"
)

// Permission determines whether a feature may be used.
//
// +kubebuilder:validation:Enum=Allowed;Forbidden
type Permission string

// The permissions.
const (
	PermissionAllowed   Permission = "Allowed"
	PermissionForbidden Permission = "Forbidden"
)

// ViolationPolicy determines what happens to the role of a rejected identity.
//
// +kubebuilder:validation:Enum=Report;Revoke
type ViolationPolicy string

// The policies for violations.
const (
	ViolationReport ViolationPolicy = "Report"
	ViolationRevoke ViolationPolicy = "Revoke"
)

// PodIdentityGuardrailList is a list of PodIdentityGuardrails.
//
// +kubebuilder:object:root=true
type PodIdentityGuardrailList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PodIdentityGuardrail `json:"items"`
}
