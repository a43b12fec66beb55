package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
	"github.com/podidentity/podidentity-operator/internal/tracing"
)

// Attributes of spans; docs/observability.md lists them.
const (
	traceNamespace   = "k8s.namespace.name"
	traceName        = "podidentity.name"
	traceGeneration  = "podidentity.generation"
	tracePriority    = "podidentity.priority"
	traceReconcileID = "podidentity.reconcile_id"
	traceReady       = "podidentity.ready"
	traceReason      = "podidentity.reason"
	traceKind        = "podidentity.fault.kind"
)

// recordObject sets the attributes of a reconcile's span that are known at its start.
func recordObject(ctx context.Context, span tracing.Span, obj *v1alpha1.PodIdentity) {
	if !span.Recording() {
		return
	}
	span.Set(traceNamespace, obj.Namespace)
	span.Set(traceName, obj.Name)
	span.SetInt(traceGeneration, obj.Generation)
	span.Set(tracePriority, ratelimit.PriorityOf(ctx).String())
	span.Set(traceReconcileID, string(controller.ReconcileIDFromContext(ctx)))
}

// recordResult sets the attributes of a reconcile's span that follow from the status, and
// ends the span.
func recordResult(span tracing.Span, obj *v1alpha1.PodIdentity) {
	if !span.Recording() {
		return
	}
	if ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		span.Set(traceReady, string(ready.Status))
		span.Set(traceReason, ready.Reason)
	}
	span.End()
}

// do runs the phase as a span of its own.
func (p phase) do(ctx context.Context, s *scope) error {
	ctx, span := tracing.Start(ctx, p.name)
	defer span.End()
	err := p.run(ctx, s)
	recordFault(span, err)
	return err
}

// recordFault records an error by its kind and reason: its text may quote the spec.
func recordFault(span tracing.Span, err error) {
	if err == nil || !span.Recording() {
		return
	}
	kind := fault.KindOf(err)
	span.Set(traceKind, kind.String())
	reason := fault.ReasonOf(err, "Error")
	span.Set(traceReason, reason)
	if kind != fault.Waiting { // which is not a failure
		span.Fail(reason)
	}
}
