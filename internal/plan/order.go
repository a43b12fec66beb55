package plan

import (
	"maps"
	"slices"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// A role grants an action to a subject if its trust admits the subject, its
// boundary and one of its policies allow the action, and none of its policies
// denies it. So trust, boundary, allows and denies multiply: a state in which
// one is old and another new may grant what neither the old nor the new role
// does. sequence orders the changes of rights such that no state between does:
//
//	narrow  changes that only take away, applied while all else is old
//	neutral changes that are not about rights
//	pivot   changes that both give and take, of one kind only: everything that
//	        narrows is done by then and nothing that widens, so that what is old
//	        is granted by the old role and what is new by the new one
//	widen   changes that only give, towards the new role
//	release removal of denials, once everything else is new
//
// A change that both gives and takes, and that is not in the pivot, is split
// into one that narrows and one that widens.
type sequence struct {
	narrow, neutral, pivot, widen, release []Change
}

func (s *sequence) insert(changes ...Change) { s.neutral = append(s.neutral, changes...) }

func (s *sequence) ordered() []Change {
	return slices.Concat(s.narrow, s.neutral, s.pivot, s.widen, s.release)
}

// grants returns the changes of rights from one role to another.
func grants(from, to Role) *sequence {
	s := &sequence{}
	inline := inlineChanges(from.Inline, to)
	trust, boundary := from.Trust != to.Trust, from.Boundary != to.Boundary

	// The boundary cannot be split: there is no policy that is the meet of two.
	// If it is replaced it is the pivot; else the policies are, and else trust.
	boundaryPivots := boundary && from.Boundary != "" && to.Boundary != ""
	policiesPivot := !boundaryPivots && slices.ContainsFunc(inline, inlineChange.bidirectional)

	s.boundary(boundary, from.Boundary, to.Boundary)
	s.trust(trust, from.Trust, to.Trust, boundaryPivots || policiesPivot)
	s.inline(inline, policiesPivot)
	s.managed(from.Managed, to.Managed)
	return s
}

func (s *sequence) boundary(changed bool, from, to string) {
	switch {
	case !changed:
	case from == "":
		s.narrow = append(s.narrow, PutBoundary{ARN: to})
	case to == "":
		s.widen = append(s.widen, DeleteBoundary{})
	default:
		s.pivot = append(s.pivot, PutBoundary{ARN: to})
	}
}

// trust puts the change of trust in its place; split says that something else is
// the pivot.
func (s *sequence) trust(changed bool, from, to policy.Document, split bool) {
	update := UpdateTrust{Trust: to}
	switch {
	case !changed:
	case policy.IsSubset(to, from):
		s.narrow = append(s.narrow, update)
	case policy.IsSubset(from, to):
		s.widen = append(s.widen, update)
	case split:
		s.narrow = append(s.narrow, UpdateTrust{Trust: intersectTrust(from, to)})
		s.widen = append(s.widen, update)
	default:
		s.pivot = append(s.pivot, update)
	}
}

// managed takes away before it gives.
func (s *sequence) managed(from, to []string) {
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

// inline puts the changes of inline policies in their places; pivot says that
// those that both give and take are the pivot. Where one of these denies
// something, only one may be: a denial reaches into every other policy.
func (s *sequence) inline(changes []inlineChange, pivot bool) {
	denies := slices.ContainsFunc(changes, func(c inlineChange) bool { return c.bidirectional() && c.involvesDeny() })
	var fresh []inlineChange
	for _, c := range changes {
		switch {
		case c.narrows():
			s.narrow = append(s.narrow, c.change())
		case c.from == "":
			fresh = append(fresh, c)
		case c.widens() && c.to == "":
			s.release = append(s.release, c.change())
		case c.widens():
			s.widen = append(s.widen, c.change())
		case pivot:
			s.pivot = append(s.pivot, c.change())
			pivot = !denies
		default:
			narrow, widen := c.split()
			s.narrow = append(s.narrow, narrow)
			if c.to == "" {
				s.release = append(s.release, widen)
				continue
			}
			s.widen = append(s.widen, widen)
		}
	}
	first, then := orderAdded(fresh, len(s.pivot) > 0)
	s.narrow = append(s.narrow, first...)
	s.widen = append(then, s.widen...)
}

// orderAdded orders new policies such that what one denies is denied before
// another allows it. Where that cannot be, because two deny what the other
// allows or because a pivot comes before them, the denials are put first by
// themselves, at the cost of one more call for each policy.
func orderAdded(fresh []inlineChange, pivots bool) (narrow, widen []Change) {
	for len(fresh) > 0 {
		next := slices.IndexFunc(fresh, func(c inlineChange) bool {
			return !slices.ContainsFunc(fresh, func(other inlineChange) bool {
				return other.name != c.name && mayDeny(other.to, c.to)
			})
		})
		if next < 0 || pivots {
			for _, c := range fresh {
				if c.involvesDeny() {
					narrow = append(narrow, PutRolePolicy{Name: c.name, Document: denyStatements(c.to)})
				}
				widen = append(widen, c.change())
			}
			return narrow, widen
		}
		widen = append(widen, fresh[next].change())
		fresh = slices.Delete(fresh, next, next+1)
	}
	return narrow, widen
}

// inlineChange is an inline policy that is not as desired; an empty document
// means that there is none.
type inlineChange struct {
	name     string
	from, to policy.Document
	text     string // of to, as it was declared
}

func inlineChanges(from map[string]policy.Document, desired Role) []inlineChange {
	to := desired.Inline
	names := slices.Sorted(maps.Keys(from))
	for name := range to {
		if _, ok := from[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var changes []inlineChange
	for _, name := range names {
		if from[name] != to[name] {
			changes = append(changes, inlineChange{name: name, from: from[name], to: to[name], text: desired.Sources[name]})
		}
	}
	return changes
}
