package guardrail

import (
	"fmt"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/internal/policy/policytest"
)

// BenchmarkEvaluate evaluates the baseline, a guardrail with 600 patterns for each
// element, and one whose patterns are as long as ARNs, on identities with the worst inline
// policies.
func BenchmarkEvaluate(b *testing.B) {
	long := strings.Repeat("team-", 10)
	guardrails := map[string]Set{
		"Baseline":  nil,
		"Guardrail": {wide("s3:%d*", "arn:aws:s3:::shop-%d/*")},
		"Long":      {wide("s3:Get*%d*", "arn:aws:s3:::"+long+"%d/*")},
	}
	for name, text := range policytest.Worst("") {
		pi := &v1alpha1.PodIdentity{}
		pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: text}}
		for of, set := range guardrails {
			b.Run(name+"/"+of, func(b *testing.B) {
				defer policytest.ReportCPU(b)()
				for b.Loop() {
					_ = set.Evaluate(pi, Facts{})
				}
			})
		}
	}
}

// BenchmarkEvaluate_Managed evaluates a guardrail with 600 patterns for managed policies
// on an identity with as many of them as there may be.
func BenchmarkEvaluate_Managed(b *testing.B) {
	const policies = 25
	var g v1alpha1.PodIdentityGuardrail
	g.Spec.ManagedPolicies = v1alpha1.ManagedPolicyLimit{
		Allowed: patterns("arn:aws:iam::123456789012:policy/%d*"), Denied: patterns("arn:*:policy/*x%d"), Trusted: patterns("arn:aws:iam::123456789012:policy/trusted-%d*"),
	}
	pi := &v1alpha1.PodIdentity{}
	facts := Facts{Managed: map[string]Contents{}}
	contents := ReadContents(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	for i := range policies {
		arn := fmt.Sprintf("arn:aws:iam::123456789012:policy/%d-shop", i)
		pi.Spec.Policies.Managed = append(pi.Spec.Policies.Managed, v1alpha1.PolicyARN(arn))
		facts.Managed[arn] = contents
	}
	set := Set{g}
	defer policytest.ReportCPU(b)()
	for b.Loop() {
		_ = set.Reads(policy.Strings(pi.Spec.Policies.Managed))
		if err := set.Evaluate(pi, facts).Err; err != nil {
			b.Fatal(err)
		}
	}
}

// wide returns a guardrail with as many patterns as it may have.
func wide(action, resource string) v1alpha1.PodIdentityGuardrail {
	limits := func(format string) v1alpha1.PermissionLimit {
		return v1alpha1.PermissionLimit{Allowed: patterns(format + "a"), Additional: patterns(format + "b*"), Denied: patterns("*" + format + "c*d")}
	}
	var g v1alpha1.PodIdentityGuardrail
	g.Spec.Actions, g.Spec.Resources = limits(action), limits(resource)
	return g
}

func patterns(format string) []v1alpha1.Pattern {
	list := make([]v1alpha1.Pattern, 200)
	for i := range list {
		list[i] = v1alpha1.Pattern(fmt.Sprintf(format, i))
	}
	return list
}
