package awsiam

import (
	"context"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"github.com/podidentity/podidentity-operator/internal/tracing"
)

// The attributes of a call's span, as OpenTelemetry's semantic conventions name them.
const (
	traceSystem    = "rpc.system"
	traceService   = "rpc.service"
	traceMethod    = "rpc.method"
	traceRequestID = "aws.request_id"
)

// callTracer adds a step that makes every call a span, from before its first wait for
// the rate limiter to after its last retry. Neither input nor output is recorded.
func callTracer(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("PodIdentityTraceCall",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			service, operation := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
			ctx, span := tracing.Start(ctx, service+"/"+operation)
			defer span.End()
			out, metadata, err := next.HandleInitialize(ctx, in)
			span.Set(traceSystem, "aws-api")
			span.Set(traceService, service)
			span.Set(traceMethod, operation)
			if id, ok := awsmiddleware.GetRequestIDMetadata(metadata); ok { // CloudTrail records the same ID
				span.Set(traceRequestID, id)
			}
			if err != nil {
				span.Fail(outcomeOf(err))
			}
			return out, metadata, err
		}), middleware.After)
}
