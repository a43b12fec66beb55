package awsiam

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithy "github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

func TestErrorCodes_HaveMessageAndReason(t *testing.T) {
	for code, v := range errorCodes {
		if v.message == nil || v.reason == "" {
			t.Errorf("%s: no words or no reason", code)
		}
		if v.kind == fault.Waiting {
			t.Errorf("%s: an error of AWS is not a thing to wait for", code)
		}
	}
}

const (
	boundaryARN = "arn:aws:iam::123456789012:policy/podidentity-boundary"
	policyARN   = "arn:aws:iam::123456789012:policy/shop-read"
	roleARN     = "arn:aws:iam::123456789012:role/podidentity/prod/prod_shop_checkout_0f0f0f0f"
	denial      = "User: arn:aws:sts::123456789012:assumed-role/podidentity-operator/1789000000000000000 is not authorized to perform: "
)

// Users see an error of AWS as a kind, a reason and a message that names the required
// action, and nothing that differs between two attempts.
func TestClassify_KindReasonAndStableMessage(t *testing.T) {
	create := plan.CreateRole{Role: plan.Role{Trust: "{}", Boundary: boundaryARN}}
	put := plan.PutRolePolicy{Name: "bucket", Policy: plan.InlinePolicy{Document: "{}"}}
	attach := plan.AttachPolicy{ARN: policyARN}
	summary := `<GetAccountSummaryResponse><GetAccountSummaryResult><SummaryMap>
		<entry><key>AttachedPoliciesPerRoleQuota</key><value>20</value></entry>
		<entry><key>RolesQuota</key><value>5000</value></entry>
		</SummaryMap></GetAccountSummaryResult></GetAccountSummaryResponse>`

	cases := map[string]struct {
		reason        string
		change        plan.Change
		status        int
		code, message string
		summary       string // what GetAccountSummary answers; empty if it is rejected
		wantKind      fault.Kind
		wantReason    string
		want          string
	}{
		"Throttled": {
			reason: "A throttled account needs no action.",
			change: put, status: 400, code: "Throttling", message: "Rate exceeded",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonProgressingWithRetry,
			want: "role r: AWS IAM is throttling this account (Throttling of PutRolePolicy); retrying",
		},
		"ServerError": {
			reason: "An unavailable IAM recovers without a user.",
			change: put, status: 500, code: "ServiceFailure", message: "An error occurred.",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonAWSUnavailable,
			want: "role r: AWS IAM is temporarily unavailable (ServiceFailure of PutRolePolicy); retrying",
		},
		"ConcurrentModification": {
			reason: "A conflict ends without a user.",
			change: create, status: 409, code: "ConcurrentModification", message: "Request was rejected.",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonProgressingWithRetry,
			want: "role r: concurrent modification (ConcurrentModification of CreateRole); retrying",
		},
		"TemporarilyUnmodifiable": {
			reason: "The error itself states that a retry helps.",
			change: put, status: 409, code: "EntityTemporarilyUnmodifiable", message: "Wait.",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonProgressingWithRetry,
			want: "role r: concurrent modification (EntityTemporarilyUnmodifiable of PutRolePolicy); retrying",
		},
		"DeleteConflict": {
			reason: "Another tool attached something to the role since it was observed: observe it again.",
			change: plan.DeleteRole{}, status: 409, code: "DeleteConflict", message: "Cannot delete entity, must detach all policies first.",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonProgressingWithRetry,
			want: "role r: the role changed during reconciliation (DeleteConflict of DeleteRole); retrying",
		},
		"RoleVanished": {
			reason: "A role that disappears between two changes will be recreated.",
			change: attach, status: 404, code: "NoSuchEntity", message: "The role with name r cannot be found.",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonProgressingWithRetry,
			want: "role r: resource not found; it was deleted or has not propagated yet (NoSuchEntity of AttachRolePolicy); retrying",
		},
		"RoleVanishedBeforeTags": {
			reason: "If a change names nothing else, only the role can be missing.",
			change: plan.TagRole{Tags: map[string]string{"a": "b"}}, status: 404, code: "NoSuchEntity", message: "Not found.",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonProgressingWithRetry,
			want: "role r: resource not found; it was deleted or has not propagated yet (NoSuchEntity of TagRole); retrying",
		},
		"UnknownCode": {
			reason: "An unknown error is retried, as that is safe.",
			change: put, status: 400, code: "Surprise", message: "You did not see this coming.",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonProgressingWithRetry,
			want: "role r: AWS IAM rejected PutRolePolicy: Surprise: You did not see this coming",
		},
		"DeniedByOmission": {
			reason: "The message names the missing action, without the session.",
			change: create, status: 403, code: "AccessDenied", message: denial + "iam:CreateRole on resource: " + roleARN + " because no identity-based policy allows the iam:CreateRole action",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "role r: the operator is missing the IAM permission iam:CreateRole on " + roleARN + "; see config/aws/operator-policy.json",
		},
		"DeniedImpliedAction": {
			reason: "One call may need several actions; AWS names the missing one.",
			change: create, status: 403, code: "AccessDenied", message: denial + "iam:TagRole on resource: " + roleARN,
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "role r: the operator is missing the IAM permission iam:TagRole on " + roleARN + "; see config/aws/operator-policy.json",
		},
		"DeniedExplicitly": {
			reason: "The explicit deny must be removed; allowing more would not help.",
			change: put, status: 403, code: "AccessDenied", message: denial + "iam:PutRolePolicy on resource: role r with an explicit deny in an identity-based policy: arn:aws:iam::123456789012:policy/no",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "role r: iam:PutRolePolicy on role r is explicitly denied by an identity-based policy; see config/aws/operator-policy.json",
		},
		"DeniedExplicitlyByWhat": {
			reason: "AWS does not always name the policy with the deny.",
			change: create, status: 403, code: "AccessDenied", message: denial + "iam:CreateRole on resource: " + roleARN + " with an explicit deny",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "role r: iam:CreateRole on " + roleARN + " is explicitly denied by a policy; see config/aws/operator-policy.json",
		},
		"DeniedByOrganization": {
			reason: "No policy of the operator helps against a service control policy.",
			change: put, status: 403, code: "AccessDenied", message: denial + "iam:PutRolePolicy on resource: role r because no service control policy allows the iam:PutRolePolicy action",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "role r: iam:PutRolePolicy on role r is not allowed by any service control policy that applies to the operator",
		},
		"DeniedByBoundary": {
			reason: "No policy of the operator helps against the operator's own boundary.",
			change: put, status: 403, code: "AccessDenied", message: denial + "iam:PutRolePolicy on resource: role r because no permissions boundary allows the iam:PutRolePolicy action",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "role r: iam:PutRolePolicy on role r is not allowed by any permissions boundary that applies to the operator",
		},
		"DeniedWithoutWords": {
			reason: "If AWS names no action, it is that of the call.",
			change: put, status: 403, code: "AccessDeniedException", message: "",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "role r: the operator is missing the IAM permission iam:PutRolePolicy; see config/aws/operator-policy.json",
		},
		"Quota": {
			reason: "The message contains the account's own quota.",
			change: attach, status: 409, code: "LimitExceeded", message: "Cannot exceed quota for PoliciesPerRole: 10", summary: summary,
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonQuotaExceeded,
			want: "role r: IAM quota exceeded: managed policies attached to a role (AttachedPoliciesPerRoleQuota: 20); reduce usage or request an increase in AWS Service Quotas",
		},
		"QuotaOfAccountUnknown": {
			reason: "If the account's own quota is not known, the message is that of AWS.",
			change: attach, status: 409, code: "LimitExceeded", message: "Cannot exceed quota for PoliciesPerRole: 10",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonQuotaExceeded,
			want: "role r: IAM quota exceeded: managed policies attached to a role (AttachedPoliciesPerRoleQuota: 10); reduce usage or request an increase in AWS Service Quotas",
		},
		"QuotaOfInlinePolicies": {
			reason: "This quota has its own message.",
			change: put, status: 409, code: "LimitExceeded", message: "Maximum policy size of 10240 bytes exceeded for role r",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonQuotaExceeded,
			want: "role r: IAM quota exceeded: characters in all inline policies of a role (RolePolicySizeQuota: 10240); reduce usage or request an increase in AWS Service Quotas",
		},
		"QuotaUnnamed": {
			reason: "If AWS names no quota, it is the one that the call can exceed.",
			change: create, status: 409, code: "LimitExceeded", message: "Too much.", summary: summary,
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonQuotaExceeded,
			want: "role r: IAM quota exceeded: roles in the account (RolesQuota: 5000); reduce usage or request an increase in AWS Service Quotas",
		},
		"QuotaNotInSummary": {
			reason: "GetAccountSummary does not contain all quotas.",
			change: plan.TagRole{Tags: map[string]string{"a": "b"}}, status: 409, code: "LimitExceeded", message: "The number of tags has reached the maximum limit.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonQuotaExceeded,
			want: "role r: IAM quota exceeded: tags of a role (TagsPerRole); reduce usage or request an increase in AWS Service Quotas",
		},
		"QuotaNew": {
			reason: "A quota that the operator does not know is reported with AWS's message.",
			change: put, status: 409, code: "LimitExceeded", message: "Cannot exceed quota for MoonPhases: 4",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonQuotaExceeded,
			want: "role r: IAM quota exceeded: Cannot exceed quota for MoonPhases: 4; reduce usage or request an increase in AWS Service Quotas",
		},
		"PolicyNotFound": {
			reason: "A user may create the policy later.",
			change: attach, status: 404, code: "NoSuchEntity", message: "Policy " + policyARN + " does not exist or is not attachable.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonPolicyNotFound,
			want: "role r: managed policy " + policyARN + " not found; create it or fix spec.policies.managed",
		},
		"PolicyOfServiceRolesNotFound": {
			reason: "Only AWS can create AWS managed policies; the path may be missing.",
			change: plan.AttachPolicy{ARN: "arn:aws-cn:iam::aws:policy/AmazonEBSCSIDriverPolicy"}, status: 404, code: "NoSuchEntity", message: "Policy x does not exist or is not attachable.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonPolicyNotFound,
			want: "role r: managed policy arn:aws-cn:iam::aws:policy/AmazonEBSCSIDriverPolicy not found; AWS has no policy of this name without a path; policies for service roles have one, " +
				"such as arn:aws-cn:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy; fix spec.policies.managed (aws iam list-policies --scope AWS)",
		},
		"PolicyOfAWSNotFound": {
			reason: "With a path, the name is wrong.",
			change: plan.AttachPolicy{ARN: "arn:aws:iam::aws:policy/service-role/X"}, status: 404, code: "NoSuchEntity", message: "Policy x does not exist or is not attachable.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonPolicyNotFound,
			want: "role r: managed policy arn:aws:iam::aws:policy/service-role/X not found; AWS has no policy of this name; fix spec.policies.managed (aws iam list-policies --scope AWS)",
		},
		"InstanceProfileElsewhere": {
			reason: "No policy of the operator allows the action, so the message names the command to run.",
			change: plan.RemoveFromInstanceProfile{Name: "nodes"}, status: 403, code: "AccessDenied", message: "User: u is not authorized to perform: iam:RemoveRoleFromInstanceProfile on resource: r because no identity-based policy allows it",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "role r: the role is in instance profile nodes, which the operator is not allowed to change; run: aws iam remove-role-from-instance-profile --instance-profile-name nodes --role-name r",
		},
		"BoundaryNotFoundAtCreation": {
			reason: "A user may create the boundary later.",
			change: create, status: 404, code: "NoSuchEntity", message: "Scope ARN: " + boundaryARN + " does not exist or is not attachable.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonBoundaryNotFound,
			want: "role r: permissions boundary " + boundaryARN + " does not exist or is not attachable; create it or use a different one",
		},
		"BoundaryNotFoundUnderAnotherCode": {
			reason: "The message of the error counts, not its code.",
			change: plan.PutBoundary{ARN: boundaryARN}, status: 400, code: "InvalidInput", message: "Scope ARN: " + boundaryARN + " does not exist or is not attachable.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonBoundaryNotFound,
			want: "role r: permissions boundary " + boundaryARN + " does not exist or is not attachable; create it or use a different one",
		},
		"BoundaryNotFoundInOtherWords": {
			reason: "If it is not the role, only the boundary can be missing.",
			change: plan.PutBoundary{ARN: boundaryARN}, status: 404, code: "NoSuchEntity", message: "No such policy.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonBoundaryNotFound,
			want: "role r: permissions boundary " + boundaryARN + " does not exist or is not attachable; create it or use a different one",
		},
		"InlineMalformed": {
			reason: "Only a new spec helps if AWS cannot parse a policy.",
			change: put, status: 400, code: "MalformedPolicyDocument", message: "Policy statement must contain resources.",
			wantKind: fault.Terminal, wantReason: v1alpha1.ReasonPolicyMalformed,
			want: "role r: spec.policies.inline[bucket]: AWS rejected the policy document: Policy statement must contain resources",
		},
		"TrustMalformed": {
			reason: "The message names the policy.",
			change: plan.UpdateTrust{Trust: "{}"}, status: 400, code: "MalformedPolicyDocument", message: "Syntax errors in policy.",
			wantKind: fault.Terminal, wantReason: v1alpha1.ReasonPolicyMalformed,
			want: "role r: the trust policy: AWS rejected the policy document: Syntax errors in policy",
		},
		"PrincipalInvalid": {
			reason: "A user may create the principal later.",
			change: create, status: 400, code: "MalformedPolicyDocument", message: `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/x"`,
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonPrincipalInvalid,
			want: `role r: the trust policy: AWS rejected the policy document: Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/x"`,
		},
		"NotAttachable": {
			reason: "A policy that cannot be attached to a role never will be.",
			change: attach, status: 400, code: "PolicyNotAttachable", message: "Cannot attach a Service Role Policy to a Customer Role.",
			wantKind: fault.Terminal, wantReason: v1alpha1.ReasonInvalidSpec,
			want: "role r: managed policy " + policyARN + " in spec.policies.managed cannot be attached to this role: Cannot attach a Service Role Policy to a Customer Role; use a different policy",
		},
		"ValidationError": {
			reason: "The author must correct a value that IAM rejects.",
			change: create, status: 400, code: "ValidationError", message: "1 validation error detected: Value at 'tags' failed to satisfy constraint",
			wantKind: fault.Terminal, wantReason: v1alpha1.ReasonInvalidSpec,
			want: "role r: AWS IAM rejected CreateRole: ValidationError: 1 validation error detected: Value at 'tags' failed to satisfy constraint",
		},
		"Unmodifiable": {
			reason: "A service-linked role cannot be changed.",
			change: plan.UpdateRole{}, status: 400, code: "UnmodifiableEntity", message: "Cannot perform the operation on the protected role 'r' - this role is only modifiable by AWS",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonRoleUnmodifiable,
			want: "role r: role cannot be modified (service-linked roles are managed by AWS): Cannot perform the operation on the protected role 'r' - this role is only modifiable by AWS",
		},
		"CredentialsInvalid": {
			reason: "An administrator must give the operator other credentials.",
			change: put, status: 403, code: "InvalidClientTokenId", message: "The security token included in the request is invalid.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonCredentialsUnavailable,
			want: "role r: AWS IAM rejected the operator's credentials (InvalidClientTokenId): invalid, expired or inactive, or node clock skew; see config/aws/README.md",
		},
		"SignatureWrong": {
			reason: "AWS's message contains times, so it is left out.",
			change: put, status: 403, code: "SignatureDoesNotMatch", message: "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T002500Z - 15 min.)",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonCredentialsUnavailable,
			want: "role r: AWS IAM rejected the operator's credentials (SignatureDoesNotMatch): invalid, expired or inactive, or node clock skew; see config/aws/README.md",
		},
		"ClockWrong": {
			reason: "The SDK corrects the clock skew itself.",
			change: put, status: 400, code: "RequestExpired", message: "Request has expired.",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonCredentialsUnavailable,
			want: "role r: AWS IAM rejected the request timestamp (RequestExpired): check the node's clock",
		},
	}

	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			c := serve(t, rejecting(tc.status, tc.code, tc.message, tc.summary), ClientOptions{})
			roles := NewRoles(c.IAM)

			applied, err := roles.Apply(t.Context(), "r", []plan.Change{tc.change})

			if diff := cmp.Diff(plan.Applied{}, applied); diff != "" {
				t.Errorf("applied: -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(reported{tc.wantKind, tc.wantReason, tc.want}, reportedBy(err)); diff != "" {
				t.Errorf("error: -want, +got:\n%s", diff)
			}
			if !hasCode(err, tc.code) {
				t.Error("Apply(...): AWS's own error is not in the chain")
			}
			if _, again := roles.Apply(t.Context(), "r", []plan.Change{tc.change}); again.Error() != err.Error() {
				t.Errorf("Apply(...) again: %q, first %q", again, err)
			}
		})
	}
}

