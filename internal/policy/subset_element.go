package policy

import (
	"slices"
	"sync"
)

// element is an Action or Resource element or its negation, compiled.
type element struct {
	is, not *patterns
}

// newElement compiles an element. Nil lists are absent.
func newElement(is, not []string, s syntax, variables bool) element {
	return element{newPatterns(is, s, variables), newPatterns(not, s, variables)}
}

// patterns are the patterns of one element, each of them compiled at its first use.
// Variables are kept in list, and match anything in any.
type patterns struct {
	texts     []string
	variables bool // ${…} is a variable, not plain text
	list      func() []pattern
	set       func() *patternSet
	any       func() anyValue
}

type pattern = []token

// anyValue are patterns in which variables match anything.
type anyValue struct {
	list []pattern
	set  *patternSet
}

// everything is the pattern that matches every string.
var everything = pattern{{kind: many}}

func newPatterns(texts []string, s syntax, variables bool) *patterns {
	if texts == nil {
		return nil
	}
	read := func(vars lookup) []pattern {
		if !variables {
			vars = nil
		}
		all := make([]pattern, len(texts))
		for i, text := range texts {
			all[i], _ = compile(text, s, vars)
		}
		return all
	}
	p := &patterns{texts: texts, variables: variables}
	p.list = sync.OnceValue(func() []pattern { return read(keepVariables) })
	p.set = sync.OnceValue(func() *patternSet { return newPatternSet(p.list()...) })
	p.any = sync.OnceValue(func() anyValue {
		list := read(matchAnyVariable)
		return anyValue{list, newPatternSet(list...)}
	})
	return p
}

// equal reports whether p and other are equal, so that each covers the other. False is no
// proof of the opposite.
func (p *patterns) equal(other *patterns) bool {
	return p.variables == other.variables && slices.Equal(p.texts, other.texts)
}

// cover reports whether one of the patterns covers narrow.
func (p *patterns) cover(narrow pattern) bool {
	_, found := p.set().covering(narrow)
	return found
}

// overlap reports whether one of the patterns overlaps with other, whatever the values
// of variables are.
func (p *patterns) overlap(other pattern) bool {
	_, found := p.any().set.overlapping(other)
	return found
}

// covers reports whether out matches everything that in matches. If in has both
// elements, it matches at most what the first one matches; if it has none, it may match
// anything.
//
// Where both are negated, the exclusion of in that covers one of out contains no
// variable that the one of out does not contain, so it matches something whenever that
// one does.
func (out element) covers(in element) bool {
	switch {
	case (out.is == nil) == (out.not == nil):
		return false // both or none: AWS rejects such a statement
	case out.is != nil && in.is != nil:
		return out.is.equal(in.is) || every(in.is.list(), out.is.cover)
	case out.is != nil:
		return out.is.cover(everything) // in may match anything
	case in.is != nil:
		return !slices.ContainsFunc(in.is.any().list, out.not.overlap)
	default:
		return every(out.not.list(), func(p pattern) bool { return in.not != nil && in.not.cover(p) })
	}
}
