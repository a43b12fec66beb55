// Package tracing records what the operator does as spans of OpenTelemetry, if it has an
// address to send them to. Otherwise it costs nothing: no span, no goroutine and no
// allocation. It is the only package that knows OpenTelemetry.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Options define where spans are sent, and what identifies their sender.
type Options struct {
	// Endpoint is the URL of a collector that speaks OTLP over gRPC; empty records
	// nothing.
	Endpoint string
	// Version of the operator, and the name of its cluster.
	Version, Cluster string
	// OnSend is called when spans cannot be sent, and with nil when they can be sent
	// again, once each. It may be nil.
	OnSend func(error)
}

// Tracer begins traces. Nil begins none.
type Tracer struct{ provider *sdktrace.TracerProvider }

// New returns a Tracer that sends spans to the collector, nil without an endpoint. It
// does not wait for the collector: spans are sent in the background, and dropped when
// more of them wait than OTEL_BSP_MAX_QUEUE_SIZE. The variables of OpenTelemetry's
// specification set what has no flag: headers, certificates, timeout, sampler and more
// attributes of the resource.
func New(ctx context.Context, o Options) (*Tracer, error) {
	if o.Endpoint == "" {
		return nil, nil //nolint:nilnil // a nil Tracer is one that begins no traces
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(o.Endpoint))
	if err != nil {
		return nil, fmt.Errorf("connecting to the OTLP endpoint: %w", err)
	}
	// The environment comes last and overrides the rest.
	described, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "podidentity-operator"),
		attribute.String("service.version", o.Version),
		attribute.String("k8s.cluster.name", o.Cluster),
	), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return &Tracer{sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&reporter{SpanExporter: exporter, onSend: o.OnSend}),
		sdktrace.WithResource(described),
	)}, nil
}

// Begin begins a trace, and returns its first span.
func (t *Tracer) Begin(ctx context.Context, name string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.provider.Tracer(scope).Start(ctx, name)
	if !span.IsRecording() { // the sampler dropped the trace
		return ctx, Span{}
	}
	return ctx, Span{span}
}

// Close sends the spans that wait, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// reporter reports when sending begins to fail, and when it works again, so that a
// collector that is down for a day costs two lines of the log.
type reporter struct {
	sdktrace.SpanExporter
	onSend func(error)
	failed atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter. It reports errors itself.
func (r *reporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	if changed := r.failed.Swap(err != nil) != (err != nil); changed && r.onSend != nil {
		r.onSend(err)
	}
	return nil
}
