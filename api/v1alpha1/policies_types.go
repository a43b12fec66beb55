package v1alpha1

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

	// notActions lists exceptions: the statement applies to all actions except these.
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

	// notResources lists exceptions: the statement applies to all resources except these.
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
	// operator is the IAM condition operator, such as StringEquals or
	// ForAllValues:StringLike. YAML needs quotes around "Null".
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

// PolicyARN is the ARN of an IAM managed policy.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule=`self.matches('^arn:aws[a-z0-9-]*:iam::(aws|[0-9]{12}):policy/[A-Za-z0-9_+=,.@/-]+$')`,message="must be the ARN of a managed policy, such as arn:aws:iam::123456789012:policy/name or arn:aws:iam::aws:policy/name"
type PolicyARN string
