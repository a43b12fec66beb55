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
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.serviceAccount.name`
// +kubebuilder:selectablefield:JSONPath=`.status.role.arn`
// +kubebuilder:validation:XValidation:rule="(has(self.spec.serviceAccount) && has(self.spec.serviceAccount.name) ? self.spec.serviceAccount.name : self.metadata.name) == (has(oldSelf.spec.serviceAccount) && has(oldSelf.spec.serviceAccount.name) ? oldSelf.spec.serviceAccount.name : oldSelf.metadata.name)",message="spec.serviceAccount.name is immutable: to move the identity to another ServiceAccount, delete this PodIdentity and create another",fieldPath=".spec.serviceAccount"
// +kubebuilder:validation:XValidation:rule=`(has(self.spec.role) && has(self.spec.role.name) ? self.spec.role.name : "") == (has(oldSelf.spec.role) && has(oldSelf.spec.role.name) ? oldSelf.spec.role.name : "")`,message="spec.role.name is immutable: IAM cannot rename a role; delete this PodIdentity and create another",fieldPath=".spec.role"
type PodIdentity struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's standard metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the identity as declared. It may be left out. The default also
	// serves whoever applies an object and then the same without any field left:
	// server-side apply makes null of such a spec.
	// +optional
	// +kubebuilder:default:={}
	Spec PodIdentitySpec `json:"spec,omitzero"`

	// status is what the operator last found to be true. It is output: the
	// operator never takes its own status for a fact.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status PodIdentityStatus `json:"status,omitzero"`
}

// PodIdentitySpec declares an identity. Every field is optional: the empty spec
// is a role without rights for the ServiceAccount of the object's own name.
//
// +kubebuilder:validation:XValidation:rule="!has(self.additionalServiceAccounts) || !has(self.trust) || !has(self.trust.scope) || self.trust.scope != 'Namespace'",message="additionalServiceAccounts must be empty when trust.scope is Namespace: every ServiceAccount of the namespace is trusted already",fieldPath=".additionalServiceAccounts"
type PodIdentitySpec struct {
	// serviceAccount is the ServiceAccount that gets the identity.
	// +optional
	ServiceAccount ServiceAccountSpec `json:"serviceAccount,omitzero"`

	// additionalServiceAccounts names further ServiceAccounts of the same
	// namespace that may assume the role. Each is trusted by its exact name and
	// annotated; none is created.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	AdditionalServiceAccounts []ServiceAccountName `json:"additionalServiceAccounts,omitempty"`

	// role is the IAM role beside its policies.
	// +optional
	Role RoleSpec `json:"role,omitzero"`

	// policies are the rights of the identity. The role is exclusively the
	// operator's: policies that are not declared here are removed from it.
	// +optional
	Policies PoliciesSpec `json:"policies,omitzero"`

	// trust says who may assume the role. The trust policy itself is always
	// generated, never typed.
	// +optional
	Trust TrustSpec `json:"trust,omitzero"`

	// deletionPolicy says what becomes of the IAM role when the PodIdentity is
	// deleted: Delete (the default) deletes it, Retain leaves it as it is.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// mode Apply (the default) makes the identity so. Plan computes the changes,
	// shows them in status.plan, and makes none.
	// +optional
	Mode Mode `json:"mode,omitempty"`

	// suspend stops all work on this object but its deletion.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// ServiceAccountName is the name of a ServiceAccount.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule=`self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')`,message="the name of a ServiceAccount must hold only lower case letters, digits, - and ., and begin and end with a letter or digit"
type ServiceAccountName string

// ServiceAccountSpec names a ServiceAccount and says whose it is.
type ServiceAccountSpec struct {
	// name of the ServiceAccount; metadata.name if empty. Immutable.
	// +optional
	Name ServiceAccountName `json:"name,omitempty"`

	// mode Create (the default) makes the ServiceAccount, after its role, and
	// deletes it with the PodIdentity. Annotate applies one annotation to a
	// ServiceAccount that somebody else makes.
	// +optional
	Mode ServiceAccountMode `json:"mode,omitempty"`

	// tokenExpirationSeconds is the lifetime of the tokens that are projected
	// into pods (annotation eks.amazonaws.com/token-expiration); AWS's webhook
	// takes 86400 if it is not set.
	// +optional
	// +kubebuilder:validation:Minimum=600
	// +kubebuilder:validation:Maximum=86400
	TokenExpirationSeconds int32 `json:"tokenExpirationSeconds,omitempty"`
}

// ServiceAccountMode says who makes a ServiceAccount.
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

