package guardrail

import (
	"fmt"
	"testing"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy/policytest"
)

// BenchmarkEvaluate evaluates the baseline, and a guardrail with 600 patterns for each
// element, on identities with the worst inline policies.
func BenchmarkEvaluate(b *testing.B) {
	patterns := func(format string) []v1alpha1.Pattern {
		list := make([]v1alpha1.Pattern, 200)
		for i := range list {
			list[i] = v1alpha1.Pattern(fmt.Sprintf(format, i))
		}
		return list
	}
	limits := func(format string) v1alpha1.PermissionLimit {
		return v1alpha1.PermissionLimit{Allowed: patterns(format + "a"), Additional: patterns(format + "b*"), Denied: patterns("*" + format + "c*d")}
	}
	var g v1alpha1.PodIdentityGuardrail
	g.Spec.Actions, g.Spec.Resources = limits("s3:%d*"), limits("arn:aws:s3:::shop-%d/*")
	for name, text := range policytest.Worst("") {
		pi := &v1alpha1.PodIdentity{}
		pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: text}}
		b.Run(name+"/Baseline", func(b *testing.B) {
			defer policytest.ReportCPU(b)()
			for b.Loop() {
				_ = Set(nil).Evaluate(pi, Facts{})
			}
		})
		b.Run(name+"/Guardrail", func(b *testing.B) {
			defer policytest.ReportCPU(b)()
			for b.Loop() {
				_ = Set{g}.Evaluate(pi, Facts{})
			}
		})
	}
}
