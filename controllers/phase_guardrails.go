package controllers

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// guardrailsPhase computes the desired state within the guardrails of the
// namespace, and rejects an identity that exceeds them.
type guardrailsPhase struct {
	client  client.Reader
	reader  guardrailReader
	role    *rolePhase
	orphans *orphans
	require bool // reject namespaces that no guardrail selects
}

// computeDesired computes the desired state of the identity.
func (p *guardrailsPhase) computeDesired(ctx context.Context, s *scope) error {
	var err error
	if s.guardrails, err = p.reader.forNamespace(ctx, s.obj.Namespace); err != nil {
		return err
	}
	if s.cluster, err = withBoundary(s.cluster, s.guardrails); err != nil {
		return err
	}
	s.desired, err = plan.Desired(s.obj, s.cluster)
	return err
}

// enforce rejects an identity that requests more than its namespace is allowed.
// From then on the operator neither extends nor repairs the identity's role, and
// revokes the role's permissions if a guardrail says so.
func (p *guardrailsPhase) enforce(ctx context.Context, s *scope) error {
	if len(s.guardrails) == 0 && p.require {
		s.obj.Status.Guardrail = nil
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonGuardrailMissing,
			"no PodIdentityGuardrail selects namespace %s and the operator requires one (--require-guardrail); ask your platform team to create one", s.obj.Namespace)
	}
	rank, err := p.rank(ctx, s)
	if err != nil {
		return err
	}
	result := s.guardrails.Evaluate(s.obj, rank)
	s.obj.Status.Guardrail = guardrailStatus(result.Guardrail)
	if result.Err == nil {
		s.permitted = true
		return nil
	}
	if result.Revoke && s.obj.Spec.Mode != v1alpha1.ModePlan {
		ratelimit.Raise(ctx, ratelimit.Edit)
		if err := p.role.revoke(ctx, s); err != nil {
			return err
		}
	}
	return result.Err
}

func guardrailStatus(by *v1alpha1.PodIdentityGuardrail) *v1alpha1.GuardrailStatus {
	if by == nil {
		return nil
	}
	return &v1alpha1.GuardrailStatus{Name: by.Name, Generation: by.Generation}
}

// rank returns how many identities of the namespace are older than this one, orphaned
// roles included; zero if no guardrail limits their number.
func (p *guardrailsPhase) rank(ctx context.Context, s *scope) (int, error) {
	if !s.guardrails.LimitsCount() {
		return 0, nil
	}
	var list v1alpha1.PodIdentityList
	if err := p.client.List(ctx, &list, client.InNamespace(s.obj.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing the PodIdentities of namespace %s: %w", s.obj.Namespace, err)
	}
	rank := p.orphans.inNamespace(s.obj.Namespace)
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID != s.obj.UID && other.DeletionTimestamp.IsZero() && olderThan(other, s.obj, hasFinalizer) {
			rank++
		}
	}
	return rank, nil
}

// hasFinalizer reports whether the operator may have created a role for the
// identity.
func hasFinalizer(pi *v1alpha1.PodIdentity) bool {
	return controllerutil.ContainsFinalizer(pi, v1alpha1.Finalizer)
}

// guardrailReader reads the guardrails of a namespace.
type guardrailReader struct{ client client.Reader }

// namespaceObject returns an empty Namespace of which only the metadata is read.
func namespaceObject() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}

// forNamespace returns the guardrails of a namespace. The caller must reject the
// identity if it fails.
func (g guardrailReader) forNamespace(ctx context.Context, namespace string) (guardrail.Set, error) {
	var all v1alpha1.PodIdentityGuardrailList
	if err := g.client.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing the PodIdentityGuardrails: %w", err)
	}
	return g.matching(ctx, namespace, all.Items...)
}

// matching returns those of the guardrails that select a namespace.
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

// withBoundary returns the cluster as it applies to the identities of a namespace:
// with the permissions boundary that the guardrails enforce.
func withBoundary(cluster plan.Cluster, guardrails guardrail.Set) (plan.Cluster, error) {
	var err error
	cluster.Boundary, err = guardrails.Boundary(cluster.Boundary)
	return cluster, err
}
