package policy

import "unicode/utf8"

// maxText is the number of characters of a text above which the lists below do not
// compare it. A role holds 10,240 characters of inline policies; an ARN has at most
// 2,048.
const maxText = 1 << 14

func tooLong(text string) bool { return len(text) > maxText && utf8.RuneCountInString(text) > maxText }

// Case is how ASCII letters are compared.
type Case int

// The ways to compare letters. IAM compares actions without regard to case.
const (
	ExactCase Case = iota
	AnyCase
)

func (c Case) fold(text string) string {
	if c == AnyCase {
		return lower(text)
	}
	return text
}

// Allowlist holds wildcard patterns, of * and ?, of what is allowed. It errs towards
// false: only a * or the same variable covers a policy variable of a text.
type Allowlist struct {
	letters  Case
	patterns *patternSet
}

// NewAllowlist returns the list of patterns.
func NewAllowlist[S ~string](letters Case, patterns ...S) *Allowlist {
	return &Allowlist{letters, compileAll(letters, patterns, keepVariables)}
}

// Covers reports whether one of the patterns matches every string that text matches,
// which may be a pattern itself. It covers no text that is much longer than any
// policy.
func (l *Allowlist) Covers(text string) bool {
	if tooLong(text) {
		return false
	}
	tokens, _ := compile(l.letters.fold(text), glob, keepVariables)
	_, found := l.patterns.covering(tokens)
	return found
}

// Denylist holds wildcard patterns, of * and ?, of what is denied. It errs towards
// true: a policy variable stands for any string, because its value is a tag that
// others can set, and wildcards match across the segments of an ARN.
type Denylist struct {
	letters  Case
	patterns *patternSet
}

// NewDenylist returns the list of patterns.
func NewDenylist[S ~string](letters Case, patterns ...S) *Denylist {
	return &Denylist{letters, compileAll(letters, patterns, matchAnyVariable)}
}

// Overlapping returns the first of the patterns that matches a string that text
// matches too, which may be a pattern itself, such as arn:aws:s3:::secre* and
// *-archive. Every pattern overlaps with a text that is much longer than any policy.
func (l *Denylist) Overlapping(text string) (index int, found bool) {
	if tooLong(text) {
		return 0, len(l.patterns.ends) > 0
	}
	tokens, _ := compile(l.letters.fold(text), glob, matchAnyVariable)
	return l.patterns.overlapping(tokens)
}

// Overlaps reports whether one of the patterns overlaps with text.
func (l *Denylist) Overlaps(text string) bool {
	_, found := l.Overlapping(text)
	return found
}

func compileAll[S ~string](letters Case, patterns []S, vars lookup) *patternSet {
	compiled := make([][]token, len(patterns))
	for i, p := range patterns {
		compiled[i], _ = compile(letters.fold(string(p)), glob, vars)
	}
	return newPatternSet(compiled...)
}

// matchAnyVariable is the lookup in which a variable has any value.
func matchAnyVariable(ref variableRef) ([]token, bool) {
	if ref.literal != 0 {
		return []token{{kind: literal, char: ref.literal}}, true
	}
	return everything, true
}

// keepVariables is the lookup that keeps variables as variable tokens.
func keepVariables(ref variableRef) ([]token, bool) {
	if ref.literal != 0 {
		return []token{{kind: literal, char: ref.literal}}, true
	}
	return []token{{kind: variable, name: ref.text()}}, true
}
