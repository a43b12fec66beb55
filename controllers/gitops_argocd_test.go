package controllers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The scripts are run by Argo CD's own code in hack/argocd/scripts, on the fixtures that
// the tests here write.
const (
	argoDir        = "../config/argocd"
	customizations = argoDir + "/resource_customizations/iam.podidentity.io/PodIdentity"
)

// aTime stands in fixtures for when an action was run.
const aTime = "2026-01-02T15:04:05Z"

// actions returns the names of Argo CD's actions, in order.
func actions(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(customizations + "/actions")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && entry.Name() != "testdata" {
			names = append(names, entry.Name())
		}
	}
	return names
}

// The ConfigMap that installs the scripts holds what was tested.
func TestGitOps_ConfigMapHasTestedScripts(t *testing.T) {
	t.Parallel()
	type action struct {
		Name   string `json:"name"`
		Script string `json:"action.lua"`
	}
	read := func(p string) string { return string(readFile(t, customizations+"/"+p)) }
	var all struct {
		Discovery   string   `json:"discovery.lua"`
		Definitions []action `json:"definitions"`
	}
	all.Discovery = read("actions/discovery.lua")
	for _, name := range actions(t) {
		all.Definitions = append(all.Definitions, action{name, read("actions/" + name + "/action.lua")})
	}
	key := func(kind string) string { return "resource.customizations." + kind + ".iam.podidentity.io_PodIdentity" }
	golden(t, argoDir+"/argocd-cm-patch.yaml", toYAML(t, map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": "argocd-cm", "namespace": "argocd", "labels": map[string]string{"app.kubernetes.io/part-of": "argocd"},
		},
		"data": map[string]string{key("health"): read("health.lua"), key("actions"): toYAML(t, all)},
	}))
}

// No fixture is left that no outcome writes.
func TestGitOps_EveryFixtureIsAnOutcome(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(customizations + "/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for name, o := range outcomes {
		if path := o.fixture(name); path != "" {
			readFile(t, path)
			written++
		}
	}
	if len(paths) != written {
		t.Errorf("testdata holds %d fixtures of %d outcomes: %s", len(paths), written, strings.Join(paths, "\n"))
	}
}
