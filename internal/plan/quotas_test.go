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

func TestQuotas(t *testing.T) {
	text := func(n int) policy.Document { return policy.Document(strings.Repeat("x ", n)) }
	cases := map[string]struct {
		reason string
		quotas plan.Quotas
		role   plan.Role
		want   string
	}{
		"Room": {
			reason: "What just fits is fine.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Managed: make([]string, 10), Trust: text(2048), Inline: map[string]policy.Document{"a": text(10000), "b": text(240)}},
		},
		"Managed": {
			reason: "The eleventh policy would be refused when ten are attached.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Managed: make([]string, 11)},
			want:   "spec.policies.managed lists 11 policies, and this AWS account attaches 10 to a role (AttachedPoliciesPerRoleQuota): list fewer, or have the quota raised in AWS Service Quotas",
		},
		"Inline": {
			reason: "The quota is on all inline policies together.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Inline: map[string]policy.Document{"a": text(10000), "b": text(241)}},
			want:   "spec.policies.inline has 10241 characters without white space, and AWS takes 10240 for all of a role (RolePolicySizeQuota): move some to a managed policy",
		},
		"Sources": {
			reason: "What counts is the text that is sent.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Inline: map[string]policy.Document{"a": text(10241)}, Sources: map[string]string{"a": "{}"}},
		},
		"Trust": {
			reason: "Many ServiceAccounts make a long trust policy.",
			quotas: plan.DefaultQuotas,
			role:   plan.Role{Trust: text(2049)},
			want:   "the trust policy needs 2049 characters, and this AWS account takes 2048 (AssumeRolePolicySizeQuota): name fewer in spec.additionalServiceAccounts, or have the quota raised in AWS Service Quotas",
		},
		"Raised": {
			reason: "An account's own quota counts.",
			quotas: plan.Quotas{AttachedPoliciesPerRole: 20, AssumeRolePolicySize: 4096, RolePolicySize: 10240},
			role:   plan.Role{Managed: make([]string, 20), Trust: text(4096)},
		},
		"Unknown": {
			reason: "What is not known refuses nothing: AWS will say.",
			role:   plan.Role{Managed: make([]string, 25), Trust: text(9000)},
		},
		"Several": {
			reason: "All that is wrong is said at once.",
			quotas: plan.Quotas{AttachedPoliciesPerRole: 1, RolePolicySize: 1},
			role:   plan.Role{Managed: make([]string, 2), Inline: map[string]policy.Document{"a": text(2)}},
			want: "spec.policies.managed lists 2 policies, and this AWS account attaches 1 to a role (AttachedPoliciesPerRoleQuota): list fewer, or have the quota raised in AWS Service Quotas; " +
				"spec.policies.inline has 2 characters without white space, and AWS takes 1 for all of a role (RolePolicySizeQuota): move some to a managed policy",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := tc.quotas.Check(tc.role)
			got := ""
			if err != nil {
				got = err.Error()
				if fault.KindOf(err) != fault.Blocked || fault.ReasonOf(err, "") != v1alpha1.ReasonQuotaExceeded {
					t.Errorf("%s: a fault of kind %v, reason %s", tc.reason, fault.KindOf(err), fault.ReasonOf(err, ""))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nmessage: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
