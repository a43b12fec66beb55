package plan

import (
	"slices"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// intersectTrust returns a trust policy that admits at most the callers that both a and
// b admit: the subjects in both, if the policies differ in nothing else, and no one
// otherwise.
func intersectTrust(a, b policy.Document) policy.Document {
	common, from := b.Policy(), a.Policy().Statements
	for i := range common.Statements {
		if i >= len(from) {
			return policy.DenyAllTrust()
		}
		for j, condition := range common.Statements[i].Conditions {
			values := commonValues(condition, from[i].Conditions)
			if len(values) == 0 {
				return policy.DenyAllTrust()
			}
			common.Statements[i].Conditions[j].Values = values
		}
	}
	document := common.Document()
	if !policy.IsSubset(document, a) || !policy.IsSubset(document, b) {
		return policy.DenyAllTrust()
	}
	return document
}

// commonValues returns the values of condition that the condition with the same operator
// and key in others also has.
func commonValues(condition policy.Condition, others []policy.Condition) []string {
	i := slices.IndexFunc(others, func(o policy.Condition) bool {
		return o.Operator == condition.Operator && o.Key == condition.Key
	})
	if i < 0 {
		return nil
	}
	var values []string
	for _, v := range condition.Values {
		if slices.Contains(others[i].Values, v) {
			values = append(values, v)
		}
	}
	return values
}
