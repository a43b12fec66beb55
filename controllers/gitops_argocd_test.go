package controllers_test

import (
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

const (
	argoDir        = "../config/argocd"
	customizations = argoDir + "/resource_customizations/iam.podidentity.io/PodIdentity"
)

// argoStatus is what Argo CD's scripts say of an object's health.
type argoStatus struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// healthTests is the content of health_test.yaml
// (https://argo-cd.readthedocs.io/en/stable/operator-manual/health/#way-2-contribute-a-custom-health-check).
type healthTests struct {
	Tests []healthTest `json:"tests"`
}

type healthTest struct {
	HealthStatus argoStatus `json:"healthStatus"`
	InputPath    string     `json:"inputPath"`
}

// actionTests is the content of action_test.yaml.
type actionTests struct {
	DiscoveryTests []struct {
		InputPath string       `json:"inputPath"`
		Result    []argoAction `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

type argoAction struct {
	Name     string `json:"name"`
	Disabled bool   `json:"disabled"`
}

// argoHealth judges an object as Argo CD does: whatever is being deleted is
// Progressing, and only of the rest it asks the script. With closed and with open
// libraries the script must say the same.
func argoHealth(t *testing.T, u *unstructured.Unstructured) argoStatus {
	t.Helper()
	if u.GetDeletionTimestamp() != nil {
		return argoStatus{Status: "Progressing", Message: "Pending deletion"}
	}
	script := string(readFile(t, customizations+"/health.lua"))
	var said []argoStatus
	for _, libraries := range allLibraries {
		result, ok := runLua(t, libraries, script, u).(map[string]any)
		if !ok || len(result) != 2 {
			t.Fatalf("health.lua returned %v", result)
		}
		said = append(said, argoStatus{Status: result["status"].(string), Message: result["message"].(string)})
	}
	if diff := cmp.Diff(said[0], said[1]); diff != "" {
		t.Errorf("health.lua: -with closed, +with open libraries:\n%s", diff)
	}
	return said[0]
}

// Every health.lua does what the health_test.yaml in its directory says, judged as Argo
// CD's own tests do; and no fixture is left that nothing writes or reads.
func TestGitOps_HealthScriptsGiveTheirResults(t *testing.T) {
	t.Parallel()
	visited := 0
	err := fs.WalkDir(argoFS(), ".", func(p string, _ fs.DirEntry, err error) error {
		if err != nil || path.Base(p) != "health.lua" {
			return err
		}
		visited++
		dir := filepath.Join(argoDir, path.Dir(p))
		var file healthTests
		parse(t, filepath.Join(dir, "health_test.yaml"), &file)
		inputs := map[string]bool{}
		for _, test := range file.Tests {
			inputs[test.InputPath] = true
			if diff := cmp.Diff(test.HealthStatus, argoHealth(t, fixture(t, filepath.Join(dir, test.InputPath)))); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", test.InputPath, diff)
			}
		}
		if diff := cmp.Diff(fixtures(t, dir), slices.Sorted(maps.Keys(inputs))); diff != "" {
			t.Errorf("inputs of health_test.yaml: -in testdata, +read:\n%s", diff)
		}
		return nil
	})
	if err != nil || visited != 1 {
		t.Errorf("%d scripts were found: %v", visited, err)
	}
	if got := len(fixtures(t, customizations)); got != scripted() {
		t.Errorf("testdata holds %d fixtures of %d outcomes", got, scripted())
	}
}

// Every action does what the action_test.yaml in its directory says.
func TestGitOps_ActionScriptsGiveTheirResults(t *testing.T) {
	t.Parallel()
	dir := customizations + "/actions"
	var file actionTests
	parse(t, dir+"/action_test.yaml", &file)
	for _, test := range file.DiscoveryTests {
		byName := func(a, b argoAction) int { return strings.Compare(a.Name, b.Name) }
		slices.SortFunc(test.Result, byName)
		if diff := cmp.Diff(test.Result, discoverActions(t, fixture(t, filepath.Join(dir, test.InputPath)))); diff != "" {
			t.Errorf("discovery of %s: -want, +got:\n%s", test.InputPath, diff)
		}
	}
	tested := map[string]bool{}
	for _, test := range file.ActionTests {
		tested[test.Action] = true
		got := runAction(t, test.Action, fixture(t, filepath.Join(dir, test.InputPath)))
		want := fixture(t, filepath.Join(dir, test.ExpectedOutputPath))
		if diff := cmp.Diff(want.Object, withoutTime(t, got).Object); diff != "" {
			t.Errorf("%s of %s: -want, +got:\n%s", test.Action, test.InputPath, diff)
		}
	}
	if diff := cmp.Diff([]string{"reconcile", "resume", "suspend"}, slices.Sorted(maps.Keys(tested))); diff != "" {
		t.Errorf("actions: -want, +tested:\n%s", diff)
	}
}

// discoverActions returns the actions that Argo CD offers, by name.
func discoverActions(t *testing.T, u *unstructured.Unstructured) []argoAction {
	t.Helper()
	script := string(readFile(t, customizations+"/actions/discovery.lua"))
	found := runLua(t, closedLibraries, script, u).(map[string]any)
	var actions []argoAction
	for _, name := range slices.Sorted(maps.Keys(found)) {
		actions = append(actions, argoAction{Name: name, Disabled: found[name].(map[string]any)["disabled"] == true})
	}
	return actions
}

// runAction returns what an action makes of an object. Argo CD runs actions with
// closed libraries, wherever they come from.
func runAction(t *testing.T, name string, u *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	script := string(readFile(t, customizations+"/actions/"+name+"/action.lua"))
	before := u.DeepCopy().Object
	after, ok := mended(runLua(t, closedLibraries, script, u), before).(map[string]any)
	if !ok {
		t.Fatalf("action %s returned %v", name, after)
	}
	return &unstructured.Unstructured{Object: after}
}

// aTime stands in fixtures for when an action was run.
const aTime = "2026-01-02T15:04:05Z"

// withoutTime returns u with aTime instead of the time at which it was requested
// to be looked at, which must be now.
func withoutTime(t *testing.T, u *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	annotations := u.GetAnnotations()
	at, ok := annotations[v1alpha1.RequestedAtAnnotation]
	if !ok || at == aTime {
		return u
	}
	if requested, err := time.Parse(time.RFC3339, at); err != nil || time.Since(requested).Abs() > time.Minute {
		t.Errorf("requested at %s (%v)", at, err)
	}
	annotations[v1alpha1.RequestedAtAnnotation] = aTime
	u = u.DeepCopy()
	u.SetAnnotations(annotations)
	return u
}

// The ConfigMap that installs the scripts holds what was tested.
func TestGitOps_ConfigMapHasTheTestedScripts(t *testing.T) {
	t.Parallel()
	type action struct {
		Name   string `json:"name"`
		Script string `json:"action.lua"`
	}
	read := func(p string) string { return string(readFile(t, customizations+"/"+p)) }
	var actions struct {
		Discovery   string   `json:"discovery.lua"`
		Definitions []action `json:"definitions"`
	}
	actions.Discovery = read("actions/discovery.lua")
	for _, a := range discoverActions(t, fixture(t, customizations+"/actions/testdata/ready.yaml")) {
		actions.Definitions = append(actions.Definitions, action{a.Name, read("actions/" + a.Name + "/action.lua")})
	}
	key := func(kind string) string { return "resource.customizations." + kind + ".iam.podidentity.io_PodIdentity" }
	golden(t, argoDir+"/argocd-cm-patch.yaml", toYAML(t, map[string]any{"data": map[string]string{
		key("health"): read("health.lua"), key("actions"): toYAML(t, actions),
	}}))
}

func parse(t *testing.T, file string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(readFile(t, file), into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
