package controllers

import (
	"cmp"
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// guardrailsPhase evaluates the guardrails of a namespace on an identity, and computes
// the desired state within them.
type guardrailsPhase struct {
	client   client.Reader
	reader   guardrailReader
	policies *managedPolicies
	role     *rolePhase
	orphans  *orphans
	require  bool // reject namespaces that no guardrail selects
}

// enforce rejects an identity that requests more than its namespace is allowed. It
// is the first phase, so that nothing keeps a guardrail from revoking: neither an
// invalid spec nor another failure. From then on the operator neither extends nor
// repairs the identity's role, and revokes the role's permissions if a guardrail
// requires it.
func (p *guardrailsPhase) enforce(ctx context.Context, s *scope) error {
	var err error
	if s.guardrails, err = p.reader.forNamespace(ctx, s.obj.Namespace); err != nil {
		return err
	}
	if len(s.guardrails) == 0 && p.require {
		s.obj.Status.Guardrail = nil
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonGuardrailMissing,
			"no PodIdentityGuardrail selects namespace %s and the operator requires one (--require-guardrail); ask your platform team to create one", s.obj.Namespace)
	}
	facts := guardrail.Facts{Managed: p.policies.contents(ctx, s.guardrails.Reads(managedARNs(s.obj)), s.requestToken != "")}
	if facts.Older, err = p.older(ctx, s); err != nil {
		return err
	}
	result := s.guardrails.Evaluate(s.obj, facts)
	s.obj.Status.Guardrail = guardrailStatus(result.Guardrail)
	s.unread, s.unreadPolicies = result.Unread, result.UnreadPolicies
	if result.Revoke {
		if err := p.role.revoke(ctx, s); err != nil {
			return err
		}
	}
	s.accepted = result.Err == nil
	return result.Err
}

// enforceOnRole evaluates the guardrails that revoke on the role as it is in AWS, if
// this reconcile has not brought it in sync with the spec: because the object is
// suspended, in Plan mode or invalid, or because of any other failure. The role can
// then have permissions that the spec does not show. It returns err, or the rejection.
func (p *guardrailsPhase) enforceOnRole(ctx context.Context, s *scope, err error) error {
	if s.roleInSync || !s.guardrails.Revokes() || err != nil && fault.KindOf(err) == fault.Transient {
		return err
	}
	role, readErr := p.role.current(ctx, s)
	if readErr != nil || role == nil {
		return cmp.Or(err, readErr)
	}
	result := s.guardrails.EvaluateRole(*role, s.obj.Namespace, facts(ctx, p.policies, s.guardrails, role.Managed))
	if !result.Revoke {
		return err
	}
	s.obj.Status.Guardrail = guardrailStatus(result.Guardrail)
	s.failedCondition = v1alpha1.ConditionRoleReady
	if revokeErr := p.role.revoke(ctx, s); revokeErr != nil {
		return revokeErr
	}
	if err != nil {
		return fault.Errorf(fault.KindOf(result.Err), v1alpha1.ReasonGuardrailViolated, "%w; %w", result.Err, err)
	}
	return result.Err
}

// facts returns what the guardrails need to know about managed policies of a role.
func facts(ctx context.Context, policies *managedPolicies, guardrails guardrail.Set, managed []string) guardrail.Facts {
	return guardrail.Facts{Managed: policies.contents(ctx, guardrails.Reads(managed), false)}
}

// computeDesired computes the desired state of the identity.
func (p *guardrailsPhase) computeDesired(_ context.Context, s *scope) error {
	var err error
	if s.boundary, err = s.guardrails.Boundary(s.cluster.Boundary); err != nil {
		s.accepted = false
		return err
	}
	s.cluster.Boundary = s.boundary.ARN
	s.desired, err = plan.Desired(s.obj, s.cluster)
	return err
}

// requireContents rejects a valid spec with managed policies whose contents the operator
// failed to read. If the object has a role, the reconcile goes on without these policies.
func (p *guardrailsPhase) requireContents(_ context.Context, s *scope) error {
	mayExist := s.obj.Status.Role != nil && s.obj.Spec.Mode != v1alpha1.ModePlan
	if s.unread != nil && (!mayExist || fault.KindOf(s.unread) == fault.Transient) {
		return s.unread
	}
	s.permitted = true
	if s.unread != nil {
		s.keepOnly = s.unread
		s.setAside(s.unread, s.unreadPolicies...)
	}
	return nil
}

func managedARNs(pi *v1alpha1.PodIdentity) []string {
	arns := make([]string, len(pi.Spec.Policies.Managed))
	for i, arn := range pi.Spec.Policies.Managed {
		arns[i] = string(arn)
	}
	return arns
}

func guardrailStatus(by *v1alpha1.PodIdentityGuardrail) *v1alpha1.GuardrailStatus {
	if by == nil {
		return nil
	}
	return &v1alpha1.GuardrailStatus{Name: by.Name, Generation: by.Generation}
}

// older returns how many identities of the namespace are older than this one, orphaned
// roles of other names included; zero if no guardrail limits their number.
func (p *guardrailsPhase) older(ctx context.Context, s *scope) (int, error) {
	if !s.guardrails.LimitsCount() {
		return 0, nil
	}
	var list v1alpha1.PodIdentityList
	if err := p.client.List(ctx, &list, client.InNamespace(s.obj.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing the PodIdentities of namespace %s: %w", s.obj.Namespace, err)
	}
	older := p.orphans.inNamespace(s.obj.Namespace, plan.NameOf(s.obj, s.owner.Cluster))
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID != s.obj.UID && (other.DeletionTimestamp.IsZero() || hasFinalizer(other)) && olderThan(other, s.obj, hasFinalizer) {
			older++
		}
	}
	return older, nil
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
	// They are only read, and copies of large ones for each reconcile would be costly.
	if err := g.client.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
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
	boundary, err := guardrails.Boundary(cluster.Boundary)
	cluster.Boundary = boundary.ARN
	return cluster, err
}
