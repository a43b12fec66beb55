package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// token is one element of a wildcard pattern.
type token struct {
	name string // of a variable: its text between the braces, key folded
	char rune   // of a literal
	kind tokenKind
}

type tokenKind uint8

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
	s = s.of(pattern)
	out := tokenList{tokens: make([]token, 0, len(pattern))}
	lastBrace := strings.LastIndexByte(pattern, '}')
	segment := 1
	for i := 0; i < len(pattern); {
		if ref, length, ok := variableAt(pattern[i:], vars != nil && i < lastBrace); ok {
			value, found := vars(ref)
			if !found {
				return nil, false
			}
			for _, t := range value {
				out.add(t)
			}
			i += length
			continue
		}
		r, size := utf8.DecodeRuneInString(pattern[i:])
		if r == ':' {
			segment++
		}
		i += size
		out.add(s.token(r, segment, i == len(pattern) || pattern[i] == ':'))
	}
	if out.runs {
		return normalize(out.tokens), true
	}
	return out.tokens, true
}

// of returns the syntax of a pattern: "*" in place of an ARN does not have six components.
func (s syntax) of(pattern string) syntax {
	if s == conditionARN && pattern == "*" {
		return glob
	}
	return s
}

// tokenList is a list of tokens, and whether it has runs that normalize changes.
type tokenList struct {
	tokens []token
	runs   bool
}

func (l *tokenList) add(t token) {
	l.runs = l.runs || t.joins(l.tokens)
	l.tokens = append(l.tokens, t)
}

// variableAt parses the variable at the start of text, if there may be one.
func variableAt(text string, possible bool) (ref variableRef, length int, ok bool) {
	if !possible || text[0] != '$' {
		return ref, 0, false
	}
	return readVariable(text)
}

// joins reports whether t makes a run with the last of tokens that normalize changes: two
// wildcards, of which one is a star.
func (t token) joins(tokens []token) bool {
	if !t.isWildcard() || len(tokens) == 0 {
		return false
	}
	last := tokens[len(tokens)-1]
	return last.isWildcard() && (t.isStar() || last.isStar())
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
// No star follows another. A patternSet relies on this form.
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
		out = appendStar(out, star)
		for _, t := range in[:run] {
			if t == single {
				out = append(out, single, star)
			}
		}
		in = in[run:]
	}
	return out
}

// appendStar appends a star. Of two stars the wider one remains.
func appendStar(out []token, star token) []token {
	last := len(out) - 1
	if last < 0 || !out[last].isStar() {
		return append(out, star)
	}
	if star.kind == many {
		out[last] = star
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

// covers reports whether the pattern wide matches every string that narrow matches.
func covers(wide, narrow []token) bool {
	_, found := newPatternSet(wide).covering(narrow)
	return found
}

func (t token) isWildcard() bool { return t.kind != literal && t.kind != variable }

func (t token) isStar() bool { return t.kind == many || t.kind == manyInSeg }

func (t token) inSegment() bool { return t.kind == oneInSeg || t.kind == manyInSeg }
