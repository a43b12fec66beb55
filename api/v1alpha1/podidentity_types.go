package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// Finalizer keeps a PodIdentity until its IAM role is dealt with.
	Finalizer = "iam.podidentity.io/role"
	// RequestedAtAnnotation asks for a full check now: any value that differs
	// from status.lastHandledReconcileAt is a new request.
	RequestedAtAnnotation = "iam.podidentity.io/requestedAt"
)

// PodIdentity gives the pods of one ServiceAccount an AWS identity: an IAM
// role that only they can assume, with the policies declared here.
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

// PolicyARN is the ARN of an IAM managed policy.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule=`self.matches('^arn:aws[a-z0-9-]*:iam::(aws|[0-9]{12}):policy/[A-Za-z0-9_+=,.@/-]+$')`,message="must be the ARN of a managed policy, such as arn:aws:iam::123456789012:policy/name or arn:aws:iam::aws:policy/name"
type PolicyARN string

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

// PoliciesSpec defines the permissions of an identity.
type PoliciesSpec struct {
	// managed lists the ARNs of managed policies, of AWS or of the role's account.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=25
	Managed []PolicyARN `json:"managed,omitempty"`

	// inline lists the inline policies of the role. IAM stores at most 10240 characters
	// of them for a role, without the white space of documents. The API server accepts
	// documents of 40960 characters together, white space included, and statements
	// whose actions and resources, and whose conditions, have 10240 each.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:XValidation:rule="self.map(p, has(p.document) ? size(p.document) : 0).sum() <= 40960",message="the documents have more than 40960 characters together; IAM stores at most 10240 characters of inline policies for a role, without white space; move some statements to a managed policy"
	// +kubebuilder:validation:XValidation:rule="self.map(p, has(p.statements) ? p.statements.map(s, (has(s.actions) ? s.actions.map(a, size(a)).sum() : has(s.notActions) ? s.notActions.map(a, size(a)).sum() : 0) + (has(s.resources) ? s.resources.map(r, size(r)).sum() : has(s.notResources) ? s.notResources.map(r, size(r)).sum() : 0)).sum() : 0).sum() <= 10240",message="the statements have more than 10240 characters together, which is the most that IAM stores of inline policies for a role; move some statements to a managed policy"
	// +kubebuilder:validation:XValidation:rule="self.map(p, has(p.statements) ? p.statements.map(s, has(s.conditions) ? s.conditions.map(c, size(c.key) + c.values.map(v, size(v)).sum()).sum() : 0).sum() : 0).sum() <= 10240",message="the statements have more than 10240 characters together, which is the most that IAM stores of inline policies for a role; move some statements to a managed policy"
	Inline []InlinePolicy `json:"inline,omitempty"`
}

// InlinePolicy is an inline policy of the role, as typed statements or as a JSON
// document.
//
// +kubebuilder:validation:XValidation:rule="has(self.statements) != has(self.document)",message="exactly one of statements and document must be set"
type InlinePolicy struct {
	// name of the policy, unique in the role.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[A-Za-z0-9_+=,.@-]+$')`,message="the name of a policy must contain only letters, digits and _ + = , . @ -"
	Name string `json:"name"`

	// statements of the policy.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	Statements []Statement `json:"statements,omitempty"`

	// document is the policy as IAM policy JSON.
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=32768
	Document string `json:"document,omitempty"`
}

// Statement allows or denies actions on resources.
//
// +kubebuilder:validation:XValidation:rule="has(self.actions) != has(self.notActions)",message="exactly one of actions and notActions must be set"
// +kubebuilder:validation:XValidation:rule="has(self.resources) != has(self.notResources)",message="exactly one of resources and notResources must be set"
type Statement struct {
	// sid is the optional statement ID (alphanumeric).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[A-Za-z0-9]+$')`,message="a sid must contain only letters and digits"
	SID string `json:"sid,omitempty"`

	// effect is Allow or Deny.
	// +required
	Effect Effect `json:"effect"`

	// actions the statement applies to, such as s3:GetObject. Supports the wildcards
	// * and ?.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Actions []Action `json:"actions,omitempty"`

	// notActions: the statement applies to all actions except these.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	NotActions []Action `json:"notActions,omitempty"`

	// resources the statement applies to, as ARNs. Supports the wildcards * and ?.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Resources []Resource `json:"resources,omitempty"`

	// notResources: the statement applies to all resources except these.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	NotResources []Resource `json:"notResources,omitempty"`

	// conditions that must all hold for the statement to apply.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Conditions []Condition `json:"conditions,omitempty"`
}

// Effect of a statement.
//
// +kubebuilder:validation:Enum=Allow;Deny
type Effect string

// The CEL rule of an Action reports the most frequent mistake, a missing service, in
// words. The pattern accepts that mistake, so that it causes one message only. A CEL
// rule with the whole pattern would exceed the API server's cost budget.

// Action is an IAM action, such as s3:GetObject. It supports the wildcards * and ?.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=100
// +kubebuilder:validation:Pattern=`^([A-Za-z0-9-]+:)?[A-Za-z0-9*?]+$`
// +kubebuilder:validation:XValidation:rule=`self == '*' || self.contains(':')`,message="must be service:Action, such as s3:GetObject (wildcards allowed in the action name), or *"
type Action string

// Resource is the ARN of an AWS resource. It supports the wildcards * and ?.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule=`self == '*' || self.startsWith('arn:')`,message="must be an ARN (wildcards allowed), or *"
type Resource string

// Condition of a statement. It matches if the operator holds for the request key and
// any of the values.
type Condition struct {
	// operator of IAM, such as StringEquals or ForAllValues:StringLike. YAML needs
	// quotes around "Null".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^((ForAllValues|ForAnyValue):)?[A-Za-z]+$`
	Operator string `json:"operator"`

	// key of the request's context, such as aws:PrincipalAccount.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Key string `json:"key"`

	// values to compare with.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Values []ConditionValue `json:"values"`
}

// ConditionValue is a value that a condition compares with. It may be empty.
//
// +kubebuilder:validation:MaxLength=2048
type ConditionValue string

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
