package controllers

import (
	"cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// olderThan reports whether a takes precedence over b for something that only one of
// them can have: a is older or, if both were created in the same second, a has it
// already. Of two objects, exactly one takes precedence.
func olderThan(a, b *v1alpha1.PodIdentity, has func(*v1alpha1.PodIdentity) bool) bool {
	rank := func(pi *v1alpha1.PodIdentity) int {
		if has(pi) {
			return 0
		}
		return 1
	}
	return cmp.Or(
		a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		rank(a)-rank(b),
		cmp.Compare(a.UID, b.UID),
	) < 0
}
