package policy_test

import (
	"testing"

	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/internal/policy/policytest"
)

// BenchmarkIsSubset compares the worst policies with slightly different ones, both
// ways, as a change of an inline policy does.
func BenchmarkIsSubset(b *testing.B) {
	others := policytest.Worst("b")
	for name, text := range policytest.Worst("") {
		b.Run(name, func(b *testing.B) {
			p, q := parse(b, text), parse(b, others[name])
			defer policytest.ReportCPU(b)()
			for b.Loop() {
				_ = p.IsSubset(q) || q.IsSubset(p)
			}
		})
	}
}

// BenchmarkParse reads the worst policies, and writes their canonical form, by which
// they are compared.
func BenchmarkParse(b *testing.B) {
	for name, text := range policytest.Worst("") {
		b.Run(name, func(b *testing.B) {
			defer policytest.ReportCPU(b)()
			for b.Loop() {
				_, _ = policy.Parse([]byte(text)) // some are rejected
			}
		})
	}
}

// BenchmarkLists compares the worst patterns with lists of worst patterns.
func BenchmarkLists(b *testing.B) {
	for name, text := range policytest.Worst("") {
		b.Run(name, func(b *testing.B) {
			var all []string
			for _, s := range parse(b, text).Statements {
				all = append(append(all, s.Actions...), s.Resources...)
			}
			defer policytest.ReportCPU(b)()
			for b.Loop() {
				allowed, denied := policy.NewAllowlist(policy.AnyCase, all...), policy.NewDenylist(policy.AnyCase, all...)
				for _, p := range all {
					_, _ = allowed.Covers(p+"b"), denied.Overlaps(p+"b")
				}
			}
		})
	}
}

// parse returns a policy that can be compared. Others are rejected before that.
func parse(b *testing.B, text string) policy.Policy {
	b.Helper()
	d, err := policy.Parse([]byte(text))
	if err != nil {
		b.Skip(err)
	}
	return d.Policy()
}
