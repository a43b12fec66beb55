package guardrail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// limit is a PatternLimit, with what takes the place of a list that it leaves out.
type limit struct {
	v1alpha1.PatternLimit

	// of names, in messages, what is limited.
	of string
	// exact says that allowed patterns are compared with regard to case. What is
	// denied is compared without, always.
	exact bool
	// baseline says what is wrong with a text that nothing allows or refuses; empty
	// if it is all right. Nil refuses nothing.
	baseline func(text string) string
}

// violation says why text is refused, empty if it is not. Text may be a pattern.
func (l limit) violation(text string) string {
	for _, denied := range l.Denied {
		if policy.OverlapFold(string(denied), text) {
			return fmt.Sprintf("meets %s, which is among the %s that are denied", denied, l.of)
		}
	}
	switch {
	case l.Allowed == nil && l.baseline != nil:
		return l.baseline(text)
	case l.Allowed == nil || slices.ContainsFunc(l.Allowed, func(allowed v1alpha1.Pattern) bool { return l.covers(string(allowed), text) }):
		return ""
	default:
		return fmt.Sprintf("is not among the %s that are allowed: %s", l.of, list(l.Allowed))
	}
}

func (l limit) covers(allowed, text string) bool {
	if l.exact {
		return policy.Covers(allowed, text)
	}
	return policy.CoversFold(allowed, text)
}

// list names patterns for a message, and not too many of them.
func list(patterns []v1alpha1.Pattern) string {
	const most = 5
	switch {
	case len(patterns) == 0:
		return "none is"
	case len(patterns) > most:
		return strings.Join(toStrings(patterns[:most]), ", ") + fmt.Sprintf(" and %d more", len(patterns)-most)
	default:
		return strings.Join(toStrings(patterns), ", ")
	}
}
