package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

func TestQuotas_RejectedBeforeTheFirstCall(t *testing.T) {
	text := func(n int) policy.Document { return policy.Document(strings.Repeat("x ", n)) }
	cases := map[string]struct {
		reason string
		quotas plan.Quotas
		role   plan.Role
		want   string
	}{
		"Room": {
			reason: "An identity that just fits is accepted.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Managed: make([]string, 10), Trust: text(2048), Inline: map[string]plan.InlinePolicy{"a": {Document: text(10000)}, "b": {Document: text(240)}}},
		},
		"Managed": {
			reason: "IAM would reject the eleventh policy after ten are attached.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Managed: make([]string, 11)},
			want:   "spec.policies.managed has 11 policies but the quota is 10 (AttachedPoliciesPerRoleQuota); remove some or request a quota increase in AWS Service Quotas",
		},
		"Inline": {
			reason: "The quota applies to all inline policies together.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Inline: map[string]plan.InlinePolicy{"a": {Document: text(10000)}, "b": {Document: text(241)}}},
			want:   "inline policies total 10241 characters without white space; the limit is 10240 (RolePolicySizeQuota): a has 10000, b has 241; move some to a managed policy",
		},
		"Sources": {
			reason: "The size of the text that is sent counts.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Inline: map[string]plan.InlinePolicy{"a": {Document: text(10241), Source: "{}"}}},
		},
		"Trust": {
			reason: "Many ServiceAccounts make a long trust policy.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Trust: text(2049)},
			want:   "trust policy is 2049 characters; the limit is 2048 (AssumeRolePolicySizeQuota); reduce spec.additionalServiceAccounts or request a quota increase in AWS Service Quotas",
		},
		"Raised": {
			reason: "The account's own quota counts.",
			quotas: plan.Quotas{AttachedPoliciesPerRole: 20, AssumeRolePolicySize: 4096, RolePolicySize: 10240},
			role:   plan.Role{Managed: make([]string, 20), Trust: text(4096)},
		},
		"Unknown": {
			reason: "An unknown quota rejects nothing; AWS will check it.",
			role:   plan.Role{Managed: make([]string, 25), Trust: text(9000)},
		},
		"Several": {
			reason: "All faults are reported together.",
			quotas: plan.Quotas{AttachedPoliciesPerRole: 1, RolePolicySize: 1},
			role:   plan.Role{Managed: make([]string, 2), Inline: map[string]plan.InlinePolicy{"a": {Document: text(2)}}},
			want: "spec.policies.managed has 2 policies but the quota is 1 (AttachedPoliciesPerRoleQuota); remove some or request a quota increase in AWS Service Quotas; " +
				"inline policies total 2 characters without white space; the limit is 1 (RolePolicySizeQuota): a has 2; move some to a managed policy",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			err := tc.quotas.Check(tc.role)
			got := ""
			if err != nil {
				got = err.Error()
				kind := fault.Blocked
				if len(tc.role.Inline) > 0 {
					kind = fault.Terminal // no quota increase helps
				}
				if fault.KindOf(err) != kind || fault.ReasonOf(err, "") != v1alpha1.ReasonQuotaExceeded {
					t.Errorf("a fault of kind %v, reason %s", fault.KindOf(err), fault.ReasonOf(err, ""))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("message: -want, +got:\n%s", diff)
			}
		})
	}
}
