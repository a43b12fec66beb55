// Package assets finds the programs of a Kubernetes control plane, and builds
// them when they are not there yet.
//
// They come from the nested module hack/controlplane: one program from the Go
// module proxy, proven by go.sum, that acts as etcd, kube-apiserver,
// kube-controller-manager or kubectl according to the name it is called by. It
// is built once for each user into the cache directory, under a name that holds
// its version and a hash of its sources, and is shared by all checkouts.
//
// A module inside of it, such as hack/controlplane/1.32, is that of another version
// of Kubernetes, which is built for those who ask for it. Tools that are as big, such as
// Argo CD, are built in the same way, from modules of their own.
//
// The package needs nothing but the standard library, so that the build can
// start before any other module is downloaded.
package assets

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	source  = "hack/controlplane" // where the nested module is, below the root of the checkout
	project = "podidentity-operator"
	program = "program" // the file that the links of a recipe's programs point at
)

// Programs are the names that a directory of assets must hold.
func Programs() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}
}

// Recipe describes what is built, from which source, and into which directory.
type Recipe struct {
	Title    string   // what is built, such as Kubernetes v1.37.2 control plane
	Programs []string // names that the one program is called by
	Source   string   // directory of the nested module
	Version  string   // without the v, such as 1.37.2
	Dir      string   // directory that holds, or will hold, the programs
	Minutes  int      // that the build takes on 2 cores with an empty cache

	pkg   string // what is compiled: an import path, or empty for the module's own program
	stamp string // flags of the linker that set the version
}

// NewRecipe reads the recipe of the checkout at root for a minor version of
// Kubernetes, such as 1.32, or for the default one if minor is empty. Its directory
// lies below cache, which is the user's cache directory.
func NewRecipe(root, cache, minor string) (Recipe, error) {
	modules := filepath.Join(root, filepath.FromSlash(source))
	r, err := readRecipe(modules, cache)
	if err != nil || minor == "" || strings.HasPrefix(r.Version, minor+".") {
		return r, err
	}
	other, err := readRecipe(filepath.Join(modules, minor), cache)
	switch {
	case errors.Is(err, fs.ErrNotExist) || !filepath.IsLocal(minor):
		return Recipe{}, fmt.Errorf("version %s of Kubernetes cannot be built: there are v%s, the default, and the modules in %s/", minor, r.Version, source)
	case err != nil:
		return Recipe{}, err
	case !strings.HasPrefix(other.Version, minor+"."):
		return Recipe{}, fmt.Errorf("%s/%s/go.mod requires k8s.io/kubernetes v%s", source, minor, other.Version)
	}
	return other, nil
}

// readRecipe reads the recipe of a control plane in a directory.
func readRecipe(dir, cache string) (Recipe, error) {
	r, err := readModule(dir, "k8s.io/kubernetes", filepath.Join(cache, project, "k8s"))
	if err != nil {
		return Recipe{}, err
	}
	r.Title = "Kubernetes v" + r.Version + " control plane"
	r.Programs = Programs()
	r.Minutes = 13
	r.stamp = r.ldflags()
	return r, nil
}

// Built reports whether all programs are in place.
func (r Recipe) Built() bool { return len(missing(r.Dir, r.Programs)) == 0 }

// ldflags stamp the version into the program: without them the server calls
// itself v0.0.0-master, which version constraints reject.
func (r Recipe) ldflags() string {
	const pkg = "k8s.io/component-base/version."
	major, rest, _ := strings.Cut(r.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return fmt.Sprintf("-X %[1]sgitVersion=v%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s",
		pkg, r.Version, major, minor)
}

// Root returns the root of the checkout that dir lies in.
func Root(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the root of the checkout: %w", err)
	}
	for at := abs; ; at = filepath.Dir(at) {
		_, err := os.Stat(filepath.Join(at, filepath.FromSlash(source), "go.mod"))
		switch {
		case err == nil:
			return at, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("finding the root of the checkout: %w", err)
		case at == filepath.Dir(at):
			return "", fmt.Errorf("%s lies in no checkout of %s: none of its parents has %s/go.mod", abs, project, source)
		}
	}
}

// readModule reads a nested module that makes a program of a version of module. Its
// directory is called after a hash of its sources, too.
func readModule(dir, module, target string) (Recipe, error) {
	sources := []string{"go.sum", "go.mod"}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return Recipe{}, err
	}
	for _, file := range files {
		if name := filepath.Base(file); !strings.HasSuffix(name, "_test.go") {
			sources = append(sources, name)
		}
	}
	r := Recipe{Source: dir}
	hash := sha256.New()
	for _, name := range sources {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return Recipe{}, fmt.Errorf("reading the module to build: %w", err)
		}
		hash.Write(content)
		if name == "go.mod" {
			r.Version = strings.TrimPrefix(required(string(content), module), "v")
		}
	}
	if r.Version == "" {
		return Recipe{}, fmt.Errorf("%s/go.mod does not require %s", dir, module)
	}
	r.Dir = fmt.Sprintf("%s-%s-%.6x", target, r.Version, hash.Sum(nil))
	return r, nil
}

// required returns the version of module that the text of a go.mod file
// requires, or "".
func required(gomod, module string) string {
	for line := range strings.Lines(gomod) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) >= 2 && fields[0] == module {
			return fields[1]
		}
	}
	return ""
}

// missing returns which programs dir lacks: all of them if there is no such
// directory.
func missing(dir string, programs []string) []string {
	var names []string
	for _, name := range programs {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			names = append(names, name)
		}
	}
	return names
}
