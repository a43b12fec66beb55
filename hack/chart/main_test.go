package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cert-manager/helm-tool/linter"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

const root = "../.."

// The files are what `make manifests` writes.
func TestFiles_AreUpToDate(t *testing.T) {
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not up to date, run make manifests: -want, +got:\n%s", name, diff)
		}
	}
}

// Every value is used by a template, and every value that a template uses is
// documented in values.yaml.
func TestValues_AreThoseTheTemplatesUse(t *testing.T) {
	document, err := values(root, true)
	if err != nil {
		t.Fatal(err)
	}
	exceptions := []string{
		"value missing from templates: enabled",      // for charts that depend on this one
		"value missing from values.yaml: options[*]", // a loop over the map, which the linter takes for a list
	}
	for _, section := range document.Sections {
		for _, property := range section.Properties {
			if path := property.Path.String(); strings.HasPrefix(path, "options.") {
				exceptions = append(exceptions, "value missing from templates: "+path)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "exceptions")
	if err := os.WriteFile(file, []byte(strings.Join(exceptions, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := linter.Lint(filepath.Join(root, chartDir, "templates"), file, document); err != nil {
		t.Errorf("%v: standard output has the values", err)
	}
}

// A schema of Kubernetes becomes one that rejects unknown fields at every depth.
func TestStrict_RejectsUnknownFieldsAtEveryDepth(t *testing.T) {
	var schema, want object
	for text, into := range map[string]*object{
		`{type: object, x-kubernetes-validations: [], properties: {a: {type: array, items: {type: object, properties: {b: {}}}}, m: {additionalProperties: {type: object, properties: {c: {}}}}}}`:                                                          &schema,
		`{type: object, additionalProperties: false, properties: {a: {type: array, items: {type: object, additionalProperties: false, properties: {b: {}}}}, m: {additionalProperties: {type: object, additionalProperties: false, properties: {c: {}}}}}}`: &want,
	} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, strict(schema)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// A manifest becomes a template that renders to the manifest.
func TestTemplate_RendersToTheManifest(t *testing.T) {
	manifests, err := parse([]byte("# Why.\nkind: A\nmetadata:\n  name: a\n  labels:\n    rbac.authorization.k8s.io/aggregate-to-view: \"true\"\ntext: '{{ $x }}'\n"))
	if err != nil {
		t.Fatal(err)
	}
	prefixed(field(manifests[0].document.Content[0], "metadata"))
	got, err := manifests[0].template("")
	if err != nil {
		t.Fatal(err)
	}
	const want = "# Why.\nkind: A\nmetadata:\n  labels:\n    {{- include \"podidentity.labels\" . | nindent 4 }}\n" +
		"    {{- if .Values.rbac.aggregateToView }}\n    rbac.authorization.k8s.io/aggregate-to-view: \"true\"\n    {{- end }}\n" +
		"  name: {{ include \"podidentity.prefix\" . }}-a\ntext: '{{`{{ $x }}`}}'\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// The generator rejects a manifest that it does not fully understand: the template would
// be wrong, and no test would notice.
func TestTemplate_RejectsUnknownManifests(t *testing.T) {
	for name, tc := range map[string]struct{ reason, manifest, want string }{
		"Label":    {"A label that no value controls.", "kind: A\nmetadata:\n  labels: {a: b}\n", "label a: no value of the chart controls it"},
		"Metadata": {"A manifest without metadata for the labels.", "kind: A\n", "the manifest has no metadata"},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			manifests, err := parse([]byte(tc.manifest))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := manifests[0].template(""); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	var rule yaml.Node
	if err := yaml.Unmarshal([]byte("{alert: A, expr: b}"), &rule); err != nil {
		t.Fatal(err)
	}
	if _, err := alert(rule.Content[0]); err == nil {
		t.Error("an alert without a severity is accepted")
	}
}

// A file of the catalog becomes values, as it is written.
func TestValuesOf_CopiesTheSpecs(t *testing.T) {
	const file = "# Why.\napiVersion: a/v1\nkind: PodIdentity\nmetadata:\n  name: b\n  namespace: n\nspec:\n  # One.\n  list: [\"*\"]\n---\n" +
		"kind: PodIdentity\nmetadata: {name: c, namespace: n}\nspec:\n  list:\n  - d\n"
	const want = "# Why.\nidentities:\n  items:\n    n/b:\n      # One.\n      list: [\"*\"]\n    n/c:\n      list:\n      - d\n"
	got, err := valuesOf([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// What the values would lack is an error.
func TestValuesOf_RejectsOtherFiles(t *testing.T) {
	const guardrail = "kind: PodIdentityGuardrail\nmetadata: {name: a}\n"
	for name, tc := range map[string]struct{ reason, file, want string }{
		"Kind":      {"No value creates it.", "kind: ConfigMap\n", "the chart has no values for a ConfigMap"},
		"Empty":     {"Nothing to create.", "# Nothing.\n", "0 objects in a document, want 1"},
		"Name":      {"An item needs a key.", "kind: PodIdentityGuardrail\n", "a PodIdentityGuardrail without a name"},
		"Namespace": {"The key has it.", "kind: PodIdentity\nmetadata: {name: a}\n", "PodIdentity a has no namespace"},
		"NoSpec":    {"Nothing to copy.", guardrail, "spec must be the last field"},
		"Flow":      {"Not copied line by line.", guardrail + "spec: {}\n", "spec must be the last field"},
		"Status":    {"It would be copied as well.", guardrail + "spec:\n  a: b\nstatus: {}\n", "spec must be the last field"},
		"Mixed":     {"They belong to different values.", guardrail + "spec:\n  a: b\n---\nkind: PodIdentity\n", "of one kind"},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if _, err := valuesOf([]byte(tc.file)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// helm-tool takes a line that begins with a capital letter for a new sentence.
func TestBrokenSentence_IsFound(t *testing.T) {
	for values, found := range map[string]bool{
		"# One sentence.\n# Another.\na: 1\n":               false,
		"# One\n# sentence.\na: 1\n":                        false,
		"# For example:\n# A: 1\na: 1\n":                    false,
		"# +docs:type=integer\n# The tag is no sentence.\n": false,
		"  # Of the\n  # Kubernetes API.\n  a: 1\n":         true,
	} {
		if err := brokenSentence(values); (err != nil) != found {
			t.Errorf("%q: %v", values, err)
		}
	}
}
