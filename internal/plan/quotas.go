package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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
//
// The fault is terminal if inline policies are too large: AWS raises no account's quota
// on them, so only a change of the spec helps. It is blocked otherwise.
func (q Quotas) Check(role Role) error {
	var problems []error
	kind := fault.Blocked
	above := func(size, quota int) bool { return quota > 0 && size > quota }
	if n := len(role.Managed); above(n, q.AttachedPoliciesPerRole) {
		problems = append(problems, fmt.Errorf("spec.policies.managed has %d policies but the quota is %d (AttachedPoliciesPerRoleQuota); remove some or request a quota increase in AWS Service Quotas",
			n, q.AttachedPoliciesPerRole))
	}
	if total, sizes := inlineSizes(role); above(total, q.RolePolicySize) {
		kind = fault.Terminal
		problems = append(problems, fmt.Errorf("inline policies total %d characters without white space; the limit is %d (RolePolicySizeQuota): %s; move some to a managed policy",
			total, q.RolePolicySize, sizes))
	}
	if n := policy.Size(string(role.Trust)); above(n, q.AssumeRolePolicySize) {
		problems = append(problems, fmt.Errorf("trust policy is %d characters; the limit is %d (AssumeRolePolicySizeQuota); reduce spec.additionalServiceAccounts or request a quota increase in AWS Service Quotas",
			n, q.AssumeRolePolicySize))
	}
	if err := errors.Join(problems...); err != nil {
		return fault.Errorf(kind, v1alpha1.ReasonQuotaExceeded, "%s", oneLine(err))
	}
	return nil
}

// inlineSizes returns the total size of all inline policies as they are sent, and the
// size of each, the largest first.
func inlineSizes(role Role) (total int, sizes string) {
	size := map[string]int{}
	for name, p := range role.Inline {
		size[name] = policy.Size(p.Text())
		total += size[name]
	}
	names := slices.SortedFunc(maps.Keys(size), func(a, b string) int {
		return cmp.Or(cmp.Compare(size[b], size[a]), cmp.Compare(a, b))
	})
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = fmt.Sprintf("%s has %d", name, size[name])
	}
	return total, strings.Join(texts, ", ")
}
