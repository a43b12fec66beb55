package policy

import (
	"slices"
	"sync"
)

// compiledCondition is a condition of a statement.
type compiledCondition struct {
	Condition

	operator operator
	known    bool // IAM has the operator
	// variables reports whether the values may have policy variables, hasVariable
	// whether they do.
	variables, hasVariable bool
	values                 func() *patterns
}

// conditionsByKey are the conditions of a statement, by their keys.
type conditionsByKey map[string][]*compiledCondition

func newConditions(list []Condition, variables bool) conditionsByKey {
	out := make(conditionsByKey, len(list))
	for _, c := range list {
		op, known := parseOperator(c.Operator)
		out[c.Key] = append(out[c.Key], &compiledCondition{
			Condition: c, operator: op, known: known,
			variables: variables, hasVariable: slices.ContainsFunc(c.Values, hasVariable),
			values: sync.OnceValue(func() *patterns { return newPatterns(append([]string{}, c.Values...), op.syntax(), variables) }),
		})
	}
	return out
}

// implies reports whether out holds whenever in holds. Both have the same key.
func (in *compiledCondition) implies(out *compiledCondition) bool {
	switch {
	case !in.known || !out.known:
		return false
	case in.variables != out.variables && (in.hasVariable || out.hasVariable):
		return false
	case in.operator == out.operator && out.operator.negated:
		return allIn(out.Values, in.Values)
	case in.operator == out.operator && out.operator.family != familyString:
		return allIn(in.Values, out.Values)
	case in.operator.asLike() == out.operator.asLike() && !out.operator.negated:
		return every(in.values().list(), out.values().cover)
	default:
		return false
	}
}

// allIn reports whether all, a canonical list, contains each of values.
func allIn(values, all []string) bool {
	return every(values, func(v string) bool {
		_, found := slices.BinarySearch(all, v)
		return found
	})
}

// asLike returns StringLike for StringEquals: a value that equals a text also matches it
// as a pattern.
func (o operator) asLike() operator {
	if o.base == "StringEquals" {
		o.base = "StringLike"
	}
	return o
}
