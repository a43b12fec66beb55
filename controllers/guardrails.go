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

// guardrailReader finds what bounds the identities of a namespace.
type guardrailReader struct{ client client.Reader }

// namespaceObject returns an empty Namespace of which only the metadata is read.
func namespaceObject() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}

// forNamespace returns the guardrails of a namespace. To fail is to allow nothing.
func (g guardrailReader) forNamespace(ctx context.Context, namespace string) (guardrail.Set, error) {
	var all v1alpha1.PodIdentityGuardrailList
	if err := g.client.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing the PodIdentityGuardrails: %w", err)
	}
	return g.matching(ctx, namespace, all.Items...)
}

// matching returns those of the guardrails that match a namespace.
func (g guardrailReader) matching(ctx context.Context, namespace string, all ...v1alpha1.PodIdentityGuardrail) (guardrail.Set, error) {
	if len(all) == 0 {
		return nil, nil
	}
	ns := namespaceObject()
	if err := g.client.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return nil, fmt.Errorf("getting namespace %s: %w", namespace, err)
	}
	return guardrail.Match(all, ns.Labels)
}

// withBoundary returns the cluster as the identities of a namespace see it: with the
// permissions boundary that is forced on their roles.
func withBoundary(cluster plan.Cluster, rails guardrail.Set) (plan.Cluster, error) {
	var err error
	cluster.Boundary, err = rails.Boundary(cluster.Boundary)
	return cluster, err
}

// identitiesOfGuardrail returns the identities that a guardrail bounds: those of the namespaces
// that it matches or, if that cannot be told, all.
func (r *Reconciler) identitiesOfGuardrail(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	g, ok := obj.(*v1alpha1.PodIdentityGuardrail)
	if !ok {
		return nil
	}
	matches := map[string]bool{} // by namespace
	var found []v1alpha1.PodIdentity
	for _, pi := range r.listIdentities(ctx) {
		if _, known := matches[pi.Namespace]; !known {
			rails, err := r.guardrails.matching(ctx, pi.Namespace, *g)
			matches[pi.Namespace] = err != nil || len(rails) > 0
		}
		if matches[pi.Namespace] {
			found = append(found, pi)
		}
	}
	return found
}

// identitiesInNamespace returns the identities of a namespace.
func (r *Reconciler) identitiesInNamespace(ctx context.Context, namespace client.Object) []v1alpha1.PodIdentity {
	return r.listIdentities(ctx, client.InNamespace(namespace.GetName()))
}

// rejectedInNamespace returns the identities of obj's namespace that a guardrail refuses:
// there may be room for one when obj is gone.
func (r *Reconciler) rejectedInNamespace(ctx context.Context, obj client.Object) []v1alpha1.PodIdentity {
	var refused []v1alpha1.PodIdentity
	for _, pi := range r.listIdentities(ctx, client.InNamespace(obj.GetNamespace())) {
		if reasonOf(&pi) == v1alpha1.ReasonGuardrailViolated {
			refused = append(refused, pi)
		}
	}
	return refused
}

func (r *Reconciler) listIdentities(ctx context.Context, options ...client.ListOption) []v1alpha1.PodIdentity {
	var list v1alpha1.PodIdentityList
	if err := r.client.List(ctx, &list, options...); err != nil {
		logf.FromContext(ctx).Error(err, "Listing the PodIdentities that a guardrail bounds")
		return nil
	}
	return list.Items
}
