package policy

import "slices"

// conditions reports whether all of s's conditions hold.
func (e evaluation) conditions(s Statement) bool {
	for _, c := range s.Conditions {
		if !e.condition(c) {
			return false
		}
	}
	return true
}

// condition reports whether one condition holds. With an unknown operator it never
// holds.
//
// Several values in the policy are alternatives, and a negated operator holds if none
// of them matches. If the key is missing, a negated operator and one with IfExists
// hold, and others do not. For a missing or empty key ForAllValues holds and
// ForAnyValue does not, with or without IfExists.
//
// A value with a variable without a value matches nothing, so that a negated operator
// holds. A key with several values requires ForAllValues or ForAnyValue: a plain
// operator does not hold for it, negated or not, whatever the values are. A Deny that
// relies on one is void, as it is in AWS.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
func (e evaluation) condition(c Condition) bool {
	op, known := parseOperator(c.Operator)
	if !known {
		return false
	}
	got := e.context[foldKey(c.Key)]
	if op.family == familyNull {
		return null(c.Values, len(got) > 0)
	}
	if op.quantifier != "" && len(got) == 1 && got[0] == "" {
		got = nil // "resolves to a null dataset, such as an empty string"
	}
	if len(got) == 0 {
		return op.quantifier == forAllValues || op.quantifier == "" && (op.ifExists || op.negated)
	}
	if op.quantifier == "" && len(got) > 1 {
		return false
	}
	tests := e.tests(op, c.Values)
	matches := func(value string) bool {
		return slices.ContainsFunc(tests, func(t test) bool { return t(value) })
	}
	switch {
	case op.quantifier == forAllValues:
		return !slices.ContainsFunc(got, func(v string) bool { return matches(v) == op.negated })
	case op.quantifier == forAnyValue:
		return slices.ContainsFunc(got, func(v string) bool { return matches(v) != op.negated })
	default:
		return matches(got[0]) != op.negated
	}
}

// null reports whether one of the values agrees with the absence of the key.
func null(values []string, present bool) bool {
	return slices.ContainsFunc(values, func(v string) bool {
		return lower(v) == "true" && !present || lower(v) == "false" && present
	})
}

// tests returns the test for each of a condition's values, except those that contain a
// variable without a value.
func (e evaluation) tests(op operator, values []string) []test {
	var tests []test
	vars := e.vars
	if !op.takesVariables() {
		vars = nil
	}
	for _, v := range values {
		tokens, ok := compile(v, op.syntax(), vars)
		if ok {
			tests = append(tests, op.test(tokens))
		}
	}
	return tests
}
