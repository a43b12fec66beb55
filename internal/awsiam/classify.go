package awsiam

import (
	"context"
	"errors"
	"strings"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// operation is a call to AWS, as far as the messages about its failure need it.
type operation struct {
	name     string
	document string // the source of the policy document: spec.policies.inline[NAME], or trustPolicy
	policy   string // ARN of the managed policy
	boundary string // ARN of the permissions boundary
	role     string // the role that is removed from an instance profile
	profile  string // the instance profile
	// permission is the cause of an AccessDenied, empty if it concerns one role only.
	permission string
}

// readOperation returns a call that reads a role or a policy.
func readOperation(name string) operation {
	return operation{name: name, permission: plan.ReadPermission(name)}
}

// cause returns what a call that is blocked for that reason waits for, empty if the error
// concerns one role only.
func (c operation) cause(reason string) string {
	switch {
	case reason == v1alpha1.ReasonAccessDenied:
		return c.permission
	case reason == v1alpha1.ReasonPolicyNotFound && c.policy != "":
		return plan.MissingPolicy(c.policy)
	case reason == v1alpha1.ReasonBoundaryNotFound && c.boundary != "":
		return plan.MissingBoundary(c.boundary)
	case reason == v1alpha1.ReasonCredentialsUnavailable:
		return plan.MissingCredentials
	}
	return ""
}

// trustPolicy is the document that the operator generates.
const trustPolicy = "the trust policy"

// service returns the name of the AWS service that was called.
func (c operation) service() string {
	if c.name == "GetCallerIdentity" {
		return "STS"
	}
	return "IAM"
}

// action returns the IAM action that the call needs.
func (c operation) action() string { return strings.ToLower(c.service()) + ":" + c.name }

// onProvider reports whether the call was about an OIDC provider, which belongs to the
// cluster and not to one object.
func (c operation) onProvider() bool { return strings.Contains(c.name, "OpenIDConnectProvider") }

// apiError is the error of a call that AWS rejected.
type apiError struct {
	operation
	code, text string // as AWS returned them
	// quota returns the account's value for a key of GetAccountSummary.
	quota func(key string) (int32, bool)
}

// classification is the meaning of an error: who must act, the reason of the condition,
// and the message.
type classification struct {
	kind    fault.Kind
	reason  string
	message func(apiError) string
}

// The classifications that several codes share.
var (
	throttling       = classification{fault.Transient, v1alpha1.ReasonProgressingWithRetry, throttledMessage}
	unavailable      = classification{fault.Transient, v1alpha1.ReasonAWSUnavailable, unavailableMessage}
	conflict         = classification{fault.Transient, v1alpha1.ReasonProgressingWithRetry, conflictMessage}
	notFound         = classification{fault.Transient, v1alpha1.ReasonProgressingWithRetry, notFoundMessage}
	unknown          = classification{fault.Transient, v1alpha1.ReasonProgressingWithRetry, rejectedMessage}
	accessDenied     = classification{fault.Blocked, v1alpha1.ReasonAccessDenied, accessDeniedMessage}
	credentials      = classification{fault.Blocked, v1alpha1.ReasonCredentialsUnavailable, credentialsMessage}
	clockSkew        = classification{fault.Transient, v1alpha1.ReasonCredentialsUnavailable, clockSkewMessage}
	rejected         = classification{fault.Terminal, v1alpha1.ReasonInvalidSpec, rejectedMessage}
	boundaryNotFound = classification{fault.Blocked, v1alpha1.ReasonBoundaryNotFound, boundaryNotFoundMessage}
	policyNotFound   = classification{fault.Blocked, v1alpha1.ReasonPolicyNotFound, policyNotFoundMessage}
	providerNotFound = classification{fault.Blocked, v1alpha1.ReasonOIDCProviderNotFound, rejectedMessage}
	principalInvalid = classification{fault.Blocked, v1alpha1.ReasonPrincipalInvalid, policyRejectedMessage}
)

// errorCodes maps AWS's error codes to their meaning. It contains all codes that the SDK
// documents for the calls of API and STS, and for the call that gets the operator its
// credentials; a test ensures that. The others are known from
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and from
// experience. An unknown code is transient: retrying is safe, giving up is not.
var errorCodes = map[string]classification{
	// Calls to IAM.
	"ConcurrentModification":        throttling,
	"DeleteConflict":                conflict,
	"EntityAlreadyExists":           conflict,
	"EntityTemporarilyUnmodifiable": throttling,
	"InvalidInput":                  rejected,
	"LimitExceeded":                 {fault.Blocked, v1alpha1.ReasonQuotaExceeded, quotaMessage},
	"MalformedPolicyDocument":       {fault.Terminal, v1alpha1.ReasonPolicyMalformed, policyRejectedMessage},
	"NoSuchEntity":                  notFound,
	"OpenIdIdpCommunicationError":   {fault.Blocked, v1alpha1.ReasonOIDCProviderNotFound, issuerUnreachableMessage},
	"PolicyNotAttachable":           {fault.Terminal, v1alpha1.ReasonInvalidSpec, notAttachableMessage},
	"ServiceFailure":                unavailable,
	"UnmodifiableEntity":            {fault.Blocked, v1alpha1.ReasonRoleUnmodifiable, unmodifiableMessage},

	// The call that gets credentials for a ServiceAccount's token.
	"ExpiredTokenException":   credentials,
	"IDPCommunicationError":   unavailable,
	"IDPRejectedClaim":        credentials,
	"InvalidIdentityToken":    credentials,
	"PackedPolicyTooLarge":    credentials,
	"RegionDisabledException": credentials,

	// Every call: not authorized.
	"AccessDenied":           accessDenied,
	"AccessDeniedException":  accessDenied,
	"AuthorizationError":     accessDenied,
	"NotAuthorized":          accessDenied,
	"NotAuthorizedException": accessDenied,
	"UnauthorizedOperation":  accessDenied,

	// Every call: not authenticated.
	"AuthFailure":                         credentials,
	"ExpiredToken":                        credentials,
	"IncompleteSignature":                 credentials,
	"IncompleteSignatureException":        credentials,
	"InvalidAccessKeyId":                  credentials,
	"InvalidClientTokenId":                credentials,
	"InvalidSignatureException":           credentials,
	"InvalidToken":                        credentials,
	"MissingAuthenticationToken":          credentials,
	"MissingAuthenticationTokenException": credentials,
	"OptInRequired":                       credentials,
	"RegionDisabled":                      credentials,
	"SignatureDoesNotMatch":               credentials,
	"TokenRefreshRequired":                credentials,
	"UnrecognizedClientException":         credentials,

	// Every call: clock skew, which the SDK corrects.
	"RequestExpired":       clockSkew,
	"RequestInTheFuture":   clockSkew,
	"RequestTimeTooSkewed": clockSkew,

	// Every call: throttling.
	"BandwidthLimitExceeded":    throttling,
	"LimitExceededException":    throttling,
	"PriorRequestNotComplete":   throttling,
	"RequestLimitExceeded":      throttling,
	"RequestThrottled":          throttling,
	"RequestThrottledException": throttling,
	"SlowDown":                  throttling,
	"ThrottledException":        throttling,
	"Throttling":                throttling,
	"ThrottlingException":       throttling,
	"TooManyRequestsException":  throttling,

	// Every call: temporarily unavailable.
	"InternalError":               unavailable,
	"InternalFailure":             unavailable,
	"InternalServerError":         unavailable,
	"InternalServiceError":        unavailable,
	"RequestAbortedException":     unavailable,
	"RequestTimeout":              unavailable,
	"RequestTimeoutException":     unavailable,
	"ServiceUnavailable":          unavailable,
	"ServiceUnavailableException": unavailable,

	// Every call: invalid request.
	"InvalidParameterCombination":    rejected,
	"InvalidParameterValue":          rejected,
	"InvalidQueryParameter":          rejected,
	"MissingParameter":               rejected,
	"RequestEntityTooLargeException": rejected,
	"ValidationError":                rejected,
	"ValidationException":            rejected,
	"InvalidAction":                  unknown,
	"MalformedHttpRequestException":  unknown,
	"MalformedQueryString":           unknown,
	"MissingAction":                  unknown,
	"UnknownOperationException":      unknown,
}

// classify returns the error of a call as a fault. Its message does not change from one
// attempt to the next; err is in its chain, for callers that need the details.
func classify(c operation, err error, quota func(string) (int32, bool)) error {
	if errors.Is(err, context.Canceled) {
		return faultOf(fault.Transient, v1alpha1.ReasonProgressingWithRetry, c.name+" was canceled", err)
	}
	if err, ok := errors.AsType[*credentialsError](err); ok {
		return classifyCredentials(err)
	}
	answer, ok := apiErrorOf(err)
	switch {
	case !ok && requestSent(err):
		return faultOf(fault.Transient, v1alpha1.ReasonAWSUnavailable, unreachableMessage(c.service(), err), err)
	case !ok:
		return faultOf(fault.Transient, v1alpha1.ReasonProgressingWithRetry, notSentMessage(c, err), err)
	}
	r := apiError{operation: c, code: answer.ErrorCode(), text: redact(answer.ErrorMessage()), quota: quota}
	v := classifyCode(r)
	classified := faultOf(v.kind, v.reason, v.message(r), err)
	if v.kind == fault.Blocked {
		classified.Cause = c.cause(v.reason)
	}
	return classified
}

// classifyCode classifies r. Some codes have several meanings, which AWS's message and the
// operation distinguish.
func classifyCode(r apiError) classification {
	v, known := errorCodes[r.code]
	switch {
	case !known:
		return unknown
	case r.code == "MalformedPolicyDocument" && strings.HasPrefix(r.text, "Invalid principal"):
		return principalInvalid // the principal may be created later
	case noSuchBoundary.MatchString(r.text):
		return boundaryNotFound
	case r.code == "NoSuchEntity" && !noSuchRole.MatchString(r.text):
		return classifyNotFound(r)
	case v.kind == fault.Terminal && r.onProvider():
		return providerNotFound // a new spec would not help
	}
	return v
}

// classifyNotFound classifies a call that failed because something other than the role is
// missing.
func classifyNotFound(r apiError) classification {
	switch {
	case r.policy != "":
		return policyNotFound
	case r.boundary != "":
		return boundaryNotFound
	case r.onProvider():
		return providerNotFound
	}
	return notFound
}

// credentialsError marks an error as one of getting credentials, not of the call that
// needs them.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// classifyCredentials classifies an error of getting credentials. STS may be unreachable
// for a moment; an administrator must fix anything else.
func classifyCredentials(err *credentialsError) error {
	classified := credentialsFault(err)
	if classified.Kind == fault.Blocked {
		classified.Cause = plan.MissingCredentials
	}
	return classified
}

func credentialsFault(err *credentialsError) *fault.Error {
	if answer, ok := apiErrorOf(err); ok {
		if v, known := errorCodes[answer.ErrorCode()]; !known || v.kind == fault.Transient {
			return faultOf(fault.Transient, v1alpha1.ReasonAWSUnavailable, "AWS STS cannot issue the operator's credentials, retrying: "+answer.ErrorCode(), err)
		}
		return faultOf(fault.Blocked, v1alpha1.ReasonCredentialsUnavailable, credentialsErrorMessage(answer.ErrorCode(), redact(answer.ErrorMessage())), err)
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok && op.Service() != instanceMetadata {
		return faultOf(fault.Transient, v1alpha1.ReasonAWSUnavailable, unreachableMessage(op.Service(), err), err)
	}
	return faultOf(fault.Blocked, v1alpha1.ReasonCredentialsUnavailable, credentialsErrorMessage("", ""), err)
}

// instanceMetadata is the service in which the SDK looks for credentials last. If it does
// not answer, there are no credentials.
const instanceMetadata = "ec2imds"

// faultOf returns a fault with the message text and with cause in its chain.
func faultOf(kind fault.Kind, reason, text string, cause error) *fault.Error {
	return &fault.Error{Kind: kind, Reason: reason, Err: &stableError{text: text, cause: cause}}
}

// apiErrorOf returns AWS's answer in err's chain, if there is one. An answer without a
// code, which the SDK calls UnknownError, comes from something between the operator and
// AWS.
func apiErrorOf(err error) (smithy.APIError, bool) {
	answer, ok := errors.AsType[smithy.APIError](err)
	return answer, ok && answer.ErrorCode() != "UnknownError"
}

// requestSent reports whether err occurred while the request was sent or the answer was
// read, not while the request was built.
func requestSent(err error) bool {
	_, sent := errors.AsType[*smithyhttp.RequestSendError](err)
	_, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return sent || answered || networkCause(err) != ""
}

// hasCode reports whether err is an answer of AWS with that code.
func hasCode(err error, code string) bool {
	answer, ok := apiErrorOf(err)
	return ok && answer.ErrorCode() == code
}

// isNotFound reports whether AWS did not find what the call names.
func isNotFound(err error) bool { return hasCode(err, "NoSuchEntity") }

// ignoreNotFound returns err, and nil if AWS did not find what the call names.
func ignoreNotFound(err error) error {
	if isNotFound(err) {
		return nil
	}
	return err
}
