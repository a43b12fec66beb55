package guardrail

import (
	"fmt"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// allowStatement is a statement of an inline policy that allows something.
type allowStatement struct {
	field              string
	actions, resources []string
	// notActions and notResources say that the statement is about all but some.
	notActions, notResources bool
}

// grants returns the statements of inline policies that allow something. Of a
// document that is no policy there are none: the plan refuses it.
func grants(inline []v1alpha1.InlinePolicy) []allowStatement {
	var out []allowStatement
	for _, in := range inline {
		field := fmt.Sprintf("spec.policies.inline[%s]", in.Name)
		for i, s := range in.Statements {
			if policy.Effect(s.Effect) == policy.Allow {
				out = append(out, allowStatement{
					field:   fmt.Sprintf("%s.statements[%d]", field, i),
					actions: toStrings(s.Actions), notActions: len(s.NotActions) > 0,
					resources: toStrings(s.Resources), notResources: len(s.NotResources) > 0,
				})
			}
		}
		for _, s := range statements(in.Document) {
			if s.Effect == policy.Allow {
				out = append(out, allowStatement{
					field:   field + ".document",
					actions: s.Actions, notActions: s.NotActions != nil,
					resources: s.Resources, notResources: s.NotResources != nil,
				})
			}
		}
	}
	return out
}

func statements(document string) []policy.Statement {
	parsed, err := policy.Parse([]byte(document))
	if err != nil {
		return nil
	}
	return parsed.Policy().Statements
}

// maxInline bounds the work of judging: it is several times what IAM takes for all
// inline policies of a role, which is 10,240 characters.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const maxInline = 1 << 16

// size returns the characters of what inline policies are judged by.
func size(inline []v1alpha1.InlinePolicy) int {
	n := 0
	for _, in := range inline {
		n += policy.Size(in.Document)
		for _, s := range in.Statements {
			for _, a := range s.Actions {
				n += len(a)
			}
			for _, r := range s.Resources {
				n += len(r)
			}
		}
	}
	return n
}
