package guardrail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// everything is the pattern that matches every string.
const everything = "*"

// limit is one limit of a guardrail, with the baseline for what the guardrail does not
// cover.
type limit struct {
	noun, plural string // name what is limited, for messages

	// covered are the allowed patterns, and those that are allowed in addition to
	// them or to the baseline.
	covered *policy.Allowlist
	// overlapping are the denied patterns. They are compared without regard to case.
	overlapping *policy.Denylist
	denied      []v1alpha1.Pattern
	// uncovered is the violation of a text that is not covered; the zero phrase leaves
	// the decision to the baseline.
	uncovered phrase
	// baseline returns the violation of a text that the guardrail neither allows nor
	// denies; the zero phrase if there is none. Nil rejects nothing.
	baseline func(text string) phrase
}

// newLimit returns a limit. Nil allowed patterns leave the decision to the baseline.
func newLimit(noun, plural string, letters policy.Case, allowed, additional, denied []v1alpha1.Pattern) limit {
	both := slices.Concat(allowed, additional)
	l := limit{
		noun: noun, plural: plural, denied: denied,
		covered: policy.NewAllowlist(letters, both...), overlapping: policy.NewDenylist(policy.AnyCase, denied...),
	}
	if allowed != nil {
		names := list(both)
		l.uncovered = phrase{
			one:  fmt.Sprintf("is not covered by the allowed %s: %s", plural, names),
			many: fmt.Sprintf("are not covered by the allowed %s: %s", plural, names),
		}
	}
	return l
}

// violation returns the violation of text, which may be a pattern; the zero phrase if there
// is none.
func (l limit) violation(text string) phrase {
	if i, found := l.overlapping.Overlapping(text); found {
		pattern := fault.Excerpt(string(l.denied[i]))
		return phrase{
			one:  fmt.Sprintf("overlaps with the denied %s pattern %s", l.noun, pattern),
			many: fmt.Sprintf("overlap with the denied %s pattern %s", l.noun, pattern),
		}
	}
	switch {
	case l.allows(text):
		return phrase{}
	case l.uncovered != (phrase{}):
		return l.uncovered
	case l.baseline != nil:
		return l.baseline(text)
	default:
		return phrase{}
	}
}

// allows reports whether the guardrail itself allows text, so that the baseline does not
// apply.
func (l limit) allows(text string) bool { return l.covered.Covers(text) }

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
