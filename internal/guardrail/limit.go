package guardrail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// everything is the pattern that matches all.
const everything = "*"

// limit is one limit of a guardrail, with the baseline for what the guardrail leaves
// open.
type limit struct {
	noun, plural string // of what is limited, for messages
	// exact compares the allowed patterns case-sensitively. Denied ones are always
	// compared without regard to case.
	exact bool

	allowed []v1alpha1.Pattern // nil leaves the decision to the baseline
	// additional patterns are allowed in addition to allowed or to the baseline.
	additional []v1alpha1.Pattern
	denied     []v1alpha1.Pattern
	// baseline returns what is wrong with a text that the guardrail neither allows
	// nor denies; the zero phrase if nothing. Nil rejects nothing.
	baseline func(text string) phrase
}

// violation returns what is wrong with text, the zero phrase if nothing. Text may be
// a pattern.
func (l limit) violation(text string) phrase {
	for _, denied := range l.denied {
		if overlapFold(string(denied), text) {
			pattern := fault.Excerpt(string(denied))
			return phrase{
				one:  fmt.Sprintf("overlaps with the denied %s pattern %s", l.noun, pattern),
				many: fmt.Sprintf("overlap with the denied %s pattern %s", l.noun, pattern),
			}
		}
	}
	switch {
	case l.opens(text):
		return phrase{}
	case l.allowed != nil:
		allowed := list(slices.Concat(l.allowed, l.additional))
		return phrase{
			one:  fmt.Sprintf("is not covered by the allowed %s: %s", l.plural, allowed),
			many: fmt.Sprintf("are not covered by the allowed %s: %s", l.plural, allowed),
		}
	case l.baseline != nil:
		return l.baseline(text)
	default:
		return phrase{}
	}
}

// opens reports whether the guardrail itself allows text, so that the baseline has
// no say.
func (l limit) opens(text string) bool {
	return l.covers(l.allowed, text) || l.covers(l.additional, text)
}

func (l limit) covers(patterns []v1alpha1.Pattern, text string) bool {
	return slices.ContainsFunc(patterns, func(p v1alpha1.Pattern) bool {
		if l.exact {
			return covers(string(p), text)
		}
		return covers(lower(string(p)), lower(text))
	})
}

// covers is policy.Covers, after a look at what the patterns begin and end with.
func covers(wide, narrow string) bool {
	start, end := fixed(wide)
	return strings.HasPrefix(narrow, start) && strings.HasSuffix(narrow, end) && policy.Covers(wide, narrow)
}

// overlapFold is policy.OverlapFold, after a look at what the patterns begin and end
// with. Most patterns of a guardrail need no more.
func overlapFold(a, b string) bool {
	a, b = lower(a), lower(b)
	startA, endA := fixed(a)
	startB, endB := fixed(b)
	starts := strings.HasPrefix(startA, startB) || strings.HasPrefix(startB, startA)
	ends := strings.HasSuffix(endA, endB) || strings.HasSuffix(endB, endA)
	return starts && ends && policy.Overlap(a, b)
}

// fixed returns how every string begins and ends that a pattern matches.
func fixed(pattern string) (start, end string) {
	first := strings.IndexAny(pattern, "*?$")
	if first < 0 {
		return pattern, pattern
	}
	last := strings.LastIndexAny(pattern, "*?}")
	return pattern[:first], pattern[max(first, last)+1:]
}

// list names patterns for a message, and not too many of them.
func list(patterns []v1alpha1.Pattern) string {
	const most = 5
	if len(patterns) == 0 {
		return "(none)"
	}
	shown := make([]string, 0, most)
	for _, p := range patterns[:min(most, len(patterns))] {
		shown = append(shown, fault.Excerpt(string(p)))
	}
	text := strings.Join(shown, ", ")
	if more := len(patterns) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
