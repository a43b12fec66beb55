package plan

import (
	"errors"
	"fmt"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Quotas are the limits of an account on one role, by what GetAccountSummary
// calls them. Policies are measured in characters that are not white space. A
// quota of zero is not known, and refuses nothing.
type Quotas struct {
	AttachedPoliciesPerRole int
	AssumeRolePolicySize    int
	RolePolicySize          int
}

// DefaultQuotas are those of an account that has had none raised. No account has
// less, so what they allow is allowed everywhere.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
var DefaultQuotas = Quotas{AttachedPoliciesPerRole: 10, AssumeRolePolicySize: 2048, RolePolicySize: 10240}

// Check returns nil if there is room for role, and else a fault that names each
// field that asks for too much, its size, and the quota. AWS would find out too,
// but only when half of the role has been made.
func (q Quotas) Check(role Role) error {
	var problems []error
	refuse := func(size, quota int, format string) {
		if quota > 0 && size > quota {
			problems = append(problems, fmt.Errorf(format, size, quota))
		}
	}
	refuse(len(role.Managed), q.AttachedPoliciesPerRole,
		"spec.policies.managed lists %d policies, and this AWS account attaches %d to a role (AttachedPoliciesPerRoleQuota): list fewer, or have the quota raised in AWS Service Quotas")
	refuse(inlineSize(role), q.RolePolicySize,
		"spec.policies.inline has %d characters without white space, and AWS takes %d for all of a role (RolePolicySizeQuota): move some to a managed policy")
	refuse(policy.Size(string(role.Trust)), q.AssumeRolePolicySize,
		"the trust policy needs %d characters, and this AWS account takes %d (AssumeRolePolicySizeQuota): name fewer in spec.additionalServiceAccounts, or have the quota raised in AWS Service Quotas")
	if err := errors.Join(problems...); err != nil {
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonQuotaExceeded, "%s", oneLine(err))
	}
	return nil
}

// inlineSize returns the size of all inline policies together, as they are sent.
func inlineSize(role Role) int {
	size := 0
	for name, document := range role.Inline {
		text := role.Sources[name]
		if text == "" {
			text = string(document)
		}
		size += policy.Size(text)
	}
	return size
}