// RoleSpec declares the IAM role beside its policies.
//
// +kubebuilder:validation:MinProperties=1
type RoleSpec struct {
	// name of the role. If empty one is generated, as
	// <cluster>_<namespace>_<name>_<hash>. Immutable. The role lies in the
	// operator's path either way; IAM names are unique in an account without
	// regard to case.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[A-Za-z0-9_+=,.@-]+$')`,message="the name of a role must hold only letters, digits and _ + = , . @ -; it has no path"
	Name string `json:"name,omitempty"`

	// description of the role, in Latin-1 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=1000
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[\\x09\\x0A\\x0D\\x20-\\x7E\\xA1-\\xFF]*$')`,message="a description must hold only Latin-1 characters"
	Description string `json:"description,omitempty"`

	// maxSessionDurationSeconds is the longest session that a pod may ask for;
	// 3600 if not set.
	// +optional
	// +kubebuilder:validation:Minimum=3600
	// +kubebuilder:validation:Maximum=43200
	MaxSessionDurationSeconds int32 `json:"maxSessionDurationSeconds,omitempty"`

	// permissionsBoundary is the ARN of the policy that bounds the role's
	// rights. A boundary that the operator's configuration forces wins.
	// +optional
	PermissionsBoundary PolicyARN `json:"permissionsBoundary,omitempty"`

	// tags of the role, beside those that say whose it is. Keys are unique
	// without regard to case and must not begin with aws: or iam.podidentity.io/.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=45
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) >= 1 && size(k) <= 128)",message="a tag key must have 1 to 128 characters"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.lowerAscii().startsWith('aws:') && !k.lowerAscii().startsWith('iam.podidentity.io/'))",message="tag keys must not begin with aws: or iam.podidentity.io/, which are reserved"
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^[\\\\p{L}\\\\p{Z}\\\\p{N}_.:/=+@-]+$'))",message="a tag key must hold only letters, digits, spaces and _ . : / = + - @"
	Tags map[string]TagValue `json:"tags,omitempty"`

	// adoption says what to do if the role exists already and is not this
	// object's: Never (the default) leaves it alone; Tagged takes it over if its
	// tags name this cluster, namespace and object.
	// +optional
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`
}

// TagValue is the value of an IAM tag.
//
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule=`self.matches('^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]*$')`,message="a tag value must hold only letters, digits, spaces and _ . : / = + - @"
type TagValue string

// AdoptionPolicy says which existing roles may be taken over.
//
// +kubebuilder:validation:Enum=Never;IfTagged
type AdoptionPolicy string

// The kinds of adoption.
const (
	AdoptionNever    AdoptionPolicy = "Never"
	AdoptionIfTagged AdoptionPolicy = "IfTagged"
)

// PoliciesSpec declares the rights of an identity.
//
// +kubebuilder:validation:MinProperties=1
type PoliciesSpec struct {
	// managed lists managed policies, AWS's or the account's own, by ARN.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	Managed []PolicyARN `json:"managed,omitempty"`

	// inline lists policies that belong to this role alone.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Inline []InlinePolicy `json:"inline,omitempty"`
}

// InlinePolicy is a policy of one role, as typed statements or as the JSON
// document that the AWS console and documentation show.
//
// +kubebuilder:validation:XValidation:rule="has(self.statements) != has(self.document)",message="exactly one of statements and document must be set"
type InlinePolicy struct {
	// name of the policy, unique in the role.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[A-Za-z0-9_+=,.@-]+$')`,message="the name of a policy must hold only letters, digits and _ + = , . @ -"
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
	// sid identifies the statement in its policy, in letters and digits.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[A-Za-z0-9]+$')`,message="a sid must hold only letters and digits"
	SID string `json:"sid,omitempty"`

	// effect is Allow or Deny.
	// +required
	Effect Effect `json:"effect"`

	// actions that the statement is about, such as s3:GetObject; * and ? match.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Actions []Action `json:"actions,omitempty"`

	// notActions makes the statement about all actions but these.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	NotActions []Action `json:"notActions,omitempty"`

	// resources that the statement is about, as ARNs; * and ? match.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	Resources []Resource `json:"resources,omitempty"`

	// notResources makes the statement about all resources but these.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	NotResources []Resource `json:"notResources,omitempty"`

	// conditions that must all hold for the statement to apply.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	Conditions []Condition `json:"conditions,omitempty"`
}

// Effect of a statement.
//
// +kubebuilder:validation:Enum=Allow;Deny
type Effect string

// The rule of an Action says in words what is missed most often, the service; the
// pattern has no opinion on that, so that one mistake is one message. A rule with
// the whole pattern would cost more than the API server allows.

// Action is an IAM action, such as s3:GetObject; * and ? match.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=100
// +kubebuilder:validation:Pattern=`^([A-Za-z0-9-]+:)?[A-Za-z0-9*?]+$`
// +kubebuilder:validation:XValidation:rule=`self == '*' || self.contains(':')`,message="must be an action as service:Name, such as s3:GetObject, where * and ? match in the name, or * for all"
type Action string

// Resource is the ARN of an AWS resource; * and ? match.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule=`self == '*' || self.startsWith('arn:')`,message="must be an ARN, where * and ? match, or * for all"
type Resource string

// Condition of a statement: it holds if the operator is true of the key's value
// in the request and one of the values.
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
	// +kubebuilder:validation:MaxItems=100
	Values []ConditionValue `json:"values"`
}

// ConditionValue is a value that a condition compares with. It may be empty.
//
// +kubebuilder:validation:MaxLength=2048
type ConditionValue string

// TrustSpec says who may assume the role.
//
// +kubebuilder:validation:MinProperties=1
type TrustSpec struct {
	// scope ServiceAccount (the default) trusts the named ServiceAccounts, each
	// exactly; Namespace trusts every ServiceAccount of the namespace.
	// +optional
	Scope TrustScope `json:"scope,omitempty"`
}

// TrustScope says how many ServiceAccounts are trusted.
//
// +kubebuilder:validation:Enum=ServiceAccount;Namespace
type TrustScope string

// The scopes of trust.
const (
	TrustServiceAccount TrustScope = "ServiceAccount"
	TrustNamespace      TrustScope = "Namespace"
)

// DeletionPolicy says what becomes of a role when its PodIdentity is deleted.
//
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

// The policies of deletion.
const (
	DeletionDelete DeletionPolicy = "Delete"
	DeletionRetain DeletionPolicy = "Retain"
)

// Mode says whether changes are made or only shown.
//
// +kubebuilder:validation:Enum=Apply;Plan
type Mode string

// The modes of work.
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
