package assets

import (
	"fmt"
	"path/filepath"
)

// A tool is a program for tests that takes minutes to build, like the control plane.
type tool struct {
	title    string
	module   string // whose version is the tool's
	source   string // directory of the nested module, below the root of the checkout
	pkg      string // what is compiled, as in Recipe
	programs []string
	minutes  int
}

// tools are what Ensure builds in addition to control planes, by name.
var tools = map[string]tool{
	"argocd": {
		title: "Argo CD", module: "github.com/argoproj/argo-cd/v3", source: "hack/argocd", minutes: 9,
		programs: []string{
			"argocd-application-controller", "argocd-applicationset-controller", "argocd-repo-server", "argocd-server", "kustomize", "redis-server",
		},
	},
	"flux": {
		title: "Flux's kustomize-controller", module: "github.com/fluxcd/kustomize-controller", source: "hack/flux", minutes: 5,
		pkg: "github.com/fluxcd/kustomize-controller", programs: []string{"kustomize-controller"},
	},
}

// recipe reads the tool's recipe of the checkout at root.
func (t tool) recipe(root, cache string) (Recipe, error) {
	source := filepath.Join(root, filepath.FromSlash(t.source))
	r, err := readModule(source, t.module, filepath.Join(cache, project, filepath.Base(source)))
	if err != nil {
		return Recipe{}, err
	}
	r.Title = fmt.Sprintf("%s v%s", t.title, r.Version)
	r.Programs, r.Minutes, r.pkg = t.programs, t.minutes, t.pkg
	return r, nil
}
