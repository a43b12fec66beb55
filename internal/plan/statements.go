package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// versionOfStatements is the version of the language that typed statements are in.
const versionOfStatements = policy.Version2012

// policyOf returns the policy that typed statements declare. Its error begins
// with the index of the statement that is wrong.
func policyOf(statements []v1alpha1.Statement) (policy.Policy, error) {
	p := policy.Policy{Version: versionOfStatements}
	var problems []error
	for i, s := range statements {
		declared, err := conditions(s.Conditions)
		if err != nil {
			problems = append(problems, fmt.Errorf("[%d].%w", i, err))
		}
		p.Statements = append(p.Statements, policy.Statement{
			SID:          s.SID,
			Effect:       policy.Effect(s.Effect),
			Actions:      toStrings(s.Actions),
			NotActions:   toStrings(s.NotActions),
			Resources:    toStrings(s.Resources),
			NotResources: toStrings(s.NotResources),
			Conditions:   declared,
		})
	}
	return p, errors.Join(problems...)
}

// conditions refuses to have one operator and key twice. A policy document has
// one list of values for each, any of which may match; to merge two lists would
// turn the "and" of the declaration into an "or".
func conditions(declared []v1alpha1.Condition) ([]policy.Condition, error) {
	var out []policy.Condition
	for i, c := range declared {
		for j, o := range declared[:i] {
			if strings.EqualFold(o.Operator, c.Operator) && strings.EqualFold(o.Key, c.Key) {
				return nil, fmt.Errorf("conditions[%d]: %s on %s stands in conditions[%d] already: give all its values there, or use another statement", i, c.Operator, c.Key, j)
			}
		}
		out = append(out, policy.Condition{Operator: c.Operator, Key: c.Key, Values: toStrings(c.Values)})
	}
	return out, nil
}

// toStrings returns values of a string type as strings, nil if there are none.
func toStrings[S ~string](values []S) []string {
	if len(values) == 0 {
		return nil
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