// rejecting rejects all calls, except the one for the account's summary if there is one.
func rejecting(status int, code, message, summary string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if summary != "" && r.FormValue("Action") == "GetAccountSummary" {
			_, _ = io.WriteString(w, summary)
			return
		}
		rejectWith(w, status, code, message)
	}
}

// The SDK wraps what it retried in errors that count attempts and tokens.
func TestClassify_MessageDoesNotCountAttempts(t *testing.T) {
	cause := &smithy.OperationError{ServiceID: "IAM", OperationName: "GetRole", Err: &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}}
	want := classify(operation{name: "GetRole"}, cause, unknownQuota)
	for _, err := range []error{
		&retry.MaxAttemptsError{Attempt: 3, Err: cause},
		errors.Join(cause, errors.New("retry quota exceeded, 0 available, 5 requested")),
	} {
		if got := classify(operation{name: "GetRole"}, err, unknownQuota); got.Error() != want.Error() {
			t.Errorf("classify(%v) = %q, want %q", err, got, want)
		}
	}
}

func TestRedact_RemovesWhatChangesBetweenAttempts(t *testing.T) {
	cases := map[string]struct {
		reason, text, want string
	}{
		"Session": {
			reason: "The name of the session changes with the credentials.",
			text:   "User: arn:aws-cn:sts::123456789012:assumed-role/op/1789000000000000000 is not authorized",
			want:   "User: arn:aws-cn:sts::123456789012:assumed-role/op is not authorized",
		},
		"RequestID": {
			reason: "The request ID changes with each request.",
			text:   "No (Service: Iam, Request ID: 7a62c49f-347e-4fc4-9331-6e8e00000000)",
			want:   "No (Service: Iam",
		},
		"UUID":  {reason: "Any other UUID also changes.", text: "see 7a62c49f-347e-4fc4-9331-6e8e00000000.", want: "see …"},
		"Times": {reason: "Times change.", text: "at 20260101T000000Z, 2026-01-01T00:00:00.123Z", want: "at …, …"},
		"Space": {reason: "A condition message is one line.", text: " a\n\tb ", want: "a b"},
		"Long":  {reason: "A message has a maximum length.", text: strings.Repeat("ä", maxMessage+1), want: strings.Repeat("ä", maxMessage) + "…"},
		"Plain": {reason: "The rest of the message stays.", text: "Cannot exceed quota for RolesPerAccount: 1000", want: "Cannot exceed quota for RolesPerAccount: 1000"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, redact(tc.text)); diff != "" {
				t.Errorf("scrub(...): -want, +got:\n%s", diff)
			}
		})
	}
}

func TestObserve_CanceledIsTransient(t *testing.T) {
	c := serve(t, func(http.ResponseWriter, *http.Request) {}, ClientOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := NewRoles(c.IAM).Observe(ctx, "r")

	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Transient {
		t.Errorf("Observe(...): %v (%v), want a transient fault for context.Canceled", err, fault.KindOf(err))
	}
	if want := "role r: GetRole was canceled"; err.Error() != want {
		t.Errorf("Observe(...): %q, want %q", err, want)
	}
}
