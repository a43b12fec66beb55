package guardrail

import (
	"slices"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// AllowsRetention reports whether a role of the namespace may stay in AWS after its
// PodIdentity is deleted.
func (rs Set) AllowsRetention() bool {
	return !slices.ContainsFunc(rs, func(g v1alpha1.PodIdentityGuardrail) bool { return g.Spec.Retention == v1alpha1.RetentionForbidden })
}

// evaluateRetention rejects an identity that would leave its role behind.
func evaluateRetention(pi *v1alpha1.PodIdentity, g *v1alpha1.PodIdentityGuardrailSpec, report report) {
	if g.Retention == v1alpha1.RetentionForbidden && pi.Spec.DeletionPolicy == v1alpha1.DeletionRetain {
		report("spec.deletionPolicy: Retain is not allowed; set Delete")
	}
}
