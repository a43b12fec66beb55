package guardrail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// allowStatement is a statement of a policy that allows something. Its conditions
// are not read: they may always hold.
type allowStatement struct {
	field              string
	actions, resources []string
	// notActions and notResources name the element that the statement has instead of
	// actions and resources, which covers everything except a list; otherwise empty.
	notActions, notResources string
}

// inlineStatements returns the statements of inline policies that allow something. It
// omits actions that cannot match any of AWS's, such as GetObject: plan.Desired rejects
// them with the correction.
func inlineStatements(inline []v1alpha1.InlinePolicy) []allowStatement {
	var out []allowStatement
	for _, in := range inline {
		field := fmt.Sprintf("spec.policies.inline[%s]", in.Name)
		for i, s := range in.Statements {
			if policy.Effect(s.Effect) == policy.Allow {
				out = append(out, allowStatement{
					field:   fmt.Sprintf("%s.statements[%d]", field, i),
					actions: matching(policy.Strings(s.Actions)), notActions: nameIf("notActions", len(s.NotActions) > 0),
					resources: policy.Strings(s.Resources), notResources: nameIf("notResources", len(s.NotResources) > 0),
				})
			}
		}
		if in.Document == "" {
			continue
		}
		if p, err := policy.Decode([]byte(in.Document)); err == nil {
			for _, s := range allowStatements(p, field+".document") {
				s.actions = matching(s.actions)
				out = append(out, s)
			}
		}
	}
	return out
}

// matching returns those of the actions that may match one of AWS's: those with a service,
// and patterns.
func matching(actions []string) []string {
	return slices.DeleteFunc(slices.Clone(actions), func(a string) bool { return !strings.Contains(a, ":") && !isPattern(a) })
}

// allowStatements returns the statements of a policy that allow something.
func allowStatements(p policy.Policy, field string) []allowStatement {
	var out []allowStatement
	for i, s := range p.Statements {
		if s.Effect == policy.Allow {
			out = append(out, allowStatement{
				field:   fmt.Sprintf("%s: Statement[%d]", field, i),
				actions: s.Actions, notActions: nameIf("NotAction", s.NotActions != nil),
				resources: s.Resources, notResources: nameIf("NotResource", s.NotResources != nil),
			})
		}
	}
	return out
}

func nameIf(name string, present bool) string {
	if present {
		return name
	}
	return ""
}

// Contents is what the operator knows about the contents of a managed policy.
type Contents struct {
	statements []allowStatement
	err        error
}

// ReadContents reads the document of a managed policy. Contents that cannot be read
// are rejected.
func ReadContents(document string) Contents {
	p, err := policy.Decode([]byte(document))
	if err != nil {
		return Unreadable(fault.Errorf(fault.Blocked, v1alpha1.ReasonGuardrailViolated, "its contents cannot be read: %w", err))
	}
	return Contents{statements: allowStatements(p, "")}
}

// Unreadable returns contents that the operator failed to get because of err.
func Unreadable(err error) Contents { return Contents{err: err} }

// Err returns the error because of which the contents are not known, nil if they are.
func (c Contents) Err() error { return c.err }
