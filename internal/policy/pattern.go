package policy

import (
	"slices"
	"strings"
)

// token is one element of a wildcard pattern.
type token struct {
	kind tokenKind
	char rune   // of a literal
	name string // of a variable: its text between the braces, key folded
}

type tokenKind int

const (
	literal   tokenKind = iota
	one                 // any character
	oneInSeg            // any character except ':'
	many                // any characters
	manyInSeg           // any characters except ':'
	variable            // some text, the same for each occurrence of the variable
)

// syntax defines the meaning of '*' and '?' in a pattern.
type syntax int

const (
	// exact has no wildcards.
	exact syntax = iota
	// glob has wildcards that match any characters: actions, StringLike.
	glob
	// resourceARN has wildcards that match inside one segment of an ARN. Exceptions
	// are those in the sixth segment, and a '*' at the end of a segment, which "can
	// expand to match beyond the colon boundaries".
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
	resourceARN
	// conditionARN is like resourceARN without the second exception: "each of the six
	// colon-delimited components of the ARN is checked separately".
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
	conditionARN
)

// lookup returns the value of a policy variable, false if it has none.
type lookup func(v variableRef) ([]token, bool)

// compile parses a pattern. With a nil lookup, as in a policy of version 2008-10-17,
// "${" is plain text. It reports false if the pattern contains a variable without a
// value, and so matches nothing.
func compile(pattern string, s syntax, vars lookup) ([]token, bool) {
	if s == conditionARN && pattern == "*" {
		s = glob // it does not have six components
	}
	var out []token
	text := []rune(pattern)
	segment := 1
	for i := 0; i < len(text); i++ {
		if ref, length, ok := variableAt(text[i:], vars); ok {
			value, found := vars(ref)
			if !found {
				return nil, false
			}
			out = append(out, value...)
			i += length - 1
			continue
		}
		if text[i] == ':' {
			segment++
		}
		endOfSegment := i+1 == len(text) || text[i+1] == ':'
		out = append(out, s.token(text[i], segment, endOfSegment))
	}
	return normalize(out), true
}

// variableAt parses the variable at the start of text, unless vars is nil.
func variableAt(text []rune, vars lookup) (ref variableRef, length int, ok bool) {
	if vars == nil || text[0] != '$' {
		return ref, 0, false
	}
	return readVariable(text)
}

func (s syntax) token(r rune, segment int, endOfSegment bool) token {
	bound := segment < 6 && (s == resourceARN || s == conditionARN)
	switch {
	case s == exact || r != '*' && r != '?':
		return token{kind: literal, char: r}
	case r == '?' && bound:
		return token{kind: oneInSeg}
	case r == '?':
		return token{kind: one}
	case bound && !(s == resourceARN && endOfSegment):
		return token{kind: manyInSeg}
	default:
		return token{kind: many}
	}
}

// normalize puts stars around each wildcard of a run that contains a star: ?* and *?
// become *?*. Such a run matches at least as many characters as it has question marks.
// covers relies on this form, because it compares two patterns token by token.
func normalize(in []token) []token {
	out := make([]token, 0, len(in))
	for len(in) > 0 {
		single, star := in[0].wildcards()
		run := 0
		for run < len(in) && (in[run] == single || in[run] == star) {
			run++
		}
		if !slices.Contains(in[:run], star) {
			run = max(run, 1) // a token that is not a wildcard
			out = append(out, in[:run]...)
			in = in[run:]
			continue
		}
		out = append(out, star)
		for _, t := range in[:run] {
			if t == single {
				out = append(out, single, star)
			}
		}
		in = in[run:]
	}
	return out
}

// wildcards returns the two wildcards that match the same characters as t.
func (t token) wildcards() (single, star token) {
	if t.inSegment() {
		return token{kind: oneInSeg}, token{kind: manyInSeg}
	}
	return token{kind: one}, token{kind: many}
}

func literals(s string) []token {
	out := make([]token, 0, len(s))
	for _, r := range s {
		out = append(out, token{kind: literal, char: r})
	}
	return out
}

// literalText returns the text of tokens, all of which are literals.
func literalText(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteRune(t.char)
	}
	return b.String()
}

// covers reports whether wide matches every string that narrow matches. Narrow may be a
// plain string. It never errs towards true.
//
// It reads narrow once and keeps the set of positions in wide that are reachable, so
// its time is the product of the lengths.
func covers(wide, narrow []token) bool {
	at := make([]bool, len(wide)+1)
	next := make([]bool, len(wide)+1)
	at[0] = true
	skipStars(wide, at)
	for _, n := range narrow {
		clear(next)
		for i, w := range wide {
			if !at[i] {
				continue
			}
			if w.isStar() {
				next[i] = next[i] || w.absorbs(n)
			} else if w.matches(n) {
				next[i+1] = true
			}
		}
		skipStars(wide, next)
		at, next = next, at
	}
	return at[len(wide)]
}

// skipStars adds the positions that are reachable if stars match nothing.
func skipStars(pattern []token, at []bool) {
	for i, t := range pattern {
		if at[i] && t.isStar() {
			at[i+1] = true
		}
	}
}

func (t token) isStar() bool { return t.kind == many || t.kind == manyInSeg }

// absorbs reports whether the star t matches all that n matches.
func (t token) absorbs(n token) bool {
	if t.kind == many {
		return true
	}
	return n.kind == literal && n.char != ':' || n.kind == oneInSeg || n.kind == manyInSeg
}

// matches reports whether t, which is not a star, matches all that n matches.
func (t token) matches(n token) bool {
	switch t.kind {
	case one:
		return n.kind == literal || n.kind == one || n.kind == oneInSeg
	case oneInSeg:
		return n.kind == literal && n.char != ':' || n.kind == oneInSeg
	default:
		return t == n
	}
}
