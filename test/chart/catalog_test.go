package charttest_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const catalog = root + "/config/samples/catalog"

// The values of an entry of the catalog create what `kubectl apply -k` of the entry
// does; several files of values add up.
func TestCatalog_AsValuesIsTheCatalog(t *testing.T) {
	entries, err := filepath.Glob(catalog + "/*/kustomization.yaml")
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	var all []string
	for _, entry := range entries {
		dir := filepath.Dir(entry)
		all = append(all, filepath.Join(dir, "values.yaml"))
		t.Run(filepath.Base(dir), func(t *testing.T) {
			checkValues(t, dir, filepath.Join(dir, "values.yaml"))
		})
	}
	t.Run("all", func(t *testing.T) { checkValues(t, catalog, all...) })
}

// checkValues checks that the chart renders with files of values, of the operator's own
// kinds, what the kustomization in dir has, and that an uninstall keeps it.
func checkValues(t *testing.T, dir string, files ...string) {
	t.Helper()
	values := map[string]any{"clusterName": "prod-eu"}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		merge(values, parse(t, string(content)))
	}
	got := own(render(t, values))
	for key, object := range got {
		if policy := object.GetAnnotations()["helm.sh/resource-policy"]; policy != "keep" {
			t.Errorf("%s has the resource policy %q, want keep", key, policy)
		}
		object.SetLabels(nil)
		object.SetAnnotations(nil)
	}
	want := own(kustomize(t, dir))
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("%d objects: -kustomization, +chart:\n%s", len(got), diff)
	}
}

// own returns the objects of the operator's own kinds by kind, namespace and name.
func own(objects []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	found := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		if strings.HasPrefix(object.GetAPIVersion(), "iam.podidentity.io/") {
			found[strings.Join([]string{object.GetKind(), object.GetNamespace(), object.GetName()}, " ")] = object
		}
	}
	return found
}

// merge adds values to others as Helm does with several files: maps are merged.
func merge(into, from map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(from)) {
		inner, isMap := from[key].(map[string]any)
		existing, hasMap := into[key].(map[string]any)
		if isMap && hasMap {
			merge(existing, inner)
			continue
		}
		into[key] = from[key]
	}
}
