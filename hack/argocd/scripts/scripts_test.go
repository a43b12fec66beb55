// Package scripts_test runs what config/argocd ships in Lua with Argo CD's own code.
package scripts_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	argo "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	customizations = "../../../config/argocd/resource_customizations"
	scripts        = customizations + "/iam.podidentity.io/PodIdentity"
	requestedAt    = "iam.podidentity.io/requestedAt"
)

var update = flag.Bool("update", false, "write health_test.yaml from the fixtures")

type healthTests struct {
	Tests []healthTest `json:"tests"`
}

type healthTest struct {
	HealthStatus health.HealthStatus `json:"healthStatus"`
	InputPath    string              `json:"inputPath"`
}

// The health of every fixture is the one that its name states, with the message that
// health_test.yaml states, whether or not the libraries of Lua are open. The fixtures are
// written by the tests of the controllers, from real objects.
func TestHealth_OfEveryFixture(t *testing.T) {
	var got healthTests
	for _, path := range fixtures(t, scripts) {
		object := object(t, filepath.Join(scripts, path))
		closed, open := healthOf(t, object, false), healthOf(t, object, true)
		if diff := cmp.Diff(closed, open); diff != "" {
			t.Errorf("%s: -with closed, +with open libraries:\n%s", path, diff)
		}
		if want, _, _ := strings.Cut(filepath.Base(path), "_"); strings.ToLower(string(closed.Status)) != want {
			t.Errorf("%s is %s: %s", path, closed.Status, closed.Message)
		}
		got.Tests = append(got.Tests, healthTest{HealthStatus: *closed, InputPath: path})
	}
	file := scripts + "/health_test.yaml"
	if *update {
		content, err := yaml.Marshal(got)
		must(t, err)
		must(t, os.WriteFile(file, content, 0o644))
	}
	var want healthTests
	must(t, yaml.UnmarshalStrict([]byte(read(t, file)), &want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is not up to date; run: go -C hack/argocd test -run Health -update ./scripts\n-file, +fixtures:\n%s", file, diff)
	}
}

// An object that is being deleted is Progressing, whatever its conditions: Argo CD does
// not run the script.
func TestHealth_OfADeletion(t *testing.T) {
	for _, path := range fixtures(t, scripts) {
		object := object(t, filepath.Join(scripts, path))
		object.SetDeletionTimestamp(&metav1.Time{Time: time.Now()})
		if got := healthOf(t, object, false); got.Status != health.HealthStatusProgressing || got.Message != "Pending deletion" {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

// healthOf returns the health of an object, as Argo CD finds it with the script of this project.
func healthOf(t *testing.T, object *unstructured.Unstructured, openLibraries bool) *health.HealthStatus {
	t.Helper()
	overrides := lua.ResourceHealthOverrides{
		"iam.podidentity.io/PodIdentity": argo.ResourceOverride{HealthLua: read(t, scripts+"/health.lua"), UseOpenLibs: openLibraries},
	}
	got, err := health.GetResourceHealth(object, overrides)
	must(t, err)
	if got == nil {
		t.Fatal("Argo CD knows no health of a PodIdentity")
	}
	return got
}

type actionTests struct {
	DiscoveryTests []struct {
		InputPath string                `json:"inputPath"`
		Result    []argo.ResourceAction `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

// Every action does what action_test.yaml says, and each has a test.
func TestActions_GiveTheirResults(t *testing.T) {
	dir := scripts + "/actions"
	var file actionTests
	must(t, yaml.UnmarshalStrict([]byte(read(t, dir+"/action_test.yaml")), &file))
	for _, test := range file.DiscoveryTests {
		got, err := lua.VM{}.ExecuteResourceActionDiscovery(object(t, filepath.Join(dir, test.InputPath)), []string{read(t, dir+"/discovery.lua")})
		must(t, err)
		byName := func(a, b argo.ResourceAction) int { return strings.Compare(a.Name, b.Name) }
		slices.SortFunc(got, byName)
		slices.SortFunc(test.Result, byName)
		if diff := cmp.Diff(test.Result, got); diff != "" {
			t.Errorf("discovery of %s: -want, +got:\n%s", test.InputPath, diff)
		}
	}
	tested := map[string]bool{}
	for _, test := range file.ActionTests {
		tested[test.Action] = true
		got := withoutTime(t, act(t, test.Action, object(t, filepath.Join(dir, test.InputPath))))
		if diff := cmp.Diff(object(t, filepath.Join(dir, test.ExpectedOutputPath)).Object, got.Object); diff != "" {
			t.Errorf("%s of %s: -want, +got:\n%s", test.Action, test.InputPath, diff)
		}
	}
	if diff := cmp.Diff([]string{"reconcile", "resume", "suspend"}, slices.Sorted(maps.Keys(tested))); diff != "" {
		t.Errorf("actions: -want, +tested:\n%s", diff)
	}
}

// An action leaves alone what it is not about, though Lua cannot tell an empty list from
// an empty map.
func TestActions_KeepOtherFields(t *testing.T) {
	for name, want := range map[string]map[string]any{
		"suspend": {"suspend": true}, "resume": {}, "reconcile": {},
	} {
		before := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "iam.podidentity.io/v1alpha1", "kind": "PodIdentity", "metadata": map[string]any{"name": "checkout"}, "spec": map[string]any{},
		}}
		if diff := cmp.Diff(want, act(t, name, before).Object["spec"]); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", name, diff)
		}
	}
}

// act returns what an action makes of an object. Argo CD runs actions with closed
// libraries, wherever they come from.
func act(t *testing.T, name string, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	impacted, err := lua.VM{}.ExecuteResourceAction(object, read(t, scripts+"/actions/"+name+"/action.lua"), nil)
	must(t, err)
	if len(impacted) != 1 || impacted[0].K8SOperation != lua.PatchOperation {
		t.Fatalf("action %s: %+v, want one patch", name, impacted)
	}
	return impacted[0].UnstructuredObj
}

// withoutTime returns an object with the time of the fixtures instead of that at which a
// check was requested, which must be now.
func withoutTime(t *testing.T, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	const fixed = "2026-01-02T15:04:05Z"
	annotations := object.GetAnnotations()
	at, ok := annotations[requestedAt]
	if !ok || at == fixed {
		return object
	}
	if requested, err := time.Parse(time.RFC3339, at); err != nil || time.Since(requested).Abs() > time.Minute {
		t.Errorf("requested at %s (%v)", at, err)
	}
	annotations[requestedAt] = fixed
	object = object.DeepCopy()
	object.SetAnnotations(annotations)
	return object
}

// object reads an object from a file.
func object(t *testing.T, path string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(read(t, path)))
	must(t, err)
	u := &unstructured.Unstructured{}
	must(t, u.UnmarshalJSON(raw)) // whole numbers as int64, as the API server's
	return u
}

// fixtures lists testdata of dir, by path relative to dir, in order.
func fixtures(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(dir + "/testdata/*.yaml")
	must(t, err)
	if len(paths) == 0 {
		t.Fatalf("%s has no fixtures", dir)
	}
	for i := range paths {
		paths[i] = "testdata/" + filepath.Base(paths[i])
	}
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return string(content)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
