package forecast

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// placeholder matches what examples and templates have in place of a value: ${NAME},
// <name> and {{ .name }}, and the account and region of the catalog of this project. A
// policy variable of IAM has a colon (${aws:username}) or is one of ${*}, ${?} and ${$}.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
var placeholder = regexp.MustCompile(`\$\{[^}:*?$]*\}|\$\([^)]*\)|<[^<>]+>|\{\{[^}]*\}\}|\b111122223333\b|\bxx-example-1\b`)

// Placeholders returns a warning for each placeholder in resources and managed
// policies: AWS accepts it, and it matches nothing.
func Placeholders(pi *v1alpha1.PodIdentity) []Finding {
	var order []string
	fields := map[string][]string{} // by placeholder
	find := func(field, text string) {
		for _, found := range placeholder.FindAllString(text, -1) {
			if fields[found] == nil {
				order = append(order, found)
			}
			if !slices.Contains(fields[found], field) {
				fields[found] = append(fields[found], field)
			}
		}
	}
	for i, arn := range pi.Spec.Policies.Managed {
		find(fmt.Sprintf("spec.policies.managed[%d]", i), string(arn))
	}
	for _, in := range pi.Spec.Policies.Inline {
		eachResource(in, find)
	}
	var findings []Finding
	for _, found := range order {
		where := fields[found][0]
		if more := len(fields[found]) - 1; more > 0 {
			where += fmt.Sprintf(" and %d more", more)
		}
		findings = append(findings, Warn(CheckPlaceholder, fmt.Sprintf("%s: the placeholder %s is left over; replace it with a value", where, found)))
	}
	return findings
}

// eachResource calls found with the field and the text of each resource of a policy.
func eachResource(in v1alpha1.InlinePolicy, found func(field, text string)) {
	field := fmt.Sprintf("spec.policies.inline[%s]", in.Name)
	for i, s := range in.Statements {
		for _, r := range slices.Concat(s.Resources, s.NotResources) {
			found(fmt.Sprintf("%s.statements[%d]", field, i), string(r))
		}
	}
	document, err := policy.Decode([]byte(in.Document))
	if err != nil {
		return // plan.Desired rejects it
	}
	for i, s := range document.Statements {
		for _, r := range slices.Concat(s.Resources, s.NotResources) {
			found(fmt.Sprintf("%s.document: Statement[%d]", field, i), r)
		}
	}
}
