package v1alpha1_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// guardrailObject returns a PodIdentityGuardrail of that name with a spec in YAML.
func guardrailObject(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte("apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentityGuardrail\nspec: "+spec), &content); err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetName(name)
	return u
}

// The fields and values that a guardrail may have.
func TestAdmission_GuardrailRules(t *testing.T) {
	const key = "a label key must be a name of at most 63 letters, digits, - _ and ., with an optional DNS prefix and a slash"
	const values = "values must be set with operator In and NotIn, and must not be with Exists and DoesNotExist"
	for name, r := range map[string]rule{
		"Selector":      {"The namespaces that it limits must be given, even if it is all of them.", `{namespaceSelector: {}}`, `{maxIdentities: 1}`, []string{"spec.namespaceSelector", "Required"}},
		"LabelKey":      {"A label key must be valid in Kubernetes.", `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop, tier: ""}}}`, `{namespaceSelector: {matchLabels: {"a b": shop}}}`, []string{"spec.namespaceSelector.matchLabels", key}},
		"LabelValue":    {"A label value must be valid in Kubernetes.", `{namespaceSelector: {matchLabels: {tier: Gold_1.2}}}`, `{namespaceSelector: {matchLabels: {tier: "-"}}}`, []string{"spec.namespaceSelector.matchLabels", "a label value must contain only letters"}},
		"Operator":      {"The operator must be one of those of label selectors.", selecting(`{key: tier, operator: Exists}`), selecting(`{key: tier, operator: Is}`), []string{"spec.namespaceSelector.matchExpressions[0].operator", `"In", "NotIn", "Exists", "DoesNotExist"`}},
		"RequirementBy": {"The key of a requirement must be a valid label key.", selecting(`{key: a.b/tier, operator: DoesNotExist}`), selecting(`{key: a/b/c, operator: Exists}`), []string{"spec.namespaceSelector.matchExpressions[0].key", key}},
		"Values":        {"The operator In needs values.", selecting(`{key: tier, operator: In, values: [gold]}`), selecting(`{key: tier, operator: In}`), []string{"spec.namespaceSelector.matchExpressions[0]", values}},
		"NoValues":      {"The operator Exists takes no values.", selecting(`{key: tier, operator: NotIn, values: [gold]}`), selecting(`{key: tier, operator: Exists, values: [gold]}`), []string{"spec.namespaceSelector.matchExpressions[0]", values}},
		"EmptyLimit":    {"A limit without a list may be a list that the author forgot.", limiting(`actions: {denied: ["iam:*"]}`), limiting(`actions: {}`), []string{"spec.actions", "at least one of allowed, denied and additional must be set"}},
		"AllowNone":     {"An empty allowed list is a limit; an empty denied list limits nothing.", limiting(`managedPolicies: {allowed: []}`), limiting(`managedPolicies: {denied: []}`), []string{"spec.managedPolicies.denied", "at least 1"}},
		"Pattern":       {"A pattern has a maximum length.", limiting(`resources: {allowed: ["*"]}`), limiting(`resources: {allowed: ["` + strings.Repeat("a", 2049) + `"]}`), []string{"spec.resources.allowed[0]", "2048"}},
		"EmptyPattern":  {"A pattern must not be empty.", limiting(`tagKeys: {allowed: [t]}`), limiting(`tagKeys: {allowed: [""]}`), []string{"spec.tagKeys.allowed[0]", "at least 1"}},
		"PatternTwice":  {"A list contains each pattern once.", limiting(`roleNames: {allowed: [a, b]}`), limiting(`roleNames: {allowed: [a, a]}`), []string{"spec.roleNames.allowed[1]", "Duplicate"}},
		"TooMany":       {"A list has a maximum length.", limiting(`serviceAccounts: {allowed: ` + list(200, "a%d") + `}`), limiting(`serviceAccounts: {allowed: ` + list(201, "a%d") + `}`), []string{"spec.serviceAccounts.allowed", "200"}},
		"Inline":        {"The values are Allowed and Forbidden.", limiting(`inlinePolicies: Forbidden`), limiting(`inlinePolicies: Never`), []string{"spec.inlinePolicies", `"Allowed", "Forbidden"`}},
		"Trust":         {"The values are Allowed and Forbidden.", limiting(`namespaceTrust: Allowed`), limiting(`namespaceTrust: "false"`), []string{"spec.namespaceTrust", `"Allowed", "Forbidden"`}},
		"Boundary":      {"A boundary is named by its ARN.", limiting(`permissionsBoundary: "` + policyARN + `"`), limiting(`permissionsBoundary: boundary`), []string{"spec.permissionsBoundary", "must be the ARN of a managed policy"}},
		"Count":         {"Zero is a valid maximum, a negative number is not.", limiting(`maxIdentities: 0`), limiting(`maxIdentities: -1`), []string{"spec.maxIdentities", "0"}},
		"Violation":     {"The values are Report and Revoke.", limiting(`onViolation: Revoke`), limiting(`onViolation: Delete`), []string{"spec.onViolation", `"Report", "Revoke"`}},
		"Unknown":       {"A misspelled limit would limit nothing.", limiting(`maxIdentities: 1`), limiting(`maxIdentites: 1`), []string{`unknown field "spec.maxIdentites"`}},
	} {
		t.Run(name, func(t *testing.T) { r.checkOf(t, guardrailObject) })
	}
}

func selecting(requirement string) string {
	return `{namespaceSelector: {matchExpressions: [` + requirement + `]}}`
}

func limiting(limit string) string { return `{namespaceSelector: {}, ` + limit + `}` }
