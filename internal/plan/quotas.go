package plan

import (
	"errors"
	"fmt"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Quotas are an account's limits for one role, named as in GetAccountSummary. The size
// of a policy is its number of characters without white space. A quota of zero is
// unknown and never exceeded.
type Quotas struct {
	AttachedPoliciesPerRole int
	AssumeRolePolicySize    int
	RolePolicySize          int
}

// DefaultQuotas are those of an account without quota increases. No account has lower
// ones.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
var DefaultQuotas = Quotas{AttachedPoliciesPerRole: 10, AssumeRolePolicySize: 2048, RolePolicySize: 10240}

// Check returns nil if role is within the quotas, and otherwise a fault that names each
// field above its quota, with size and quota. AWS reports the same, but only after
// the role is partly created.
func (q Quotas) Check(role Role) error {
	var problems []error
	check := func(size, quota int, format string) {
		if quota > 0 && size > quota {
			problems = append(problems, fmt.Errorf(format, size, quota))
		}
	}
	check(len(role.Managed), q.AttachedPoliciesPerRole,
		"spec.policies.managed has %d policies but the quota is %d (AttachedPoliciesPerRoleQuota); remove some or request a quota increase in AWS Service Quotas")
	check(inlineSize(role), q.RolePolicySize,
		"inline policies total %d characters without white space; the limit is %d (RolePolicySizeQuota); move some to a managed policy")
	check(policy.Size(string(role.Trust)), q.AssumeRolePolicySize,
		"trust policy is %d characters; the limit is %d (AssumeRolePolicySizeQuota); reduce spec.additionalServiceAccounts or request a quota increase in AWS Service Quotas")
	if err := errors.Join(problems...); err != nil {
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonQuotaExceeded, "%s", oneLine(err))
	}
	return nil
}

// inlineSize returns the total size of all inline policies as they are sent.
func inlineSize(role Role) int {
	size := 0
	for _, p := range role.Inline {
		size += policy.Size(p.Text())
	}
	return size
}
