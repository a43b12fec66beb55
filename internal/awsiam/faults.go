package awsiam

import (
	"context"
	"errors"
	"strings"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// call is what was asked of AWS, as far as the words about its failure need it.
type call struct {
	operation string
	document  string // whose policy was sent: spec.policies.inline[NAME], or trustPolicy
	policy    string // ARN of the managed policy
	boundary  string // ARN of the permissions boundary
}

// trustPolicy is the document that the operator makes itself.
const trustPolicy = "the trust policy"

// service returns the name of the AWS service that was called.
func (c call) service() string {
	if c.operation == "GetCallerIdentity" {
		return "STS"
	}
	return "IAM"
}

// action returns the IAM action that the call needs.
func (c call) action() string { return strings.ToLower(c.service()) + ":" + c.operation }

// onProvider reports whether the call was about an OIDC provider, which is the
// cluster's and not of one object.
func (c call) onProvider() bool { return strings.Contains(c.operation, "OpenIDConnectProvider") }

// refusal is a call that AWS refused.
type refusal struct {
	call
	code, text string // AWS's own
	// quota returns the account's value for a key of GetAccountSummary.
	quota func(key string) (int32, bool)
}

// verdict is what a refusal means: who must act, under which reason it is
// shown, and in which words.
type verdict struct {
	kind   fault.Kind
	reason string
	say    func(refusal) string
}

// The verdicts that more than one code has.
var (
	busy        = verdict{fault.Transient, v1alpha1.ReasonProgressingWithRetry, sayBusy}
	unavailable = verdict{fault.Transient, v1alpha1.ReasonAWSUnavailable, sayUnavailable}
	changing    = verdict{fault.Transient, v1alpha1.ReasonProgressingWithRetry, sayChanging}
	vanished    = verdict{fault.Transient, v1alpha1.ReasonProgressingWithRetry, sayVanished}
	unknown     = verdict{fault.Transient, v1alpha1.ReasonProgressingWithRetry, sayRefused}
	denied      = verdict{fault.Blocked, v1alpha1.ReasonAccessDenied, sayDenied}
	credentials = verdict{fault.Blocked, v1alpha1.ReasonCredentialsUnavailable, sayCredentials}
	clock       = verdict{fault.Transient, v1alpha1.ReasonCredentialsUnavailable, sayClock}
	invalid     = verdict{fault.Terminal, v1alpha1.ReasonInvalidSpec, sayRefused}
	noBoundary  = verdict{fault.Blocked, v1alpha1.ReasonBoundaryNotFound, sayNoBoundary}
	noPolicy    = verdict{fault.Blocked, v1alpha1.ReasonPolicyNotFound, sayNoPolicy}
	noProvider  = verdict{fault.Blocked, v1alpha1.ReasonProviderNotFound, sayRefused}
	noPrincipal = verdict{fault.Blocked, v1alpha1.ReasonPrincipalInvalid, sayPolicyRefused}
)

// faults maps AWS's error codes to what they mean. It holds all codes that the
// SDK documents for the calls of API and STS, and for the one that gets the
// operator its credentials; a test sees to that. The others are known from
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and from
// the field. A code that is missing is transient: to retry is safe, to give up
// is not.
var faults = map[string]verdict{
	// Of the calls of IAM.
	"ConcurrentModification":        busy,
	"DeleteConflict":                changing,
	"EntityAlreadyExists":           changing,
	"EntityTemporarilyUnmodifiable": busy,
	"InvalidInput":                  invalid,
	"LimitExceeded":                 {fault.Blocked, v1alpha1.ReasonQuotaExceeded, sayQuota},
	"MalformedPolicyDocument":       {fault.Terminal, v1alpha1.ReasonPolicyMalformed, sayPolicyRefused},
	"NoSuchEntity":                  vanished,
	"OpenIdIdpCommunicationError":   {fault.Blocked, v1alpha1.ReasonProviderNotFound, sayIssuerUnreachable},
	"PolicyNotAttachable":           invalid,
	"ServiceFailure":                unavailable,
	"UnmodifiableEntity":            {fault.Blocked, v1alpha1.ReasonRoleUnmodifiable, sayUnmodifiable},

	// Of the call that gets credentials from a ServiceAccount's token.
	"ExpiredTokenException":   credentials,
	"IDPCommunicationError":   unavailable,
	"IDPRejectedClaim":        credentials,
	"InvalidIdentityToken":    credentials,
	"PackedPolicyTooLarge":    credentials,
	"RegionDisabledException": credentials,

	// Of every call: not allowed.
	"AccessDenied":           denied,
	"AccessDeniedException":  denied,
	"AuthorizationError":     denied,
	"NotAuthorized":          denied,
	"NotAuthorizedException": denied,
	"UnauthorizedOperation":  denied,

	// Of every call: not known.
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

	// Of every call: too late by the clock, which the SDK corrects as it goes.
	"RequestExpired":       clock,
	"RequestInTheFuture":   clock,
	"RequestTimeTooSkewed": clock,

	// Of every call: too many.
	"BandwidthLimitExceeded":    busy,
	"LimitExceededException":    busy,
	"PriorRequestNotComplete":   busy,
	"RequestLimitExceeded":      busy,
	"RequestThrottled":          busy,
	"RequestThrottledException": busy,
	"SlowDown":                  busy,
	"ThrottledException":        busy,
	"Throttling":                busy,
	"ThrottlingException":       busy,
	"TooManyRequestsException":  busy,

	// Of every call: not now.
	"InternalError":               unavailable,
	"InternalFailure":             unavailable,
	"InternalServerError":         unavailable,
	"InternalServiceError":        unavailable,
	"RequestAbortedException":     unavailable,
	"RequestTimeout":              unavailable,
	"RequestTimeoutException":     unavailable,
	"ServiceUnavailable":          unavailable,
	"ServiceUnavailableException": unavailable,

	// Of every call: not understood.
	"InvalidParameterCombination":    invalid,
	"InvalidParameterValue":          invalid,
	"InvalidQueryParameter":          invalid,
	"MissingParameter":               invalid,
	"RequestEntityTooLargeException": invalid,
	"ValidationError":                invalid,
	"ValidationException":            invalid,
	"InvalidAction":                  unknown,
	"MalformedHttpRequestException":  unknown,
	"MalformedQueryString":           unknown,
	"MissingAction":                  unknown,
	"UnknownOperationException":      unknown,
}

// classify returns the fault that err, of a call, is. Its words stay the same
// from one attempt to the next; err is in its chain, for those who want more.
func classify(c call, err error, quota func(string) (int32, bool)) error {
	if errors.Is(err, context.Canceled) {
		return faultOf(fault.Transient, v1alpha1.ReasonProgressingWithRetry, c.operation+" was interrupted", err)
	}
	if err, ok := errors.AsType[*credentialsError](err); ok {
		return classifyCredentials(err)
	}
	refused, ok := answerOf(err)
	switch {
	case !ok && wasAsked(err):
		return faultOf(fault.Transient, v1alpha1.ReasonAWSUnavailable, sayNoAnswer(c.service(), err), err)
	case !ok:
		return faultOf(fault.Transient, v1alpha1.ReasonProgressingWithRetry, sayNotAsked(c, err), err)
	}
	r := refusal{call: c, code: refused.ErrorCode(), text: scrub(refused.ErrorMessage()), quota: quota}
	v := judge(r)
	return faultOf(v.kind, v.reason, v.say(r), err)
}

// judge returns the verdict on r. Some codes mean several things; then AWS's
// words and the operation tell which.
func judge(r refusal) verdict {
	v, known := faults[r.code]
	switch {
	case !known:
		return unknown
	case r.code == "MalformedPolicyDocument" && strings.HasPrefix(r.text, "Invalid principal"):
		return noPrincipal // which may be created later
	case noSuchBoundary.MatchString(r.text):
		return noBoundary
	case r.code == "NoSuchEntity" && !noSuchRole.MatchString(r.text):
		return judgeAbsence(r)
	case v.kind == fault.Terminal && r.onProvider():
		return noProvider // a new spec would not mend it
	}
	return v
}

// judgeAbsence returns the verdict on a call that failed for want of something
// other than the role.
func judgeAbsence(r refusal) verdict {
	switch {
	case r.policy != "":
		return noPolicy
	case r.boundary != "":
		return noBoundary
	case r.onProvider():
		return noProvider
	}
	return vanished
}

// credentialsError marks an error as one of getting credentials, not of the
// call they were for.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// classifyCredentials returns the fault of not getting credentials. STS may be
// out of reach for a moment; all else is somebody's to mend.
func classifyCredentials(err *credentialsError) error {
	if refused, ok := answerOf(err); ok {
		if v, known := faults[refused.ErrorCode()]; !known || v.kind == fault.Transient {
			return faultOf(fault.Transient, v1alpha1.ReasonAWSUnavailable, "AWS gives the operator no credentials for now: "+refused.ErrorCode(), err)
		}
		return faultOf(fault.Blocked, v1alpha1.ReasonCredentialsUnavailable, sayNoCredentials(refused.ErrorCode(), scrub(refused.ErrorMessage())), err)
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok && op.Service() != instanceMetadata {
		return faultOf(fault.Transient, v1alpha1.ReasonAWSUnavailable, sayNoAnswer(op.Service(), err), err)
	}
	return faultOf(fault.Blocked, v1alpha1.ReasonCredentialsUnavailable, sayNoCredentials("", ""), err)
}

// instanceMetadata is where the SDK looks for credentials when it has found
// none: that it does not answer says that there are none.
const instanceMetadata = "ec2imds"

// faultOf returns a fault that says text and has cause in its chain.
func faultOf(kind fault.Kind, reason, text string, cause error) error {
	return &fault.Error{Kind: kind, Reason: reason, Err: &sentence{text: text, cause: cause}}
}

// answerOf returns AWS's answer in err's chain, if there is one. What has no
// code, to which the SDK gives this one, comes from something between AWS and us.
func answerOf(err error) (smithy.APIError, bool) {
	answer, ok := errors.AsType[smithy.APIError](err)
	return answer, ok && answer.ErrorCode() != "UnknownError"
}

// wasAsked reports whether err came of sending a request or of reading the
// answer, not of making the request.
func wasAsked(err error) bool {
	_, sent := errors.AsType[*smithyhttp.RequestSendError](err)
	_, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return sent || answered || networkCause(err) != ""
}

// hasCode reports whether err is an answer of AWS with that code.
func hasCode(err error, code string) bool {
	refused, ok := answerOf(err)
	return ok && refused.ErrorCode() == code
}

// isGone reports whether err says that there is no such thing.
func isGone(err error) bool { return hasCode(err, "NoSuchEntity") }

// ignoreGone returns err unless it says that there is no such thing.
func ignoreGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}
