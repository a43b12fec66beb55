package plan

import (
	"errors"
	"fmt"
	"testing"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy/policytest"
)

// BenchmarkDesired computes the desired state with the worst inline policies.
func BenchmarkDesired(b *testing.B) {
	for name, text := range policytest.Worst("") {
		b.Run(name, func(b *testing.B) {
			pi := withDocument(text)
			defer policytest.ReportCPU(b)()
			for b.Loop() {
				if after, err := Desired(pi, testCluster); err == nil {
					_ = DefaultQuotas.Check(after.Role)
				}
			}
		})
	}
}

// BenchmarkDiff plans the change from the worst inline policies to slightly different
// ones.
func BenchmarkDiff(b *testing.B) {
	others := policytest.Worst("b")
	for name, text := range policytest.Worst("") {
		b.Run(name, func(b *testing.B) {
			before, err := Desired(withDocument(others[name]), testCluster)
			if err = errors.Join(err, DefaultQuotas.Check(before.Role)); err != nil {
				b.Skip(err) // rejected before any comparison
			}
			after, err := Desired(withDocument(text), testCluster)
			if err != nil {
				b.Fatal(err)
			}
			defer policytest.ReportCPU(b)()
			for b.Loop() {
				_ = Diff(&before.Role, after.Role)
			}
		})
	}
}

func withDocument(text string) *v1alpha1.PodIdentity {
	return identity(func(s *v1alpha1.PodIdentitySpec) {
		s.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: text}}
	})
}

// BenchmarkDiff_Split plans the creation of a role with the maximum number of policies,
// half of which deny what the others allow.
func BenchmarkDiff_Split(b *testing.B) {
	pi := identity(func(s *v1alpha1.PodIdentitySpec) {
		for i := range 20 {
			in := v1alpha1.InlinePolicy{Name: fmt.Sprintf("p%d", i)}
			for j := range 5 {
				in.Statements = append(in.Statements, v1alpha1.Statement{
					Effect:    []v1alpha1.Effect{"Allow", "Deny"}[j%2],
					Actions:   []v1alpha1.Action{v1alpha1.Action(fmt.Sprintf("s3:*%x", j)), "s3:*b"},
					Resources: []v1alpha1.Resource{v1alpha1.Resource(fmt.Sprintf("arn:aws:s3:::*%x*%x", i, j))},
				})
			}
			s.Policies.Inline = append(s.Policies.Inline, in)
		}
	})
	defer policytest.ReportCPU(b)()
	for b.Loop() {
		after, err := Desired(pi, testCluster)
		if err != nil || DefaultQuotas.Check(after.Role) != nil {
			b.Fatal(err, DefaultQuotas.Check(after.Role))
		}
		_ = Diff(nil, after.Role)
	}
}
