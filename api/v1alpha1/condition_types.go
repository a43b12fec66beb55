package v1alpha1

// Condition types of a PodIdentity. Ready, Reconciling and Stalled are those of
// kstatus (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus).
const (
	// ConditionReady is True when pods that use the ServiceAccount get the identity.
	// It is always present after the first reconciliation.
	ConditionReady = "Ready"
	// ConditionReconciling is present, and True, while the operator reconciles the
	// object or will retry.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is present, and True, when the operator does not retry until
	// the object changes.
	ConditionStalled = "Stalled"
	// ConditionSuspended is present, and True, while spec.suspend is true.
	ConditionSuspended = "Suspended"
	// ConditionIssuerReady is True when IAM knows the cluster's OIDC issuer and
	// accepts tokens of the operator's audience.
	ConditionIssuerReady = "IssuerReady"
	// ConditionRoleReady is True when the IAM role exists, this object owns it, and it
	// is in sync with the spec.
	ConditionRoleReady = "RoleReady"
	// ConditionServiceAccountReady is True when the ServiceAccount exists and is
	// annotated with the role's ARN.
	ConditionServiceAccountReady = "ServiceAccountReady"
	// ConditionPodsUpToDate is True when all running pods of the ServiceAccount use
	// the role. Ready does not depend on it.
	ConditionPodsUpToDate = "PodsUpToDate"
)

// Reasons of conditions. They are API: a reason is never renamed, and each is
// explained in docs/conditions.md.
const (
	// ReasonSucceeded: the identity, or the part that the condition covers, is in sync.
	ReasonSucceeded = "Succeeded"
	// ReasonProgressing: reconciliation is in progress.
	ReasonProgressing = "Progressing"
	// ReasonProgressingWithRetry: an attempt failed and the operator retries.
	ReasonProgressingWithRetry = "ProgressingWithRetry"
	// ReasonChangesPending: mode Plan reports changes that are not applied.
	ReasonChangesPending = "ChangesPending"

	// ReasonSuspended: spec.suspend is true, so the operator does not apply the spec.
	ReasonSuspended = "Suspended"

	// ReasonInvalidSpec: the spec is invalid. The message names the field and the
	// allowed values.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonPolicyMalformed: AWS rejects a policy of the spec.
	ReasonPolicyMalformed = "PolicyMalformed"

	// ReasonGuardrailViolated: a guardrail of the namespace, or the built-in baseline,
	// rejects the spec.
	ReasonGuardrailViolated = "GuardrailViolated"
	// ReasonGuardrailMissing: the operator requires a guardrail for the namespace, and
	// there is none.
	ReasonGuardrailMissing = "GuardrailMissing"

	// ReasonRolePropagating: the role is new and may not be assumable in all regions
	// yet.
	ReasonRolePropagating = "RolePropagating"
	// ReasonRoleNotOwned: a role of that name exists and has another owner.
	ReasonRoleNotOwned = "RoleNotOwned"
	// ReasonPolicyNotFound: a managed policy does not exist.
	ReasonPolicyNotFound = "PolicyNotFound"
	// ReasonBoundaryNotFound: the permissions boundary does not exist.
	ReasonBoundaryNotFound = "BoundaryNotFound"
	// ReasonPrincipalInvalid: AWS does not know a principal of the trust policy.
	ReasonPrincipalInvalid = "PrincipalInvalid"
	// ReasonAccessDenied: the operator lacks a permission. The message names it.
	ReasonAccessDenied = "AccessDenied"
	// ReasonQuotaExceeded: an IAM quota has been reached.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonCredentialsUnavailable: the operator has no valid AWS credentials.
	ReasonCredentialsUnavailable = "CredentialsUnavailable"
	// ReasonRoleUnmodifiable: IAM does not allow changes to this role.
	ReasonRoleUnmodifiable = "RoleUnmodifiable"
	// ReasonAWSUnavailable: AWS is unreachable or does not answer.
	ReasonAWSUnavailable = "AWSUnavailable"

	// ReasonIssuerUnknown: the operator could not discover the cluster's OIDC issuer.
	ReasonIssuerUnknown = "IssuerUnknown"
	// ReasonOIDCProviderNotFound: IAM has no OIDC provider for the cluster's issuer. The
	// message contains the command that creates it.
	ReasonOIDCProviderNotFound = "OIDCProviderNotFound"
	// ReasonAudienceMissing: the OIDC provider does not accept tokens of the
	// configured audience.
	ReasonAudienceMissing = "AudienceMissing"

	// ReasonServiceAccountConflict: the ServiceAccount has another owner, or is
	// annotated with a different role.
	ReasonServiceAccountConflict = "ServiceAccountConflict"
	// ReasonServiceAccountNotFound: a ServiceAccount that is managed elsewhere does not
	// exist yet.
	ReasonServiceAccountNotFound = "ServiceAccountNotFound"
	// ReasonNamespaceTerminating: the namespace is being deleted.
	ReasonNamespaceTerminating = "NamespaceTerminating"

	// ReasonPodsOutdated: pods started before the ServiceAccount was annotated with the
	// role. The message names the workloads to restart.
	ReasonPodsOutdated = "PodsOutdated"

	// ReasonDeleting: deletion is in progress.
	ReasonDeleting = "Deleting"
	// ReasonDeletionBlocked: the operator cannot delete the role. The message states the
	// cause and what to do.
	ReasonDeletionBlocked = "DeletionBlocked"
)
