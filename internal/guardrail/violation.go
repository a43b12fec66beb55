package guardrail

import (
	"fmt"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// phrase states what is wrong with one pattern, or with several.
type phrase struct{ one, many string }

// violations collects what is rejected. Patterns that are rejected at one place for
// one reason become one sentence, so that the message stays short whatever a spec
// contains.
type violations struct {
	groups []violation
	// byKey finds a group that exists, by place and phrase.
	byKey map[groupKey]int
}

type groupKey struct {
	field  string
	phrase phrase
}

// violation is one sentence of the message.
type violation struct {
	groupKey

	texts []string // the first patterns, as written; none if the phrase needs no pattern
	kind  fault.Kind
	// seen are all patterns: a policy can have the same one many times.
	seen map[string]bool
}

// The number of violations that a message lists, and of patterns for each of them.
const (
	maxGroups = 10
	maxTexts  = 3
)

// add records that a pattern is rejected.
func (v *violations) add(field, text string, p phrase) {
	key := groupKey{field, p}
	i, found := v.byKey[key]
	if !found {
		if v.byKey == nil {
			v.byKey = map[groupKey]int{}
		}
		i = len(v.groups)
		v.byKey[key] = i
		v.groups = append(v.groups, violation{groupKey: key, kind: fault.Terminal, seen: map[string]bool{}})
	}
	group := &v.groups[i]
	if !group.seen[text] && len(group.texts) < maxTexts {
		group.texts = append(group.texts, text)
	}
	group.seen[text] = true
}

// addf records a violation that does not concern a single pattern.
func (v *violations) addf(kind fault.Kind, field, format string, args ...any) {
	v.groups = append(v.groups, violation{groupKey: groupKey{field: field, phrase: phrase{one: fmt.Sprintf(format, args...)}}, kind: kind})
}

// err returns the violations as one error, nil if there are none. It is terminal,
// unless the identity may become allowed without an edit.
func (v *violations) err(prefix, hint string) error {
	if len(v.groups) == 0 {
		return nil
	}
	kind := fault.Blocked
	var texts []string
	policy := "" // the policy of the last sentence
	for i, group := range v.groups {
		kind = max(kind, group.kind)
		if i >= maxGroups {
			continue
		}
		text := group.String()
		if policy != "" && group.policy() == policy {
			text = strings.TrimPrefix(text, policy+": ")
		}
		policy = group.policy()
		texts = append(texts, text)
	}
	text := strings.Join(texts, "; ")
	if more := len(v.groups) - maxGroups; more > 0 {
		text += fmt.Sprintf("; and %d more violations", more)
	}
	return fault.Errorf(kind, v1alpha1.ReasonGuardrailViolated, "%s: %s%s", prefix, text, hint)
}

// String returns the sentence, such as "spec.policies.inline[p].statements[0]:
// iam:CreateGroup, iam:DeleteGroup and 42 more administer IAM".
func (v violation) String() string {
	text := v.phrase.one
	if len(v.seen) > 1 {
		text = v.phrase.many
	}
	if len(v.texts) > 0 {
		text = enumerate(v.texts, len(v.seen)) + " " + text
	}
	if v.field != "" {
		text = v.field + ": " + text
	}
	return text
}

// policy returns the place of the policy document that a violation is in, empty if it is
// in none.
func (v violation) policy() string {
	policy, _, found := strings.Cut(v.field, ": Statement[")
	if !found {
		return ""
	}
	return policy
}

// enumerate lists the first of count texts. Two of them are enough for an example.
func enumerate(texts []string, count int) string {
	shown := make([]string, len(texts))
	for i, text := range texts {
		shown[i] = fault.Excerpt(text)
	}
	switch {
	case count > maxTexts:
		return strings.Join(shown[:2], ", ") + fmt.Sprintf(" and %d more", count-2)
	case len(shown) > 1:
		last := len(shown) - 1
		return strings.Join(shown[:last], ", ") + " and " + shown[last]
	default:
		return shown[0]
	}
}
