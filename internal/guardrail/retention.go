package guardrail

import (
	"slices"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// AllowsRetention reports whether a role of the namespace may stay in AWS after its
// PodIdentity is deleted.
func (set Set) AllowsRetention() bool {
	return !slices.ContainsFunc(set, func(g v1alpha1.PodIdentityGuardrail) bool { return g.Spec.Retention == v1alpha1.RetentionForbidden })
}

// retention rejects an identity that would leave its role behind.
func (e *evaluation) retention() {
	if e.guardrail.Retention == v1alpha1.RetentionForbidden && e.request.retains {
		e.addf(fault.Terminal, "spec.deletionPolicy", "Retain is not allowed; set Delete")
	}
}
