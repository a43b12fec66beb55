package awsiam

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
	"github.com/podidentity/podidentity-operator/internal/tracing"
)

// attempt is a step of every attempt of a call, including retries.
type attempt func(context.Context, middleware.FinalizeInput, middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error)

// option returns an option of the SDK that adds the step.
func (a attempt) option(name string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc(name, a), "Retry", middleware.After)
	}
}

// attemptRecorder returns an option that calls onAttempt after every attempt.
func attemptRecorder(onAttempt func(Attempt)) func(*middleware.Stack) error {
	return attempt(func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		start := time.Now()
		out, metadata, err := next.HandleFinalize(ctx, in)
		a := Attempt{
			Service:   awsmiddleware.GetServiceID(ctx),
			Operation: awsmiddleware.GetOperationName(ctx),
			Outcome:   outcomeOf(err),
			Duration:  time.Since(start),
		}
		tracing.Current(ctx).AddEvent("attempt", "outcome", a.Outcome)
		onAttempt(a)
		return out, metadata, err
	}).option("PodIdentityRecordAttempt")
}

// attemptLimiter returns an option that makes every attempt wait for the rate limiter, and
// slows the limiter down when AWS throttles.
func attemptLimiter(limiter *ratelimit.Limiter, onWait func(ratelimit.Priority, time.Duration)) func(*middleware.Stack) error {
	return attempt(func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		class := classOf(awsmiddleware.GetOperationName(ctx))
		waited, err := limiter.Acquire(ctx, class)
		if onWait != nil {
			onWait(ratelimit.PriorityOf(ctx), waited)
		}
		tracing.Current(ctx).AddWait("rate limiter", waited)
		if err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, err
		}
		out, metadata, err := next.HandleFinalize(ctx, in)
		if throttled(err) {
			limiter.Throttled(class)
		}
		return out, metadata, err
	}).option("PodIdentityRateLimit")
}

// classOf returns the class of an IAM operation, which follows from its name.
func classOf(operation string) ratelimit.Class {
	if strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "List") {
		return ratelimit.Read
	}
	return ratelimit.Write
}

// throttled reports whether AWS throttled a call.
func throttled(err error) bool {
	check := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	return err != nil && check.IsErrorThrottle(err) == aws.TrueTernary
}
