package charttest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
)

const root = "../.."

// The chart passes `helm lint --strict`, with the default values and with each row of
// the matrix.
func TestRender_PassesStrictLint(t *testing.T) {
	rows := matrix(t)
	rows["no values"] = map[string]any{}
	for name, values := range rows {
		t.Run(name, func(t *testing.T) {
			lint := action.NewLint()
			lint.Strict, lint.KubeVersion = true, charttest.OldestKubernetes()
			for _, err := range lint.Run([]string{charttest.Dir(root)}, values).Errors {
				t.Error(err)
			}
		})
	}
}

// Each row of the matrix renders, and each object has a namespace or none on purpose.
func TestRender_EveryRowOfTheMatrix(t *testing.T) {
	clusterScoped := map[string]bool{
		"CustomResourceDefinition": true, "ClusterRole": true, "ClusterRoleBinding": true, "PodIdentityGuardrail": true,
		"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true,
	}
	for name, values := range matrix(t) {
		t.Run(name, func(t *testing.T) {
			for _, object := range render(t, values) {
				if clusterScoped[object.GetKind()] != (object.GetNamespace() == "") {
					t.Errorf("%s %s: namespace is %q", object.GetKind(), object.GetName(), object.GetNamespace())
				}
			}
		})
	}
}

// The chart can be a dependency of another chart, which switches it by a condition
// and shares its global values with it.
func TestRender_AsDependencyOfAnotherChart(t *testing.T) {
	parent := &chartv2.Chart{Metadata: &chartv2.Metadata{
		APIVersion: "v2", Name: "platform", Version: "1.0.0",
		Dependencies: []*chartv2.Dependency{{Name: "podidentity-operator", Version: "*", Repository: "file://x", Condition: "podidentity-operator.enabled"}},
	}}
	parent.AddDependency(load(t))
	rendered, err := charttest.Render(t.Context(), parent, parse(t, `
global: {imageRegistry: registry.example.com, someone: else}
podidentity-operator: {enabled: true, clusterName: prod-eu}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = "image: registry.example.com/podidentity/podidentity-operator:"
	if !strings.Contains(rendered.Manifest, want) {
		t.Errorf("the manifest has no %q", want)
	}
}

// matrix returns the rows of values by name.
func matrix(t *testing.T) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files with values, %v", len(files), err)
	}
	rows := map[string]map[string]any{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rows[strings.TrimSuffix(filepath.Base(file), ".yaml")] = parse(t, string(content))
	}
	return rows
}

func load(t *testing.T) *chartv2.Chart {
	t.Helper()
	chart, err := charttest.Load(charttest.Dir(root))
	if err != nil {
		t.Fatal(err)
	}
	return chart
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	values, err := charttest.Values(text)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// render returns the objects that values render.
func render(t *testing.T, values map[string]any) []*unstructured.Unstructured {
	t.Helper()
	rendered, err := charttest.Render(t.Context(), load(t), values)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := charttest.Objects(rendered.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}
