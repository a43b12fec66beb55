package policy

import "slices"

// Reach is what the statements of a policy may apply to. It does not read conditions,
// and it treats NotAction and NotResource as everything.
type Reach struct {
	allows, denies []reach
}

// reach is that of one statement.
type reach struct {
	actions, resources extent
}

// extent is what one element may match.
type extent struct {
	list [][]token
	set  *patternSet
}

// NewReach returns the reach of p.
func NewReach(p Policy) *Reach {
	r := &Reach{}
	for _, s := range p.Statements {
		of := reach{newExtent(foldAll(s.Actions)), newExtent(s.Resources)}
		if s.Effect == Deny {
			r.denies = append(r.denies, of)
		} else {
			r.allows = append(r.allows, of)
		}
	}
	return r
}

func newExtent(texts []string) extent {
	if len(texts) == 0 {
		return extent{[][]token{everything}, newPatternSet(everything)}
	}
	list := make([][]token, len(texts))
	for i, text := range texts {
		list[i], _ = compile(text, glob, matchAnyVariable)
	}
	return extent{list, newPatternSet(list...)}
}

// MayDeny reports whether a Deny statement of r may apply to what an Allow statement
// of other allows.
func (r *Reach) MayDeny(other *Reach) bool {
	return slices.ContainsFunc(r.denies, func(d reach) bool {
		return slices.ContainsFunc(other.allows, func(a reach) bool {
			return d.actions.overlaps(a.actions) && d.resources.overlaps(a.resources)
		})
	})
}

func (e extent) overlaps(other extent) bool {
	return slices.ContainsFunc(other.list, func(p []token) bool {
		_, found := e.set.overlapping(p)
		return found
	})
}
