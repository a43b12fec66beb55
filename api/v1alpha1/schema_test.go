package v1alpha1_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// A node is a schema of a CRD, as its YAML has it.
type node map[string]any

func (n node) text(key string) string { s, _ := n[key].(string); return s }

func (n node) has(key string) bool { _, ok := n[key]; return ok }

func (n node) child(key string) (node, bool) {
	child, ok := n[key].(map[string]any)
	return child, ok
}

func (n node) list(key string) []any { l, _ := n[key].([]any); return l }

// exceptions are breaches of the rules that are meant, with the reason.
var exceptions = map[string]string{
	"apiVersion: unbounded string":                        "controller-gen writes it for every kind; the API server checks it",
	"kind: unbounded string":                              "controller-gen writes it for every kind; the API server checks it",
	"metadata: no description":                            "controller-gen writes it for every kind",
	"spec.suspend: boolean":                               "Flux and CronJob have the same field; it will not get a third value, because there is mode",
	"spec: default":                                       "server-side apply makes null of an emptied spec, which the API server would reject",
	"spec.policies: default":                              "server-side apply makes null of an emptied section, which the API server would reject",
	"spec.role: default":                                  "server-side apply makes null of an emptied section, which the API server would reject",
	"spec.role.tags: default":                             "server-side apply makes null of an emptied section, which the API server would reject",
	"spec.serviceAccount: default":                        "server-side apply makes null of an emptied section, which the API server would reject",
	"spec.trust: default":                                 "server-side apply makes null of an emptied section, which the API server would reject",
	"status: default":                                     "kstatus must not take an object for ready that no operator has seen",
	"status.observedGeneration: not bounded":              "metadata.generation is not bounded either",
	"status.conditions[].observedGeneration: not bounded": "the type is Kubernetes's own",
	"status.guardrail.generation: not bounded":            "metadata.generation is not bounded either",
}

// The schemas keep the rules of kube-api-linter, but for the exceptions above; and
// each of those is needed.
func TestSchemas_FollowAPIConventions(t *testing.T) {
	found := append(breaches(crdSchema(t, "podidentities")), breaches(crdSchema(t, "podidentityguardrails"))...)
	for _, breach := range found {
		if exceptions[breach] == "" {
			t.Error(breach)
		}
	}
	for exception := range exceptions {
		if !slices.Contains(found, exception) {
			t.Errorf("this exception is no longer needed: %s", exception)
		}
	}
}

