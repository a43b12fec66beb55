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

// The files in the chart are what `make manifests` writes.
func TestFiles_AreUpToDate(t *testing.T) {
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, chartDir, name))
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

// What the generator does not know it rejects: a template without it would be wrong
// and no test would notice.
func TestTemplate_RejectsUnknownManifests(t *testing.T) {
	for name, tc := range map[string]struct{ reason, manifest, want string }{
		"Label":    {"A label that no value decides about.", "kind: A\nmetadata:\n  labels: {a: b}\n", "label a: no value of the chart decides about it"},
		"Metadata": {"Nowhere to put the labels.", "kind: A\n", "the manifest has no metadata"},
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
