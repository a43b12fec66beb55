package tracing_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/tracing"
	receiver "github.com/podidentity/podidentity-operator/test/tracing"
)

func open(t *testing.T, o tracing.Options) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// work is a trace of two spans.
func work(ctx context.Context, tracer *tracing.Tracer) {
	ctx, root := tracer.Begin(ctx, "reconcile")
	defer root.End()
	root.SetInt("podidentity.generation", 3)
	ctx, below := tracing.Start(ctx, "reconcile the role")
	defer below.End()
	below.Set("podidentity.reason", "Succeeded")
	tracing.Current(ctx).AddEvent("attempt", "outcome", "Success")
	tracing.Current(ctx).AddWait("rate limiter", time.Second)
	below.Fail("AccessDenied")
}

func TestTracer_SpansArriveAsATree(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=renamed")
	collector := receiver.Start(t)
	tracer := open(t, tracing.Options{Endpoint: collector.URL, Version: "v1", Cluster: "prod-eu"})
	work(t.Context(), tracer)
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	trees := collector.Trees()
	if len(trees) != 1 || trees[0].Span.Name != "reconcile" || len(trees[0].Below) != 1 {
		t.Fatalf("got the traces %s", collector.Text(t))
	}
	below := trees[0].Below[0]
	var events []string
	for _, e := range below.Span.Events {
		events = append(events, e.Name)
	}
	got := map[string]any{
		"name": below.Span.Name, "reason": below.Attribute("podidentity.reason"), "error": below.Attribute("error.type"),
		"status": below.Span.Status.GetMessage(), "events": events,
	}
	want := map[string]any{
		"name": "reconcile the role", "reason": "Succeeded", "error": "AccessDenied", "status": "AccessDenied",
		"events": []string{"attempt", "rate limiter"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the span below: -want, +got:\n%s", diff)
	}
	if got := collector.Resource(); got["service.name"] != "renamed" || got["service.version"] != "v1" || got["k8s.cluster.name"] != "prod-eu" || got["deployment.environment.name"] != "test" {
		t.Errorf("resource: %v", got)
	}
}

// Without an endpoint, and in a trace that is not sampled, nothing is recorded and
// nothing is allocated: this code runs in every reconciliation of every installation.
func TestTracer_OffCostsNoAllocation(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	unsampled := open(t, tracing.Options{Endpoint: receiver.Start(t).URL})
	t.Cleanup(func() { _ = unsampled.Close(t.Context()) })
	leftOut, _ := unsampled.Begin(t.Context(), "reconcile")
	for reason, test := range map[string]struct {
		ctx    context.Context
		tracer *tracing.Tracer
	}{
		"no endpoint":             {t.Context(), open(t, tracing.Options{})},
		"the sampler left it out": {leftOut, nil},
	} {
		if n := testing.AllocsPerRun(1000, func() { work(test.ctx, test.tracer) }); n != 0 {
			t.Errorf("%s: %v allocations, want none", reason, n)
		}
	}
	if err := (*tracing.Tracer)(nil).Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A collector that does not answer or does not exist delays neither the work nor the end
// of the process by more than the limit; and it is reported once, not with every batch.
func TestTracer_DeadCollectorDelaysNothing(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10") // milliseconds
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	silent := receiver.Start(t)
	silent.Silence(true)
	for reason, endpoint := range map[string]string{"it does not answer": silent.URL, "nothing listens": "http://127.0.0.1:1"} {
		t.Run(reason, func(t *testing.T) {
			reported := make(chan error, 100)
			tracer := open(t, tracing.Options{Endpoint: endpoint, OnSend: func(err error) { reported <- err }})
			began := time.Now()
			for range 1000 { // much more than the queue holds
				work(t.Context(), tracer)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("1000 traces took %v", took)
			}
			if err := <-reported; err == nil {
				t.Error("reported that spans are sent")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began = time.Now()
			_ = tracer.Close(ctx) // spans may be lost
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("Close took %v", took)
			}
			if n := len(reported); n != 0 {
				t.Errorf("the same failure was reported %d times more", n)
			}
		})
	}
}

// A collector that is available again is used again, and that is reported.
func TestTracer_CollectorReturns(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	collector := receiver.Start(t)
	collector.Silence(true)
	var once sync.Once
	failed, sent := make(chan error, 1), make(chan struct{})
	tracer := open(t, tracing.Options{Endpoint: collector.URL, OnSend: func(err error) {
		if err != nil {
			failed <- err
			return
		}
		once.Do(func() { close(sent) })
	}})
	work(t.Context(), tracer)
	if err := <-failed; errors.Is(err, context.Canceled) {
		t.Errorf("reported %v", err)
	}
	collector.Silence(false)
	work(t.Context(), tracer)
	<-sent
	if len(collector.Trees()) == 0 {
		t.Error("nothing has arrived")
	}
	_ = tracer.Close(t.Context())
}

func BenchmarkTracer_Off(b *testing.B) {
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		work(ctx, nil)
	}
}

func BenchmarkTracer_On(b *testing.B) {
	b.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
	tracer, err := tracing.New(b.Context(), tracing.Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		work(b.Context(), tracer)
	}
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	_ = tracer.Close(ctx)
}