// The rules are broken by what breaks them.
func TestSchemaCheck_FindsEachViolation(t *testing.T) {
	cases := map[string]struct {
		reason string
		schema string
		want   []string
	}{
		"Good":       {"A type that follows all conventions passes.", `{type: object, properties: {a: {type: string, description: a, maxLength: 1}}}`, nil},
		"Text":       {"Every string has a description and a maximum length.", `{type: object, properties: {a: {type: string}}}`, []string{"a: no description", "a: unbounded string"}},
		"Enum":       {"An enum is a bound; its values are CamelCase.", `{type: object, properties: {a: {type: string, description: a, enum: [Good, bad]}}}`, []string{"a: enum value bad is not CamelCase"}},
		"List":       {"A list states how it merges, and has a maximum length.", `{type: object, properties: {a: {type: array, description: a, items: {type: string, maxLength: 1, default: x}}}}`, []string{"a: no list type", "a: unbounded list", "a[]: default in a list"}},
		"DeepList":   {"So does a list within an item.", `{type: object, properties: {a: {type: array, description: a, maxItems: 1, x-kubernetes-list-type: atomic, items: {type: object, properties: {b: {type: integer, description: b, maximum: 1, minimum: 0, default: 1}}}}}}`, []string{"a[].b: default in a list"}},
		"Map":        {"A map has a maximum size, and its values are bounded strings.", `{type: object, properties: {a: {type: object, description: a, additionalProperties: {type: object}}}}`, []string{"a: map of object", "a: unbounded map"}},
		"Float":      {"Floats are not allowed.", `{type: object, properties: {a: {type: number, description: a}}}`, []string{"a: float"}},
		"Int":        {"Integers have bounds.", `{type: object, properties: {a: {type: integer, description: a}}}`, []string{"a: not bounded"}},
		"Phase":      {"A phase and a boolean are not allowed.", `{type: object, properties: {phase: {type: boolean, description: a}}}`, []string{"phase: a phase", "phase: boolean"}},
		"Duration":   {"A duration is an integer with the suffix Seconds.", `{type: object, properties: {a: {type: string, format: duration, description: a, maxLength: 9}}}`, []string{"a: duration"}},
		"Reference":  {"A reference has the suffix Ref.", `{type: object, properties: {podReference: {type: string, description: a, maxLength: 9}}}`, []string{"podReference: a Reference is a Ref"}},
		"Case":       {"Field names are camelCase.", `{type: object, properties: {Role_name: {type: string, description: a, maxLength: 9}}}`, []string{"Role_name: not camelCase"}},
		"Default":    {"Only listed fields may have a default.", `{type: object, properties: {a: {type: string, description: a, maxLength: 9, default: x}}}`, []string{"a: default"}},
		"Open":       {"Unknown fields are rejected.", `{type: object, properties: {a: {type: object, description: a, x-kubernetes-preserve-unknown-fields: true}}}`, []string{"a: open to unknown fields"}},
		"Conditions": {"Conditions merge by type.", `{type: object, properties: {status: {type: object, description: a, properties: {conditions: {type: array, description: a, maxItems: 1, x-kubernetes-list-type: atomic, items: {type: object}}}}}}`, []string{"status.conditions: not a map by type"}},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			var schema node
			if err := yaml.Unmarshal([]byte(tc.schema), &schema); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, breaches(schema)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// A reader of the Go type reads the conditions first.
func TestStatusTypes_ConditionsComeFirst(t *testing.T) {
	source, err := os.ReadFile("status_types.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "type PodIdentityStatus struct {")
	if first := regexp.MustCompile(`(?m)^\t([A-Z]\w*) `).FindStringSubmatch(body); len(first) == 0 || first[1] != "Conditions" {
		t.Errorf("first field of the status = %v, want Conditions", first)
	}
}

// crdSchema returns the schema of the one version that a generated CRD has.
func crdSchema(t *testing.T, resource string) node {
	t.Helper()
	raw, err := os.ReadFile("../../config/crd/bases/iam.podidentity.io_" + resource + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema node `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	if len(crd.Spec.Versions) != 1 {
		t.Fatalf("the CRD has %d versions, want 1", len(crd.Spec.Versions))
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// breaches returns where a schema breaks the rules, as "path: rule", sorted.
func breaches(schema node) []string {
	w := &walker{}
	w.properties("", schema)
	slices.Sort(w.found)
	return w.found
}

type walker struct {
	found  []string
	inList int
}

func (w *walker) breach(path string, broken bool, format string, args ...any) {
	if broken {
		w.found = append(w.found, path+": "+fmt.Sprintf(format, args...))
	}
}

func (w *walker) properties(path string, n node) {
	properties, _ := n.child("properties")
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		field, _ := properties.child(name)
		w.field(strings.TrimPrefix(path+"."+name, "."), name, field)
	}
}

var (
	camelCase      = regexp.MustCompile(`^[a-z][A-Za-z0-9]*$`)
	upperCamelCase = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
)

// field looks at what only a field has: a name, a description, perhaps a default.
func (w *walker) field(path, name string, n node) {
	w.breach(path, strings.TrimSpace(n.text("description")) == "", "no description")
	w.breach(path, !camelCase.MatchString(name), "not camelCase")
	w.breach(path, strings.EqualFold(name, "phase"), "a phase")
	w.breach(path, strings.HasSuffix(name, "Reference") || strings.HasSuffix(name, "References"), "a Reference is a Ref")
	w.breach(path, n.has("default") && w.inList == 0, "default")
	if path == "status.conditions" {
		keys := n.list("x-kubernetes-list-map-keys")
		w.breach(path, n.text("x-kubernetes-list-type") != "map" || len(keys) != 1 || keys[0] != "type", "not a map by type")
	}
	w.value(path, n)
}

// value looks at what every schema has, of a field or of a list's item.
func (w *walker) value(path string, n node) {
	w.breach(path, n.has("default") && w.inList > 0, "default in a list")
	w.breach(path, n.has("x-kubernetes-preserve-unknown-fields"), "open to unknown fields")
	w.breach(path, n.has("x-kubernetes-int-or-string"), "integer or string")
	for _, value := range n.list("enum") {
		word, _ := value.(string)
		w.breach(path, !upperCamelCase.MatchString(word), "enum value %v is not CamelCase", value)
	}
	switch n.text("type") {
	case "string":
		w.breach(path, n.text("format") == "duration", "duration")
		w.breach(path, !n.has("maxLength") && !n.has("enum") && n.text("format") != "date-time", "unbounded string")
	case "integer":
		w.breach(path, !n.has("maximum") || !n.has("minimum"), "not bounded")
	case "number":
		w.breach(path, true, "float")
	case "boolean":
		w.breach(path, true, "boolean")
	case "array":
		w.breach(path, !n.has("x-kubernetes-list-type"), "no list type")
		w.breach(path, !n.has("maxItems"), "unbounded list")
		items, _ := n.child("items")
		w.inList++
		w.value(path+"[]", items)
		w.inList--
	case "object":
		if values, ok := n.child("additionalProperties"); ok {
			w.breach(path, values.text("type") != "string", "map of %s", values.text("type"))
			w.breach(path, !n.has("maxProperties"), "unbounded map")
			w.value(path+"{}", values)
		}
		w.properties(path, n)
	default:
		w.breach(path, true, "type %q", n.text("type"))
	}
}
