package assets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkout makes a tree that holds a nested module of these files.
func checkout(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "hack", "controlplane")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// sources are the files of a nested module for Kubernetes 1.37.2.
func sources() map[string]string {
	return map[string]string{
		"go.mod":  "module m\n\nrequire (\n\tk8s.io/kubectl v0.37.2\n\tk8s.io/kubernetes v1.37.2\n)\n",
		"go.sum":  "sums",
		"main.go": "package main",
	}
}

func TestRecipe_NamesVersionsAndFlags(t *testing.T) {
	root := checkout(t, sources())

	r, err := NewRecipe(root, "/cache", "")
	if err != nil {
		t.Fatal(err)
	}

	if want := "1.37.2"; r.Version != want {
		t.Errorf("Version = %q, want %q", r.Version, want)
	}
	parent, base := filepath.Split(r.Dir)
	if parent != "/cache/podidentity-operator/" || !strings.HasPrefix(base, "k8s-1.37.2-") || len(base) != len("k8s-1.37.2-")+12 {
		t.Errorf("Dir = %q, want /cache/podidentity-operator/k8s-1.37.2-<12 hex digits>", r.Dir)
	}
	const want = "-X k8s.io/component-base/version.gitVersion=v1.37.2" +
		" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"
	if diff := cmp.Diff(want, r.ldflags()); diff != "" {
		t.Errorf("ldflags: -want, +got:\n%s", diff)
	}
}

func TestRecipe_ChangesWithItsSources(t *testing.T) {
	dirs := map[string]string{}
	for _, changed := range []string{"", "go.mod", "go.sum", "main.go"} {
		files := sources()
		if changed != "" {
			files[changed] += "\n// changed"
		}
		r, err := NewRecipe(checkout(t, files), "/cache", "")
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := dirs[r.Dir]; taken {
			t.Errorf("a change of %q gives the same directory as one of %q", changed, other)
		}
		dirs[r.Dir] = changed
	}
}

func TestRecipe_RejectsIncompleteModules(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(map[string]string)
		want   string
	}{
		"NoSums": {
			reason: "Without go.sum the sources are not verified.",
			change: func(files map[string]string) { delete(files, "go.sum") },
			want:   "go.sum",
		},
		"NoKubernetes": {
			reason: "The version is read from go.mod.",
			change: func(files map[string]string) { files["go.mod"] = "module m\n" },
			want:   "does not require k8s.io/kubernetes",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			files := sources()
			tc.change(files)
			_, err := NewRecipe(checkout(t, files), "/cache", "")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("NewRecipe(...): got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// A requested version is built; for an unknown one, the error lists the available ones.
func TestRecipe_OfAnotherVersionOnRequest(t *testing.T) {
	root := checkout(t, sources())
	for dir, version := range map[string]string{"1.32": "1.32.13", "1.33": "1.34.0"} {
		module := filepath.Join(root, "hack", "controlplane", dir)
		if err := os.Mkdir(module, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range sources() {
			content = strings.ReplaceAll(content, "v1.37.2", "v"+version)
			if err := os.WriteFile(filepath.Join(module, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for minor, want := range map[string]string{
		"":        "1.37.2",
		"1.37":    "1.37.2",
		"1.32":    "1.32.13",
		"1.33":    "requires k8s.io/kubernetes v1.34.0",
		"1.3":     "version 1.3 of Kubernetes cannot be built: there are v1.37.2, the default, and the modules in hack/controlplane/",
		"../1.32": "cannot be built",
	} {
		r, err := NewRecipe(root, "/cache", minor)
		if err == nil && r.Version != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("NewRecipe(..., %q) = %+v, %v, want %s", minor, r, err, want)
		}
	}
}

// The program is the same in all versions; only what it is made of differs.
func TestRecipe_IsOneProgramInAllVersions(t *testing.T) {
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(root, "hack", "controlplane")
	others, err := filepath.Glob(filepath.Join(module, "*", "main.go"))
	if err != nil || len(others) == 0 {
		t.Fatalf("modules of other versions: %v, %v", others, err)
	}
	want, err := os.ReadFile(filepath.Join(module, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range others {
		got, err := os.ReadFile(other)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs from hack/controlplane/main.go (%v)", other, err)
		}
		minor := filepath.Base(filepath.Dir(other))
		if r, err := NewRecipe(root, "/cache", minor); err != nil {
			t.Errorf("Kubernetes %s: %+v, %v", minor, r, err)
		}
	}
}

// A tool is built like the control plane, from the module that its recipe names.
func TestTools_HaveModules(t *testing.T) {
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	for name, tool := range tools {
		r, err := tool.recipe(root, "/cache")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if prefix := "/cache/podidentity-operator/" + name + "-" + r.Version + "-"; !strings.HasPrefix(r.Dir, prefix) {
			t.Errorf("%s: Dir = %q, want %s<hash>", name, r.Dir, prefix)
		}
		if len(r.Programs) == 0 || r.target() == "." != (name == "argocd") {
			t.Errorf("%s: programs %q of package %q", name, r.Programs, r.target())
		}
	}
}

func TestRoot_IsThatOfTheModule(t *testing.T) {
	root := checkout(t, sources())
	deep := filepath.Join(root, "test", "deep")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{root, deep, filepath.Join(root, "hack", "controlplane")} {
		if got, err := Root(dir); err != nil || got != root {
			t.Errorf("Root(%s) = %s, %v, want %s", dir, got, err, root)
		}
	}
	if got, err := Root(t.TempDir()); err == nil {
		t.Errorf("Root(elsewhere) = %s, want an error", got)
	}
}

// The API server of the tests must be of the version that the operator's
// libraries were made for, and sharing their compiled packages makes its build
// a quarter shorter.
func TestVersions_MatchTheOperators(t *testing.T) {
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRecipe(root, "/cache", "")
	if err != nil {
		t.Fatal(err)
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := "v0." + strings.TrimPrefix(r.Version, "1.")
	for _, module := range []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go"} {
		if got := required(string(gomod), module); got != want {
			t.Errorf("go.mod requires %s %s, want %s, as hack/controlplane/go.mod requires k8s.io/kubernetes v%s", module, got, want, r.Version)
		}
	}
}
