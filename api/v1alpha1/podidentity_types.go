package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// Finalizer keeps a PodIdentity until its IAM role is deleted or retained.
	Finalizer = "iam.podidentity.io/role"
	// RequestedAtAnnotation requests a reconciliation now: any value that differs
	// from status.lastHandledReconcileAt is a new request.
	RequestedAtAnnotation = "iam.podidentity.io/requestedAt"
)

// PodIdentity gives the pods of one ServiceAccount an AWS identity: an IAM
// role that only they can assume, with the policies that the spec defines.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=podidentities,singular=podidentity,shortName=podid,categories=aws
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the identity can be used"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why it is or is not ready"
// +kubebuilder:printcolumn:name="ServiceAccount",type=string,JSONPath=`.status.serviceAccount.name`,description="The ServiceAccount whose pods have the identity"
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.status.role.arn`,priority=1,description="The IAM role"
// +kubebuilder:printcolumn:name="Last used",type=date,JSONPath=`.status.role.lastUsedTime`,priority=1,description="How long ago a pod last used the role, to the day"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.serviceAccount.name`
// +kubebuilder:selectablefield:JSONPath=`.status.role.arn`
// +kubebuilder:validation:XValidation:rule="(has(self.spec.serviceAccount) && has(self.spec.serviceAccount.name) ? self.spec.serviceAccount.name : self.metadata.name) == (has(oldSelf.spec.serviceAccount) && has(oldSelf.spec.serviceAccount.name) ? oldSelf.spec.serviceAccount.name : oldSelf.metadata.name)",message="spec.serviceAccount.name is immutable: to move the identity to another ServiceAccount, delete this PodIdentity and create another",fieldPath=".spec.serviceAccount"
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.status) || !has(oldSelf.status.role) || (has(self.spec.role) && has(self.spec.role.name) ? self.spec.role.name : "") == (has(oldSelf.spec.role) && has(oldSelf.spec.role.name) ? oldSelf.spec.role.name : "")`,message="spec.role.name is immutable once the role exists: IAM cannot rename a role; delete this PodIdentity and create another",fieldPath=".spec.role"
type PodIdentity struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's standard metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired identity. Optional. It defaults to {} so that server-side
	// apply of an object without spec fields keeps working.
	// +optional
	// +kubebuilder:default:={}
	Spec PodIdentitySpec `json:"spec,omitzero"`

	// status is the most recently observed state. It is output only.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status PodIdentityStatus `json:"status,omitzero"`
}

// The sections default to {}: server-side apply makes null of a section that an apply
// empties, and the API server accepts null only where there is a default.

// PodIdentitySpec is the desired identity. Every field is optional: an empty spec
// creates a role without permissions for a ServiceAccount with the object's name.
//
// +kubebuilder:validation:XValidation:rule="!has(self.additionalServiceAccounts) || size(self.additionalServiceAccounts) == 0 || !has(self.trust) || !has(self.trust.scope) || self.trust.scope != 'Namespace'",message="additionalServiceAccounts must be empty when trust.scope is Namespace: every ServiceAccount of the namespace is trusted already",fieldPath=".additionalServiceAccounts"
type PodIdentitySpec struct {
	// serviceAccount is the ServiceAccount that gets the identity.
	// +optional
	// +kubebuilder:default:={}
	ServiceAccount ServiceAccountSpec `json:"serviceAccount,omitzero"`

	// additionalServiceAccounts lists other ServiceAccounts of the same namespace
	// that may assume the role. The role trusts each by its exact name. The operator
	// annotates them and creates none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	AdditionalServiceAccounts []ServiceAccountName `json:"additionalServiceAccounts,omitempty"`

	// role holds the settings of the IAM role other than its policies.
	// +optional
	// +kubebuilder:default:={}
	Role RoleSpec `json:"role,omitzero"`

	// policies are the permissions of the identity. The operator manages the role
	// exclusively: it removes policies that are not listed here.
	// +optional
	// +kubebuilder:default:={}
	Policies PoliciesSpec `json:"policies,omitzero"`

	// trust defines who may assume the role. The trust policy document is always
	// generated.
	// +optional
	// +kubebuilder:default:={}
	Trust TrustSpec `json:"trust,omitzero"`

	// deletionPolicy determines what happens to the IAM role when the PodIdentity is
	// deleted: Delete (default) deletes it, Retain keeps it unchanged.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// mode is Apply or Plan. Apply (default) reconciles the identity. Plan reports
	// pending changes in status.plan without applying them.
	// +optional
	Mode Mode `json:"mode,omitempty"`

	// suspend suspends reconciliation. Deletion, and revocation by a guardrail, are
	// still processed.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// ServiceAccountName is the name of a ServiceAccount.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule=`self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')`,message="the name of a ServiceAccount must contain only lower case letters, digits, - and ., and begin and end with a letter or digit"
type ServiceAccountName string

