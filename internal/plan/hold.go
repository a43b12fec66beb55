package plan

import (
	"maps"
	"slices"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Hold returns the role that may exist while some of the desired managed policies cannot
// be attached. applied is the role that the operator applied last.
//
// Policies that the desired role no longer has may be those that the missing ones
// replace, so they stay until all can be exchanged, and a running workload keeps its
// permissions. While they stay, nothing that limits them becomes wider: the trust policy,
// the boundary and the Deny statements also stay, unless the new ones are narrower. The
// role grants nothing that neither the applied nor the desired role grants. Inline
// policies change immediately, except old ones with a Deny statement.
func Hold(applied, desired Role, unattachable []string) Role {
	held := desired.Clone()
	missing := func(arn string) bool {
		return slices.Contains(unattachable, arn) && !slices.Contains(applied.Managed, arn)
	}
	held.Managed = slices.DeleteFunc(held.Managed, missing)
	replaced := slices.ContainsFunc(applied.Managed, func(arn string) bool { return !slices.Contains(desired.Managed, arn) })
	if !replaced || !slices.ContainsFunc(desired.Managed, missing) {
		return held // part of the desired role
	}
	held.Managed = slices.Clone(applied.Managed)
	if applied.Trust != "" && !policy.IsSubset(desired.Trust, applied.Trust) {
		held.Trust = applied.Trust
	}
	if applied.Boundary != "" {
		held.Boundary = applied.Boundary
	}
	if held.Inline == nil {
		held.Inline = map[string]InlinePolicy{}
	}
	for name, in := range applied.Inline {
		if contentOf(in.Document).mayDeny() {
			held.Inline[name] = in
		}
	}
	return held
}

// Restored returns the role as the operator applied it, without managed policies that the
// observed role lacks, because their contents may have changed, and without missing or
// changed inline policies that are not accepted.
func Restored(observed, applied Role, accepted func(name string, in InlinePolicy) bool) Role {
	restored := applied.Clone()
	restored.Managed = slices.DeleteFunc(restored.Managed, func(arn string) bool { return !slices.Contains(observed.Managed, arn) })
	maps.DeleteFunc(restored.Inline, func(name string, in InlinePolicy) bool {
		return observed.Inline[name].Document != in.Document && !accepted(name, in)
	})
	return restored
}

// WithoutManaged returns the role without one of its managed policies.
func (r Role) WithoutManaged(arn string) Role {
	r = r.Clone()
	r.Managed = slices.DeleteFunc(r.Managed, func(has string) bool { return has == arn })
	return r
}
