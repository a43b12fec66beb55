package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PodIdentityGuardrail bounds what the PodIdentities of some namespaces may ask
// for. It is the platform team's: the operator holds every identity against it on
// every visit, whoever applied it, and refuses one that asks for more.
//
// What a guardrail does not speak of is bounded by the baseline that is built into
// the operator and that rules namespaces without a guardrail: no administration of
// IAM, and not everything at once. If several guardrails match a namespace, all
// must allow an identity.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=podidentityguardrails,singular=podidentityguardrail,shortName=podidguard,categories=aws,scope=Cluster
// +kubebuilder:printcolumn:name="Boundary",type=string,JSONPath=`.spec.permissionsBoundary`,description="The permissions boundary that it forces on roles"
// +kubebuilder:printcolumn:name="Identities",type=integer,JSONPath=`.spec.maxIdentities`,description="How many PodIdentities a namespace may have"
// +kubebuilder:printcolumn:name="OnViolation",type=string,JSONPath=`.spec.onViolation`,description="What becomes of the rights of an identity that it comes to forbid"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PodIdentityGuardrail struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's standard metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the guardrail allows.
	// +required
	Spec PodIdentityGuardrailSpec `json:"spec,omitzero"`
}

// PodIdentityGuardrailSpec says which namespaces are bounded, and how.
type PodIdentityGuardrailSpec struct {
	// namespaceSelector selects the namespaces, by labels that tenants must not be
	// able to set; {} selects all. The label kubernetes.io/metadata.name is a
	// namespace's name.
	// +required
	NamespaceSelector NamespaceSelector `json:"namespaceSelector,omitzero"`

	// managedPolicies bounds spec.policies.managed, by ARN. A policy of the
	// account's own is what its owner makes of it: allow those whose content you
	// trust, not all of the account.
	// +optional
	ManagedPolicies PatternLimit `json:"managedPolicies,omitzero"`

	// inlinePolicies Allowed (the default) or Forbidden.
	// +optional
	InlinePolicies Permission `json:"inlinePolicies,omitempty"`

	// actions bounds what inline policies may allow. A statement with notActions
	// counts as one about all actions. What a policy denies is not bounded.
	// +optional
	Actions PatternLimit `json:"actions,omitzero"`

	// resources bounds on what inline policies may allow it. A statement with
	// notResources counts as one about all resources.
	// +optional
	Resources PatternLimit `json:"resources,omitzero"`

	// permissionsBoundary is forced on every role as its permissions boundary,
	// whatever the PodIdentity says.
	// +optional
	PermissionsBoundary PolicyARN `json:"permissionsBoundary,omitempty"`

	// tagKeys bounds the keys of spec.role.tags: policies elsewhere may give rights
	// by them.
	// +optional
	TagKeys PatternLimit `json:"tagKeys,omitzero"`

	// roleNames bounds spec.role.name. Names that the operator generates are
	// allowed.
	// +optional
	RoleNames PatternLimit `json:"roleNames,omitzero"`

	// serviceAccounts bounds the names of ServiceAccounts that get an identity.
	// +optional
	ServiceAccounts PatternLimit `json:"serviceAccounts,omitzero"`

	// namespaceTrust says whether spec.trust.scope may be Namespace: Allowed (the
	// default) or Forbidden.
	// +optional
	NamespaceTrust Permission `json:"namespaceTrust,omitempty"`

	// maxIdentities is how many PodIdentities a namespace may have; of more, the
	// newest are refused. Not set, there is no bound.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	MaxIdentities *int32 `json:"maxIdentities,omitempty"`

	// onViolation says what becomes of an identity that has a role and is not
	// allowed any more. Report (the default) says so, and neither widens nor repairs
	// the role. Revoke also takes away its trust and its policies, until the
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
// Kubernetes does: all that it says must hold.
type NamespaceSelector struct {
	// matchLabels are labels that the namespace must have.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="a label key must be a name of at most 63 letters, digits, - _ and ., after a domain and a slash or not"
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
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",message="a label key must be a name of at most 63 letters, digits, - _ and ., after a domain and a slash or not"
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

// PatternLimit bounds a set of strings by patterns.
//
// +kubebuilder:validation:XValidation:rule="has(self.allowed) || has(self.denied)",message="at least one of allowed and denied must be set"
type PatternLimit struct {
	// allowed lists patterns; what none of them covers is refused. An empty list
	// allows nothing. Not set, all is allowed that the built-in baseline does not
	// refuse.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=200
	Allowed []Pattern `json:"allowed,omitzero"`

	// denied lists patterns; what meets any of them is refused, allowed or not: a
	// pattern that only may reach what is denied meets it.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Denied []Pattern `json:"denied,omitempty"`
}

// Pattern matches strings; * stands for any characters, ? for one.
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

// Permission says whether something may be used at all.
//
// +kubebuilder:validation:Enum=Allowed;Forbidden
type Permission string

// The permissions.
const (
	PermissionAllowed   Permission = "Allowed"
	PermissionForbidden Permission = "Forbidden"
)

// ViolationPolicy says what becomes of an identity that is not allowed any more.
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
