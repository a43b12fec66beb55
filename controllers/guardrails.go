package controllers

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// guardrails finds what bounds the identities of a namespace.
type guardrails struct{ client client.Reader }

// namespaceObject returns an empty Namespace of which only the metadata is read.
func namespaceObject() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}

// of returns the guardrails of a namespace. To fail is to allow nothing.
func (g guardrails) of(ctx context.Context, namespace string) (guardrail.Rails, error) {
	var all v1alpha1.PodIdentityGuardrailList
	if err := g.client.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing the PodIdentityGuardrails: %w", err)
	}
	return g.among(ctx, namespace, all.Items...)
}

// among returns those of the guardrails that match a namespace.
func (g guardrails) among(ctx context.Context, namespace string, all ...v1alpha1.PodIdentityGuardrail) (guardrail.Rails, error) {
	if len(all) == 0 {
		return nil, nil
	}
	ns := namespaceObject()
	if err := g.client.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return nil, fmt.Errorf("getting namespace %s: %w", namespace, err)
	}
	return guardrail.For(all, ns.Labels)
}

// bound returns the cluster as the identities of a namespace see it: with the
// permissions boundary that is forced on their roles.
func bound(cluster plan.Cluster, rails guardrail.Rails) (plan.Cluster, error) {
	var err error
	cluster.Boundary, err = rails.Boundary(cluster.Boundary)
	return cluster, err
}

// bounded returns the identities that a guardrail bounds: those of the namespaces
// that it matches or, if that cannot be told, all.
func (r *Reconciler) bounded(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	g, ok := obj.(*v1alpha1.PodIdentityGuardrail)
	if !ok {
		return nil
	}
	matches := map[string]bool{} // by namespace
	var found []v1alpha1.PodIdentity
	for _, pi := range r.listed(ctx) {
		if _, known := matches[pi.Namespace]; !known {
			rails, err := r.guardrails.among(ctx, pi.Namespace, *g)
			matches[pi.Namespace] = err != nil || len(rails) > 0
		}
		if matches[pi.Namespace] {
			found = append(found, pi)
		}
	}
	return found
}

// inhabitants returns the identities of a namespace.
func (r *Reconciler) inhabitants(ctx context.Context, namespace client.Object) []v1alpha1.PodIdentity {
	return r.listed(ctx, client.InNamespace(namespace.GetName()))
}

// neighbours returns the identities of obj's namespace that a guardrail refuses:
// there may be room for one when obj is gone.
func (r *Reconciler) neighbours(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	var refused []v1alpha1.PodIdentity
	for _, pi := range r.listed(ctx, client.InNamespace(obj.GetNamespace())) {
		if reasonOf(&pi) == v1alpha1.ReasonGuardrailViolated {
			refused = append(refused, pi)
		}
	}
	return refused
}

func (r *Reconciler) listed(ctx context.Context, options ...client.ListOption) []v1alpha1.PodIdentity {
	var list v1alpha1.PodIdentityList
	if err := r.client.List(ctx, &list, options...); err != nil {
		logf.FromContext(ctx).Error(err, "Listing the PodIdentities that a guardrail bounds")
		return nil
	}
	return list.Items
}
