package plan

import (
	"testing"

	"pgregory.net/rapid"
)

// The changes from one role to another lead there, so nothing is left to change.
func TestAfter_OfAllChangesIsTheDesiredRole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := rolesOf.Draw(t, "from"), rolesOf.Draw(t, "to")
		if left := Diff(new(After(from, Diff(&from, to))), to); len(left) > 0 {
			t.Fatalf("after all changes, still to change: %s", Summary(left))
		}
		if left := Diff(new(After(Role{}, Diff(nil, to))), to); len(left) > 0 {
			t.Fatalf("after the creation, still to change: %s", Summary(left))
		}
	})
}
