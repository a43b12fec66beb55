package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// SplitTags splits changes into those of tags and all others. Both keep their order.
func SplitTags(changes []Change) (others, tags []Change) {
	for _, c := range changes {
		switch c.(type) {
		case TagRole, UntagRole:
			tags = append(tags, c)
		default:
			others = append(others, c)
		}
	}
	return others, tags
}

// Diff returns the changes that turn the observed role into the desired one, none if
// they are equal. A nil observed means that the role does not exist.
//
// The result is deterministic. Its order is safe to interrupt: after each change, the
// role grants nothing that neither the observed nor the desired role grants. Changes
// that only remove permissions come first, changes that only add permissions come
// last. A change that does both is split in two where it would otherwise be combined
// with another one.
//
// Managed policies are assumed to grant only: their Deny statements are not known
// here.
func Diff(observed *Role, desired Role) []Change {
	if observed == nil {
		bare := desired.Clone()
		bare.Managed, bare.Inline = nil, nil
		return append([]Change{CreateRole{Role: bare}}, permissionChanges(bare, desired).ordered()...)
	}
	s := permissionChanges(*observed, desired)
	s.neutral = append(diffTags(observed.Tags, desired.Tags), diffSettings(*observed, desired)...)
	return s.ordered()
}

// diffSettings returns the change of the settings that UpdateRole covers.
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

// Teardown returns the changes that delete the observed role and its attachments,
// none if the role does not exist. The trust policy is replaced first, so that no new
// session starts on a role that is partly removed. A role without attachments takes
// one call.
func Teardown(observed *Observed) []Change {
	if observed == nil {
		return nil
	}
	if len(observed.Managed)+len(observed.Inline)+len(observed.InstanceProfiles) == 0 {
		return []Change{DeleteRole{}}
	}
	var changes []Change
	if denyAll := policy.DenyAllTrust(); observed.Trust != denyAll {
		changes = append(changes, UpdateTrust{Trust: denyAll})
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

// diffTags returns the changes of tags: one that removes and one that sets.
func diffTags(observed, desired map[string]string) []Change {
	var changes []Change
	var removed []string
	for _, key := range slices.Sorted(maps.Keys(observed)) {
		if _, ok := desired[key]; !ok {
			removed = append(removed, key)
		}
	}
	if len(removed) > 0 {
		changes = append(changes, UntagRole{Keys: removed})
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
