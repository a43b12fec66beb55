package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// versionOfStatements is the policy version of typed statements.
const versionOfStatements = policy.Version2012

// PolicyOf returns the policy that typed statements define.
func PolicyOf(statements []v1alpha1.Statement) policy.Policy {
	p := policy.Policy{Version: versionOfStatements}
	for _, s := range statements {
		p.Statements = append(p.Statements, policy.Statement{
			SID:          s.SID,
			Effect:       policy.Effect(s.Effect),
			Actions:      policy.Strings(s.Actions),
			NotActions:   policy.Strings(s.NotActions),
			Resources:    policy.Strings(s.Resources),
			NotResources: policy.Strings(s.NotResources),
			Conditions:   conditionsOf(s.Conditions),
		})
	}
	return p
}

func conditionsOf(typed []v1alpha1.Condition) []policy.Condition {
	var out []policy.Condition
	for _, c := range typed {
		out = append(out, policy.Condition{Operator: c.Operator, Key: c.Key, Values: policy.Strings(c.Values)})
	}
	return out
}

// checkDuplicateConditions rejects a statement with one operator and key twice. A
// policy document has one list of values for each pair, any of which may match, so
// merging two lists would turn the AND of the statement into an OR.
func checkDuplicateConditions(statements []v1alpha1.Statement) error {
	var problems []error
	for i, s := range statements {
		for j, c := range s.Conditions {
			for k, o := range s.Conditions[:j] {
				if strings.EqualFold(o.Operator, c.Operator) && strings.EqualFold(o.Key, c.Key) {
					problems = append(problems, fmt.Errorf("[%d].conditions[%d]: duplicate operator and key (%s, %s), already in conditions[%d]; merge the values or use a separate statement",
						i, j, c.Operator, c.Key, k))
				}
			}
		}
	}
	return errors.Join(problems...)
}
