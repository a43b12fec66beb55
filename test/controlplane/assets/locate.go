package assets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Env is the environment variable that names the directory to use, as it does
// for every user of envtest. When it is set, nothing is ever built.
const Env = "KUBEBUILDER_ASSETS"

// Locate returns the directory of the control plane's programs: the one that
// KUBEBUILDER_ASSETS names, or else the one that an earlier Ensure built. It
// builds nothing; its error names the command to run.
func Locate() (string, error) {
	if dir := os.Getenv(Env); dir != "" {
		return given(dir)
	}
	r, err := recipe("")
	if err != nil {
		return "", err
	}
	if !r.Built() {
		return "", fmt.Errorf("the Kubernetes v%s control plane is not built yet: run `make test`, or run `go run ./hack/assets` once before the tests", r.Version)
	}
	return r.Dir, nil
}

// recipe returns the recipe, for a minor version of Kubernetes, the default one or a
// tool, of the checkout that the working directory lies in.
func recipe(name string) (Recipe, error) {
	root, err := Root(".")
	if err != nil {
		return Recipe{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Recipe{}, fmt.Errorf("finding the cache directory to build the control plane into: %w", err)
	}
	if t, ok := tools[name]; ok {
		return t.recipe(root, cache)
	}
	return NewRecipe(root, cache, name)
}

// given checks a directory that the user chose, and returns its absolute path.
func given(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("%s=%s: %w", Env, dir, err)
	}
	lacks := missing(abs, Programs())
	if len(lacks) == 0 {
		return abs, nil
	}
	hint := fmt.Sprintf("unset %s, and the project builds its own control plane once", Env)
	if len(lacks) == 1 && lacks[0] == "kube-controller-manager" {
		hint = "setup-envtest's directories have none; add the one of the same Kubernetes version, or " + hint
	}
	return "", fmt.Errorf("%s=%s has no %s: %s", Env, dir, strings.Join(lacks, ", no "), hint)
}
