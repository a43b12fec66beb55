package plan

import (
	"slices"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// A role grants an action to a subject if its trust policy admits the subject, its
// boundary and one of its policies allow the action, and none of its policies denies
// it. An intermediate state with an old part and a new one could therefore grant what
// neither the old nor the new role grants. The phases of sequence prevent that:
//
//	narrow  changes that only remove permissions, while everything else is old
//	neutral changes that do not affect permissions
//	pivot   changes of one component that both remove and add permissions: before
//	        them the role grants at most what the old role does, after them at most
//	        what the new role does
//	widen   changes that only add permissions
//	release removal of Deny statements, when everything else is new
//
// A change of another component that both removes and adds permissions is split into
// one that narrows and one that widens.
type sequence struct {
	narrow, neutral, pivot, widen, release []Change
}

// component is a part of a role that affects its permissions. Managed policies are
// none: they are attached or detached, never changed.
type component int

const (
	noComponent component = iota
	trustComponent
	boundaryComponent
	inlineComponent
)

func (s *sequence) ordered() []Change {
	return slices.Concat(s.narrow, s.neutral, s.pivot, s.widen, s.release)
}

// permissionChanges returns the changes of permissions from one role to another.
func permissionChanges(from, to Role) *sequence {
	s := &sequence{}
	inline := inlineChanges(from.Inline, to.Inline)
	pivot := pivotOf(from, to, inline)
	s.changeBoundary(from.Boundary, to.Boundary)
	s.changeTrust(from.Trust, to.Trust, pivot)
	s.changeInline(inline, pivot)
	s.changeManaged(from.Managed, to.Managed)
	return s
}

// pivotOf returns the component that changes in the pivot. The replacement of a
// boundary comes first, because it cannot be split: no policy is the intersection of
// two boundaries.
func pivotOf(from, to Role, inline []inlineChange) component {
	switch {
	case from.Boundary != to.Boundary && from.Boundary != "" && to.Boundary != "":
		return boundaryComponent
	case slices.ContainsFunc(inline, inlineChange.bidirectional):
		return inlineComponent
	default:
		return trustComponent
	}
}

func (s *sequence) changeBoundary(from, to string) {
	switch {
	case from == to:
	case from == "":
		s.narrow = append(s.narrow, PutBoundary{ARN: to})
	case to == "":
		s.widen = append(s.widen, DeleteBoundary{})
	default:
		s.pivot = append(s.pivot, PutBoundary{ARN: to})
	}
}

func (s *sequence) changeTrust(from, to policy.Document, pivot component) {
	update := UpdateTrust{Trust: to}
	switch {
	case from == to:
	case policy.IsSubset(to, from):
		s.narrow = append(s.narrow, update)
	case policy.IsSubset(from, to):
		s.widen = append(s.widen, update)
	case pivot == trustComponent:
		s.pivot = append(s.pivot, update)
	default:
		s.narrow = append(s.narrow, UpdateTrust{Trust: intersectTrust(from, to)})
		s.widen = append(s.widen, update)
	}
}

// changeManaged detaches policies before it attaches others.
func (s *sequence) changeManaged(from, to []string) {
	for _, arn := range from {
		if !slices.Contains(to, arn) {
			s.narrow = append(s.narrow, DetachPolicy{ARN: arn})
		}
	}
	for _, arn := range to {
		if !slices.Contains(from, arn) {
			s.widen = append(s.widen, AttachPolicy{ARN: arn})
		}
	}
}

// changeInline adds the changes of inline policies. If one of the changes in the pivot
// involves a Deny statement, it is the only one there, because a Deny affects what all
// other policies grant.
func (s *sequence) changeInline(changes []inlineChange, pivot component) {
	denies := slices.ContainsFunc(changes, func(c inlineChange) bool { return c.bidirectional() && c.involvesDeny() })
	var added []inlineChange
	for _, c := range changes {
		switch {
		case c.narrows:
			s.narrow = append(s.narrow, c.change())
		case c.adds():
			added = append(added, c)
		case c.widens && c.deletes():
			s.release = append(s.release, c.change())
		case c.widens:
			s.widen = append(s.widen, c.change())
		case pivot == inlineComponent:
			s.pivot = append(s.pivot, c.change())
			if denies {
				pivot = noComponent
			}
		default:
			s.splitInline(c)
		}
	}
	first, then := orderAdded(added, len(s.pivot) > 0)
	s.narrow = append(s.narrow, first...)
	s.widen = append(then, s.widen...)
}

func (s *sequence) splitInline(c inlineChange) {
	narrow, widen := c.split()
	s.narrow = append(s.narrow, narrow)
	if c.deletes() {
		s.release = append(s.release, widen)
		return
	}
	s.widen = append(s.widen, widen)
}

// orderAdded orders new policies so that a Deny of one takes effect before another
// allows the same action. Where that is impossible, because two policies deny what the
// other one allows or because a pivot precedes them, the Deny statements are written
// first, separately, which takes one more call for each of these policies.
func orderAdded(added []inlineChange, afterPivot bool) (narrow, widen []Change) {
	var ordered []inlineChange
	rest := added
	if !afterPivot {
		ordered, rest = denyFirst(added)
	}
	for _, c := range ordered {
		widen = append(widen, c.change())
	}
	for _, c := range rest {
		if c.involvesDeny() {
			narrow = append(narrow, PutRolePolicy{Name: c.name, Policy: InlinePolicy{Document: c.denyStatements()}})
		}
		widen = append(widen, c.change())
	}
	return narrow, widen
}

// denyFirst returns policies in an order in which none precedes another one that may
// deny what it allows, and the rest, for which there is no such order.
func denyFirst(added []inlineChange) (ordered, rest []inlineChange) {
	blocks := denyMatrix(added)
	left := make([]int, len(added))
	for i := range left {
		left[i] = i
	}
	for {
		next := slices.IndexFunc(left, func(i int) bool {
			return !slices.ContainsFunc(left, func(j int) bool { return blocks[j][i] })
		})
		if next < 0 {
			break
		}
		ordered = append(ordered, added[left[next]])
		left = slices.Delete(left, next, next+1)
	}
	for _, i := range left {
		rest = append(rest, added[i])
	}
	return ordered, rest
}

// denyMatrix returns for each pair of policies whether the first may deny what the
// second allows. What a policy denies itself does not count.
func denyMatrix(added []inlineChange) [][]bool {
	reach := make([]*policy.Reach, len(added))
	for i, c := range added {
		reach[i] = policy.NewReach(c.to.policy)
	}
	matrix := make([][]bool, len(added))
	for i, a := range reach {
		matrix[i] = make([]bool, len(added))
		for j, b := range reach {
			matrix[i][j] = i != j && a.MayDeny(b)
		}
	}
	return matrix
}
