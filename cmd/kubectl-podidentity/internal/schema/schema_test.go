package schema

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestCheck_RejectsWhatTheAPIServerWouldReject(t *testing.T) {
	cases := map[string]struct{ reason, object, wrong string }{
		"Minimal":      {"An empty spec is valid.", "metadata: {name: a, namespace: b}", ""},
		"Unknown":      {"The API server would ignore a misspelled field.", "metadata: {name: a, namespace: b}\nspec: {polices: {}}", "unknown field spec.polices"},
		"Name":         {"The API server rejects the name.", "metadata: {name: A_, namespace: b}", "metadata.name"},
		"NoName":       {"An object must have a name.", "metadata: {namespace: b}", "metadata.name: Required value"},
		"Type":         {"The schema sets the type.", "metadata: {name: a, namespace: b}\nspec: {suspend: \"yes\"}", "spec.suspend: Invalid value"},
		"Enum":         {"The schema lists the values.", "metadata: {name: a, namespace: b}\nspec: {mode: Later}", `supported values: "Apply", "Plan"`},
		"Rule":         {"A CEL rule rejects it.", "metadata: {name: a, namespace: b}\nspec: {policies: {managed: [x]}}", "must be the ARN of a managed policy"},
		"Set":          {"A list of type set contains each item once.", "metadata: {name: a, namespace: b}\nspec: {additionalServiceAccounts: [x, x]}", "Duplicate value"},
		"TwoRules":     {"Both violations are reported together.", "metadata: {name: a, namespace: b}\nspec: {role: {tags: {\"aws:x\": \"?\"}}}", "a tag value must contain"},
		"NullIsAbsent": {"The API server treats null as absent.", "metadata: {name: a, namespace: b}\nspec: {role: null}", ""},
	}
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte("apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\n"+tc.object), &u.Object); err != nil {
				t.Fatal(err)
			}
			_, problems := v.Check(u)
			got := strings.Join(problems, "\n")
			if (got == "") != (tc.wrong == "") || !strings.Contains(got, tc.wrong) {
				t.Errorf("Check(): %q, want %q", got, tc.wrong)
			}
		})
	}
}
