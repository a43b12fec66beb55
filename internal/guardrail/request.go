package guardrail

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// request is what an identity asks for, or what its role has.
type request struct {
	// inline are the statements of the inline policies that allow something.
	inline []allowStatement
	// inlineField is where the inline policies are, empty if there are none.
	inlineField string
	// tooLarge is a fault if the inline policies of a spec exceed what IAM stores for a
	// role, nil if they do not. Their statements are not read then.
	tooLarge error
	// unreadable are the places of inline policies of a role that the operator cannot
	// parse.
	unreadable []string

	managed         []named
	tagKeys         []named
	roleNames       []named
	serviceAccounts []named
	// trustField is the place that trusts the whole namespace, empty if none does.
	trustField string
	// boundary is the permissions boundary of a role, nil for a spec: the operator
	// overrides that of a spec.
	boundary *string
	retains  bool // leaves the role behind
}

// named is a string with its place.
type named struct{ field, text string }

// requestOf returns what the spec of an identity asks for. It skips what is invalid:
// plan.Desired rejects that.
func requestOf(pi *v1alpha1.PodIdentity) request {
	r := request{retains: pi.Spec.DeletionPolicy == v1alpha1.DeletionRetain}
	for i, arn := range pi.Spec.Policies.Managed {
		r.managed = append(r.managed, named{fmt.Sprintf("spec.policies.managed[%d]", i), string(arn)})
	}
	if inline := pi.Spec.Policies.Inline; len(inline) > 0 {
		r.inlineField = "spec.policies.inline"
		if r.tooLarge = tooLarge(inline); r.tooLarge == nil {
			r.inline = inlineStatements(inline)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(pi.Spec.Role.Tags)) {
		r.tagKeys = append(r.tagKeys, named{"spec.role.tags", key})
	}
	if name := pi.Spec.Role.Name; name != "" {
		r.roleNames = []named{{"spec.role.name", name}}
	}
	field := "spec.serviceAccount.name"
	for _, name := range plan.ServiceAccountsOf(pi) {
		r.serviceAccounts = append(r.serviceAccounts, named{field, name})
		field = "spec.additionalServiceAccounts"
	}
	if pi.Spec.Trust.Scope == v1alpha1.TrustNamespace {
		r.trustField = "spec.trust.scope"
	}
	return r
}

// requestOfRole returns what a role in AWS has, for an identity of that namespace.
func requestOfRole(role plan.Role, namespace string) request {
	r := request{boundary: &role.Boundary}
	for _, arn := range role.Managed {
		r.managed = append(r.managed, named{"managed policy of the role", arn})
	}
	for _, name := range slices.Sorted(maps.Keys(role.Inline)) {
		r.inlineField = "inline policies of the role"
		field := fmt.Sprintf("inline policy %s of the role", name)
		p, err := policy.Decode([]byte(role.Inline[name].Document))
		if err != nil {
			r.unreadable = append(r.unreadable, field)
			continue
		}
		r.inline = append(r.inline, allowStatements(p, field)...)
	}
	for _, key := range slices.Sorted(maps.Keys(role.Tags)) {
		if !strings.HasPrefix(key, plan.TagPrefix) {
			r.tagKeys = append(r.tagKeys, named{"tags of the role", key})
		}
	}
	for _, name := range trustedAccounts(role.Trust.Policy(), namespace) {
		if name == everything {
			r.trustField = "trust policy of the role"
		} else {
			r.serviceAccounts = append(r.serviceAccounts, named{"trust policy of the role", name})
		}
	}
	return r
}

// trustedAccounts returns the names of the ServiceAccounts that a trust policy
// admits, * for all of the namespace.
func trustedAccounts(trust policy.Policy, namespace string) []string {
	var names []string
	for _, s := range trust.Statements {
		for _, c := range s.Conditions {
			for _, value := range c.Values {
				if name, found := strings.CutPrefix(value, "system:serviceaccount:"+namespace+":"); found {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// tooLarge returns a fault with the sizes of inline policies that no role can hold, the
// largest first; nil if a role may hold them. It bounds the work of everything after it.
func tooLarge(inline []v1alpha1.InlinePolicy) error {
	most := plan.DefaultQuotas.RolePolicySize
	total := 0
	type size struct {
		name string
		n    int
	}
	sizes := make([]size, len(inline))
	for i, in := range inline {
		sizes[i] = size{in.Name, leastSize(in)}
		total += sizes[i].n
	}
	if total <= most {
		return nil
	}
	slices.SortStableFunc(sizes, func(a, b size) int { return b.n - a.n })
	var texts []string
	for _, s := range sizes[:min(len(sizes), 3)] {
		texts = append(texts, fmt.Sprintf("%s has %d", s.name, s.n))
	}
	if more := len(sizes) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return fault.Errorf(fault.Terminal, v1alpha1.ReasonQuotaExceeded,
		"spec.policies.inline: inline policies total %d characters without white space; the limit is %d (RolePolicySizeQuota): %s; move some to a managed policy",
		total, most, strings.Join(texts, ", "))
}

// leastSize returns the minimum number of characters of an inline policy in IAM, which
// does not count white space.
func leastSize(in v1alpha1.InlinePolicy) int {
	n := policy.Size(in.Document)
	for _, s := range in.Statements {
		n += textSize(s.Actions) + textSize(s.NotActions) + textSize(s.Resources) + textSize(s.NotResources)
		for _, c := range s.Conditions {
			n += len(c.Key) + textSize(c.Values)
		}
	}
	return n
}

func textSize[S ~string](texts []S) int {
	n := 0
	for _, text := range texts {
		n += policy.Size(string(text)) + len(`""`)
	}
	return n
}
