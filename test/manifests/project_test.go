package manifests_test

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// project is the part of kubebuilder's PROJECT file that names other files.
type project struct {
	Repo      string `json:"repo"`
	Version   string `json:"version"`
	Resources []struct {
		Controller bool   `json:"controller"`
		Domain     string `json:"domain"`
		Group      string `json:"group"`
		Kind       string `json:"kind"`
		Path       string `json:"path"`
		Version    string `json:"version"`
		API        struct {
			CRDVersion string `json:"crdVersion"`
			Namespaced bool   `json:"namespaced"`
		} `json:"api"`
	} `json:"resources"`
}

// PROJECT tells kubebuilder what there is; this test, that it tells the truth.
func TestProject_ListsWhatExists(t *testing.T) {
	var p project
	if err := yaml.Unmarshal(read(t, "PROJECT"), &p); err != nil {
		t.Fatal(err)
	}
	if p.Version != "3" {
		t.Errorf("version of the format is %q, want 3", p.Version)
	}
	if want := "module " + p.Repo + "\n"; !strings.HasPrefix(string(read(t, "go.mod")), want) {
		t.Errorf("repo is %s, which is not the module of go.mod", p.Repo)
	}
	kinds := map[string]bool{}
	for _, r := range p.Resources {
		kinds[r.Kind] = true
		dir := strings.TrimPrefix(r.Path, p.Repo+"/")
		if want := "api/" + r.Version; dir != want {
			t.Errorf("%s: path ends with %s, want %s", r.Kind, dir, want)
		}
		contains(t, path.Join(dir, strings.ToLower(r.Kind)+"_types.go"), "type "+r.Kind+" struct")
		contains(t, path.Join(dir, "groupversion_info.go"), r.Group+"."+r.Domain)
		if r.Controller {
			contains(t, path.Join("controllers", strings.ToLower(r.Kind)+"_controller.go"), "Reconciler")
		}
		scope := map[bool]string{true: "Namespaced", false: "Cluster"}[r.API.Namespaced]
		crd := string(read(t, path.Join("config/crd/bases", r.Group+"."+r.Domain+"_"+plural(r.Kind)+".yaml")))
		for _, want := range []string{
			"apiVersion: apiextensions.k8s.io/" + r.API.CRDVersion + "\n",
			"    kind: " + r.Kind + "\n",
			"  scope: " + scope + "\n",
			"    name: " + r.Version + "\n",
		} {
			if !strings.Contains(crd, want) {
				t.Errorf("%s: its CustomResourceDefinition has no %q", r.Kind, want)
			}
		}
	}
	bases, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	if err != nil || len(bases) != len(kinds) {
		t.Errorf("config/crd/bases holds %d definitions, %v; PROJECT names %d kinds", len(bases), err, len(kinds))
	}
}

func plural(kind string) string {
	lower := strings.ToLower(kind)
	if stem, ok := strings.CutSuffix(lower, "y"); ok {
		return stem + "ies"
	}
	return lower + "s"
}

func contains(t *testing.T, name, want string) {
	t.Helper()
	if !strings.Contains(string(read(t, name)), want) {
		t.Errorf("%s has no %q", name, want)
	}
}

// read returns a file of the repository; a file that is not there holds nothing.
func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Error(err)
	}
	return content
}
