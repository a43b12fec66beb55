package plan

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// reconcileSequence draws the history of a role: edits, out-of-band changes, revocation,
// deletion, and reconciliations that end at any change. After each change the role grants
// nothing that neither the role before the reconciliation nor the desired one grants, and
// a reconciliation that is not interrupted reaches the desired role.
func reconcileSequence(t *rapid.T) {
	var role *Role
	desired := rolesOf.Draw(t, "desired")
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		switch rapid.IntRange(0, 6).Draw(t, "step") {
		case 0:
			desired = rolesOf.Draw(t, "edit")
		case 1:
			role = drift(t, role)
		case 2:
			if role != nil {
				revoked := role.Revoked()
				role = reconcileRole(t, role, revoked)
			}
		case 3:
			role = teardown(t, role)
		default:
			role = reconcileRole(t, role, desired)
		}
	}
	for _, c := range Diff(role, desired) {
		role = applyTo(role, c)
	}
	if diff := cmp.Diff(desired, *role, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the desired state is not reached: -want, +got:\n%s", diff)
	}
	if again := Diff(role, desired); len(again) > 0 {
		t.Fatalf("a role in sync is changed: %s", Summary(again))
	}
}

// drift changes a part of the role out of band, or deletes it.
func drift(t *rapid.T, role *Role) *Role {
	if role == nil {
		return nil
	}
	other, changed := rolesOf.Draw(t, "drift"), role.Clone()
	switch rapid.IntRange(0, 6).Draw(t, "drifts") {
	case 0:
		return nil
	case 1:
		changed.Trust = other.Trust
	case 2:
		changed.Boundary = other.Boundary
	case 3:
		changed.Inline = other.Inline
	case 4:
		changed.Managed = other.Managed
	case 5:
		changed.Tags = other.Tags
	default:
		changed = other
	}
	return &changed
}

// reconcileRole makes the first of the changes, or all of them.
func reconcileRole(t *rapid.T, role *Role, desired Role) *Role {
	allowed := grantsOf(role)
	maps.Copy(allowed, grantsOf(&desired))
	changes := Diff(role, desired)
	for _, c := range changes[:rapid.IntRange(0, len(changes)).Draw(t, "changes")] {
		role = applyTo(role, c)
		for g := range grantsOf(role) {
			if !allowed[g] {
				t.Fatalf("after %s the role grants %v", c.Action(), g)
			}
		}
	}
	return role
}

// teardown makes the first of the changes that delete the role, or all of them. No
// change grants anything.
func teardown(t *rapid.T, role *Role) *Role {
	if role == nil {
		return nil
	}
	changes := Teardown(&Observed{Role: *role})
	before := grantsOf(role)
	for _, c := range changes[:rapid.IntRange(0, len(changes)).Draw(t, "changes")] {
		role = applyTo(role, c)
		for g := range grantsOf(role) {
			if !before[g] {
				t.Fatalf("after %s of the deletion the role grants %v", c.Action(), g)
			}
		}
	}
	return role
}

func TestReconcileSequence_InterruptionsGrantNothingNew(t *testing.T) {
	rapid.Check(t, reconcileSequence)
}

// FuzzReconcileSequence looks for a history of a role in which an interruption grants too
// much, or the desired state is not reached.
func FuzzReconcileSequence(f *testing.F) { f.Fuzz(rapid.MakeFuzz(reconcileSequence)) }
