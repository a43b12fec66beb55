package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Diff returns the changes that turn the observed role into the desired one,
// none if they are alike. A nil observed means that there is no role.
//
// The result is deterministic, and in such an order that a run which stops
// anywhere leaves a role that grants nothing that neither the observed nor the
// desired role grants: what only takes rights away goes first, what only gives
// rights goes last, and of the changes that do both, those that must not stand
// half-done beside another are split into a part of either kind.
//
// Managed policies count as granting: what they deny is not known here.
func Diff(observed *Role, desired Role) []Change {
	if observed == nil {
		bare := desired.Clone()
		bare.Managed, bare.Inline, bare.Sources = nil, nil, nil
		return append([]Change{CreateRole{Role: bare}}, grants(bare, desired).ordered()...)
	}
	s := grants(*observed, desired)
	s.insert(diffTags(observed.Tags, desired.Tags)...)
	s.insert(diffSettings(*observed, desired)...)
	return s.ordered()
}

// diffSettings returns the change of what UpdateRole sets.
func diffSettings(observed, desired Role) []Change {
	var differs []string
	if observed.Description != desired.Description {
		differs = append(differs, "description")
	}
	if observed.MaxSessionDuration != desired.MaxSessionDuration {
		differs = append(differs, "sessionDuration")
	}
	if len(differs) == 0 {
		return nil
	}
	return []Change{UpdateRole{Description: desired.Description, MaxSessionDuration: desired.MaxSessionDuration, ChangedFields: strings.Join(differs, "+")}}
}

// Teardown returns the changes that delete the observed role and all that hangs
// on it, none if there is no role. Trust is cut first, so that no new session
// begins on a role that is half gone. A role that nothing hangs on is never half
// gone: it takes one call.
func Teardown(observed *Observed) []Change {
	if observed == nil {
		return nil
	}
	if len(observed.Managed)+len(observed.Inline)+len(observed.InstanceProfiles) == 0 {
		return []Change{DeleteRole{}}
	}
	var changes []Change
	if nobody := policy.DenyAllTrust(); observed.Trust != nobody {
		changes = append(changes, UpdateTrust{Trust: nobody})
	}
	for _, arn := range observed.Managed {
		changes = append(changes, DetachPolicy{ARN: arn})
	}
	for _, name := range slices.Sorted(maps.Keys(observed.Inline)) {
		changes = append(changes, DeleteRolePolicy{Name: name})
	}
	for _, name := range observed.InstanceProfiles {
		changes = append(changes, RemoveFromInstanceProfile{Name: name})
	}
	return append(changes, DeleteRole{})
}

// diffTags returns the changes of tags: removals, then all additions in one.
func diffTags(observed, desired map[string]string) []Change {
	var changes []Change
	var gone []string
	for _, key := range slices.Sorted(maps.Keys(observed)) {
		if _, ok := desired[key]; !ok {
			gone = append(gone, key)
		}
	}
	if len(gone) > 0 {
		changes = append(changes, UntagRole{Keys: gone})
	}
	set := map[string]string{}
	for key, want := range desired {
		if got, ok := observed[key]; !ok || got != want {
			set[key] = want
		}
	}
	if len(set) > 0 {
		changes = append(changes, TagRole{Tags: set})
	}
	return changes
}