// ServiceAccountSpec names a ServiceAccount and defines how it is managed.
type ServiceAccountSpec struct {
	// name of the ServiceAccount. Defaults to metadata.name. Immutable.
	// +optional
	Name ServiceAccountName `json:"name,omitempty"`

	// mode is Create or Annotate. Create (default) creates and owns the
	// ServiceAccount. Annotate annotates an existing ServiceAccount that is managed
	// elsewhere.
	// +optional
	Mode ServiceAccountMode `json:"mode,omitempty"`

	// tokenExpirationSeconds is the lifetime of the tokens that are projected into
	// pods (annotation eks.amazonaws.com/token-expiration). If unset, the webhook's
	// default applies, 86400.
	// +optional
	// +kubebuilder:validation:Minimum=600
	// +kubebuilder:validation:Maximum=86400
	TokenExpirationSeconds int32 `json:"tokenExpirationSeconds,omitempty"`
}

// ServiceAccountMode defines how a ServiceAccount is managed.
//
// +kubebuilder:validation:Enum=Create;Annotate
type ServiceAccountMode string

// The modes of a ServiceAccount.
const (
	ServiceAccountCreate   ServiceAccountMode = "Create"
	ServiceAccountAnnotate ServiceAccountMode = "Annotate"
)

// RoleSpec holds the settings of the IAM role other than its policies.
type RoleSpec struct {
	// name of the role. If empty, the operator generates one:
	// <cluster>_<namespace>_<name>_<hash>. Immutable. The role is always created
	// under the operator's path. Role names are case-insensitively unique within an
	// account.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[A-Za-z0-9_+=,.@-]+$')`,message="the name of a role must contain only letters, digits and _ + = , . @ -; it has no path"
	Name string `json:"name,omitempty"`

	// description of the role, in Latin-1 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=1000
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[\\x09\\x0A\\x0D\\x20-\\x7E\\xA1-\\xFF]*$')`,message="a description must contain only Latin-1 characters"
	Description string `json:"description,omitempty"`

	// maxSessionDurationSeconds is the longest session that a pod can request.
	// Defaults to 3600.
	// +optional
	// +kubebuilder:validation:Minimum=3600
	// +kubebuilder:validation:Maximum=43200
	MaxSessionDurationSeconds int32 `json:"maxSessionDurationSeconds,omitempty"`

	// permissionsBoundary is the ARN of the policy that limits the role's
	// permissions. A boundary that the operator or a guardrail enforces overrides it.
	// +optional
	PermissionsBoundary PolicyARN `json:"permissionsBoundary,omitempty"`

	// tags of the role, in addition to the ownership tags. Keys are unique without
	// regard to case and must not begin with aws: or iam.podidentity.io/.
	// +optional
	// +kubebuilder:default:={}
	// +kubebuilder:validation:MaxProperties=45
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) >= 1 && size(k) <= 128)",message="a tag key must have 1 to 128 characters"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.lowerAscii().startsWith('aws:') && !k.lowerAscii().startsWith('iam.podidentity.io/'))",message="tag keys must not begin with aws: or iam.podidentity.io/, which are reserved"
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^[\\\\p{L}\\\\p{Z}\\\\p{N}_.:/=+@-]+$'))",message="a tag key must contain only letters, digits, spaces and _ . : / = + - @"
	Tags map[string]TagValue `json:"tags,omitempty"`

	// adoptionPolicy determines what happens if the role already exists and this
	// object does not own it: Never (default) does not touch it, IfTagged adopts it
	// if its tags identify this cluster, namespace and object.
	// +optional
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`
}

// TagValue is the value of an IAM tag.
//
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule=`self.matches('^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]*$')`,message="a tag value must contain only letters, digits, spaces and _ . : / = + - @"
type TagValue string

// AdoptionPolicy defines which existing roles the operator adopts.
//
// +kubebuilder:validation:Enum=Never;IfTagged
type AdoptionPolicy string

// The adoption policies.
const (
	AdoptionNever    AdoptionPolicy = "Never"
	AdoptionIfTagged AdoptionPolicy = "IfTagged"
)

// TrustSpec defines who may assume the role.
type TrustSpec struct {
	// scope is ServiceAccount or Namespace. ServiceAccount (default) trusts exactly
	// the named ServiceAccounts. Namespace trusts every ServiceAccount of the
	// namespace.
	// +optional
	Scope TrustScope `json:"scope,omitempty"`
}

// TrustScope defines which ServiceAccounts the role trusts.
//
// +kubebuilder:validation:Enum=ServiceAccount;Namespace
type TrustScope string

// The scopes of trust.
const (
	TrustServiceAccount TrustScope = "ServiceAccount"
	TrustNamespace      TrustScope = "Namespace"
)

// DeletionPolicy determines what happens to a role when its PodIdentity is deleted.
//
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

// The deletion policies.
const (
	DeletionDelete DeletionPolicy = "Delete"
	DeletionRetain DeletionPolicy = "Retain"
)

// Mode determines whether the operator applies changes or only reports them.
//
// +kubebuilder:validation:Enum=Apply;Plan
type Mode string

// The modes of reconciliation.
const (
	ModeApply Mode = "Apply"
	ModePlan  Mode = "Plan"
)

// PodIdentityList is a list of PodIdentities.
//
// +kubebuilder:object:root=true
type PodIdentityList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PodIdentity `json:"items"`
}
