package awsiam

import (
	"context"
	"errors"
	"time"
)

// Attempt is one attempt of a call to AWS.
type Attempt struct {
	Service   string // IAM or STS
	Operation string // such as CreateRole
	// Outcome is one of the outcomes below, or an error code that this package
	// knows: a set that is small enough to be a metric's label.
	Outcome  string
	Duration time.Duration
}

// Outcomes of a call that are not AWS's error codes.
const (
	OutcomeSuccess          = "Success"
	OutcomeCanceled         = "Canceled"         // by the operator, which is about to stop
	OutcomeUnreachable      = "Unreachable"      // no answer, or one that is not from AWS
	OutcomeCredentialsError = "CredentialsError" // the call was not made
	OutcomeOther            = "Other"            // an error code that this package does not know
)

// outcomeOf returns the outcome of a call that ended with err.
func outcomeOf(err error) string {
	if err == nil {
		return OutcomeSuccess
	}
	if errors.Is(err, context.Canceled) {
		return OutcomeCanceled
	}
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return OutcomeCredentialsError
	}
	answer, ok := apiErrorOf(err)
	if !ok {
		return OutcomeUnreachable
	}
	if _, known := errorCodes[answer.ErrorCode()]; !known {
		return OutcomeOther
	}
	return answer.ErrorCode()
}
