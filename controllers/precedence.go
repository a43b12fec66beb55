package controllers

import (
	"cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// olderThan reports whether a comes before b where only one can be served: it is
// older or, of two made in the same second, the one that has already what both
// want. Of two objects exactly one precedes the other.
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
