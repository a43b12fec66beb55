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

// What a guardrail may say.
func TestAdmission_GuardrailRules(t *testing.T) {
	const key = "a label key must be a name of at most 63 letters, digits, - _ and ., after a domain and a slash or not"
	const values = "values must be set with operator In and NotIn, and must not be with Exists and DoesNotExist"
	for name, r := range map[string]rule{
		"Selector":      {"Which namespaces it bounds is said, and be it all.", `{namespaceSelector: {}}`, `{maxIdentities: 1}`, []string{"spec.namespaceSelector", "Required"}},
		"LabelKey":      {"Keys of labels as Kubernetes has them.", `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop, tier: ""}}}`, `{namespaceSelector: {matchLabels: {"a b": shop}}}`, []string{"spec.namespaceSelector.matchLabels", key}},
		"LabelValue":    {"And values.", `{namespaceSelector: {matchLabels: {tier: Gold_1.2}}}`, `{namespaceSelector: {matchLabels: {tier: "-"}}}`, []string{"spec.namespaceSelector.matchLabels", "a label value must contain only letters"}},
		"Operator":      {"The operators of selectors.", selecting(`{key: tier, operator: Exists}`), selecting(`{key: tier, operator: Is}`), []string{"spec.namespaceSelector.matchExpressions[0].operator", `"In", "NotIn", "Exists", "DoesNotExist"`}},
		"RequirementBy": {"The same for keys of requirements.", selecting(`{key: a.b/tier, operator: DoesNotExist}`), selecting(`{key: a/b/c, operator: Exists}`), []string{"spec.namespaceSelector.matchExpressions[0].key", key}},
		"Values":        {"In what?", selecting(`{key: tier, operator: In, values: [gold]}`), selecting(`{key: tier, operator: In}`), []string{"spec.namespaceSelector.matchExpressions[0]", values}},
		"NoValues":      {"To exist takes no values.", selecting(`{key: tier, operator: NotIn, values: [gold]}`), selecting(`{key: tier, operator: Exists, values: [gold]}`), []string{"spec.namespaceSelector.matchExpressions[0]", values}},
		"EmptyLimit":    {"A limit without a list is a list forgotten.", limiting(`actions: {denied: ["iam:*"]}`), limiting(`actions: {}`), []string{"spec.actions", "at least one of allowed, denied and additional must be set"}},
		"AllowNone":     {"To allow none is a limit, to deny none is not.", limiting(`managedPolicies: {allowed: []}`), limiting(`managedPolicies: {denied: []}`), []string{"spec.managedPolicies.denied", "at least 1"}},
		"Pattern":       {"Patterns end.", limiting(`resources: {allowed: ["*"]}`), limiting(`resources: {allowed: ["` + strings.Repeat("a", 2049) + `"]}`), []string{"spec.resources.allowed[0]", "2048"}},
		"EmptyPattern":  {"And begin.", limiting(`tagKeys: {allowed: [t]}`), limiting(`tagKeys: {allowed: [""]}`), []string{"spec.tagKeys.allowed[0]", "at least 1"}},
		"PatternTwice":  {"A set holds each once.", limiting(`roleNames: {allowed: [a, b]}`), limiting(`roleNames: {allowed: [a, a]}`), []string{"spec.roleNames.allowed[1]", "Duplicate"}},
		"TooMany":       {"Not too many.", limiting(`serviceAccounts: {allowed: ` + list(200, "a%d") + `}`), limiting(`serviceAccounts: {allowed: ` + list(201, "a%d") + `}`), []string{"spec.serviceAccounts.allowed", "200"}},
		"Inline":        {"Allowed or Forbidden.", limiting(`inlinePolicies: Forbidden`), limiting(`inlinePolicies: Never`), []string{"spec.inlinePolicies", `"Allowed", "Forbidden"`}},
		"Trust":         {"The same.", limiting(`namespaceTrust: Allowed`), limiting(`namespaceTrust: "false"`), []string{"spec.namespaceTrust", `"Allowed", "Forbidden"`}},
		"Boundary":      {"A boundary is named by its ARN.", limiting(`permissionsBoundary: "` + policyARN + `"`), limiting(`permissionsBoundary: boundary`), []string{"spec.permissionsBoundary", "must be the ARN of a managed policy"}},
		"Count":         {"None is a number too.", limiting(`maxIdentities: 0`), limiting(`maxIdentities: -1`), []string{"spec.maxIdentities", "0"}},
		"Violation":     {"Report or Revoke.", limiting(`onViolation: Revoke`), limiting(`onViolation: Delete`), []string{"spec.onViolation", `"Report", "Revoke"`}},
		"Unknown":       {"A limit that is misspelled would bound nothing.", limiting(`maxIdentities: 1`), limiting(`maxIdentites: 1`), []string{`unknown field "spec.maxIdentites"`}},
	} {
		t.Run(name, func(t *testing.T) { r.checkOf(t, guardrailObject) })
	}
}

func selecting(requirement string) string {
	return `{namespaceSelector: {matchExpressions: [` + requirement + `]}}`
}

func limiting(limit string) string { return `{namespaceSelector: {}, ` + limit + `}` }
