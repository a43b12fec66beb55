package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// scope names the code that records the spans.
const scope = "github.com/podidentity/podidentity-operator"

// Span is one step of the operator's work. The zero value records nothing, and its
// methods neither do work nor allocate.
type Span struct{ span trace.Span }

// Start starts a span below the span of ctx. If ctx has none, or one that is not
// sampled, it returns ctx and a span that records nothing.
func Start(ctx context.Context, name string) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name)
	return ctx, Span{span}
}

// Current returns the span of ctx, or one that records nothing.
func Current(ctx context.Context) Span {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		return Span{span}
	}
	return Span{}
}

// Recording reports whether the span is recorded, so that a caller computes an expensive
// attribute only then.
func (s Span) Recording() bool { return s.span != nil }

// Set sets an attribute. Values must be names, numbers or codes: never the text of an
// error, which may quote a policy, and never a document or a token.
func (s Span) Set(key, value string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// SetInt sets an attribute to a number.
func (s Span) SetInt(key string, value int64) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int64(key, value))
	}
}

// AddEvent records an event of the span, with one attribute.
func (s Span) AddEvent(event, key, value string) {
	if s.span != nil {
		s.span.AddEvent(event, trace.WithAttributes(attribute.String(key, value)))
	}
}

// AddWait records that the span waited for something.
func (s Span) AddWait(event string, d time.Duration) {
	if s.span != nil && d > 0 {
		s.span.AddEvent(event, trace.WithAttributes(attribute.Float64("seconds", d.Seconds())))
	}
}

// Fail marks the span as failed, with a reason or an error code.
func (s Span) Fail(code string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String("error.type", code))
		s.span.SetStatus(codes.Error, code)
	}
}

// End ends the span.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}
