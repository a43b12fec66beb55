package v1alpha1

// Condition types of a PodIdentity. Ready, Reconciling and Stalled are those of
// kstatus (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus).
const (
	// ConditionReady is True when pods that use the ServiceAccount get the
	// identity as declared. It is there from the operator's first visit on.
	ConditionReady = "Ready"
	// ConditionReconciling is there, and True, while the operator works towards
	// the declared state or will try again by itself.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is there, and True, when the operator will not try again
	// until the object changes.
	ConditionStalled = "Stalled"
	// ConditionIssuerReady is True when IAM knows the cluster's OIDC issuer and
	// accepts tokens of the operator's audience.
	ConditionIssuerReady = "IssuerReady"
	// ConditionRoleReady is True when the IAM role exists, is this object's, and
	// is as declared.
	ConditionRoleReady = "RoleReady"
	// ConditionServiceAccountReady is True when the ServiceAccount exists and
	// carries the role's ARN.
	ConditionServiceAccountReady = "ServiceAccountReady"
	// ConditionPodsUpToDate is True when no running pod of the
	// ServiceAccount lacks the role. Ready does not depend on it.
	ConditionPodsUpToDate = "PodsUpToDate"
)

// Reasons of conditions. They are API: a reason is never renamed, and each is
// explained in docs/conditions.md.
const (
	// ReasonSucceeded says that all is as declared.
	ReasonSucceeded = "Succeeded"
	// ReasonProgressing says that the operator is at work.
	ReasonProgressing = "Progressing"
	// ReasonProgressingWithRetry says that an attempt failed and that the
	// operator will try again.
	ReasonProgressingWithRetry = "ProgressingWithRetry"
	// ReasonChangesPending says that mode Plan shows changes and makes none.
	ReasonChangesPending = "ChangesPending"

	// ReasonInvalidSpec says that the spec asks for what cannot be; the message
	// names the field and what is allowed.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonPolicyMalformed says that AWS refuses a policy of the spec.
	ReasonPolicyMalformed = "PolicyMalformed"

	// ReasonGuardrailViolated says that a guardrail of the namespace, or the
	// built-in baseline, refuses what the spec asks for.
	ReasonGuardrailViolated = "GuardrailViolated"
	// ReasonGuardrailMissing says that the operator works only for namespaces that
	// a guardrail matches, and that none does.
	ReasonGuardrailMissing = "GuardrailMissing"

	// ReasonRolePropagating says that the role is new and may not be assumable
	// everywhere yet.
	ReasonRolePropagating = "RolePropagating"
	// ReasonRoleNotOwned says that a role of that name exists and is not this
	// object's.
	ReasonRoleNotOwned = "RoleNotOwned"
	// ReasonPolicyNotFound says that a managed policy does not exist.
	ReasonPolicyNotFound = "PolicyNotFound"
	// ReasonBoundaryNotFound says that the permissions boundary does not exist.
	ReasonBoundaryNotFound = "BoundaryNotFound"
	// ReasonPrincipalInvalid says that AWS does not know a principal of the
	// trust policy.
	ReasonPrincipalInvalid = "PrincipalInvalid"
	// ReasonAccessDenied says that the operator lacks a permission; the message
	// names it.
	ReasonAccessDenied = "AccessDenied"
	// ReasonQuotaExceeded says that a quota of IAM is used up.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonCredentialsUnavailable says that the operator has no valid AWS
	// credentials.
	ReasonCredentialsUnavailable = "CredentialsUnavailable"
	// ReasonRoleUnmodifiable says that IAM does not let this role be changed.
	ReasonRoleUnmodifiable = "RoleUnmodifiable"
	// ReasonAWSUnavailable says that AWS cannot be reached or does not answer.
	ReasonAWSUnavailable = "AWSUnavailable"

	// ReasonIssuerUnknown says that the cluster's OIDC issuer could not be found
	// out.
	ReasonIssuerUnknown = "IssuerUnknown"
	// ReasonOIDCProviderNotFound says that IAM has no OIDC provider for the
	// cluster's issuer; the message has the command that makes it.
	ReasonOIDCProviderNotFound = "OIDCProviderNotFound"
	// ReasonAudienceMissing says that the OIDC provider does not accept tokens
	// of the operator's audience.
	ReasonAudienceMissing = "AudienceMissing"

	// ReasonServiceAccountConflict says that the ServiceAccount is somebody
	// else's, or carries somebody else's role.
	ReasonServiceAccountConflict = "ServiceAccountConflict"
	// ReasonServiceAccountNotFound says that a ServiceAccount that somebody
	// else makes is not there yet.
	ReasonServiceAccountNotFound = "ServiceAccountNotFound"
	// ReasonNamespaceTerminating says that the namespace is being deleted.
	ReasonNamespaceTerminating = "NamespaceTerminating"

	// ReasonPodsOutdated says that pods run that started before the ServiceAccount
	// carried the role; the message names what to restart.
	ReasonPodsOutdated = "PodsOutdated"

	// ReasonDeleting says that the identity is being taken down.
	ReasonDeleting = "Deleting"
	// ReasonDeletionBlocked says that the identity cannot be taken down; the
	// message says why and what to do.
	ReasonDeletionBlocked = "DeletionBlocked"
)
