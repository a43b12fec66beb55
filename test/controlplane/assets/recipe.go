// Package assets finds the programs of a Kubernetes control plane, and builds
// them when they are not there yet.
//
// They come from the nested module hack/controlplane: one program from the Go
// module proxy, proven by go.sum, that acts as etcd, kube-apiserver,
// kube-controller-manager or kubectl according to the name it is called by. It
// is built once for each user into the cache directory, under a name that holds
// its version and a hash of its sources, and is shared by all checkouts.
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
	program = "controlplane" // the file that the links of Programs point at
)

// Programs are the names that a directory of assets must hold.
func Programs() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}
}

// Recipe says what is built, from where, and where to.
type Recipe struct {
	Source  string // directory of the nested module
	Version string // Kubernetes version without the v, such as 1.37.2
	Dir     string // directory that holds, or will hold, the programs
}

// NewRecipe reads the recipe of the checkout at root. Its directory lies below
// cache, which is the user's cache directory.
func NewRecipe(root, cache string) (Recipe, error) {
	r := Recipe{Source: filepath.Join(root, filepath.FromSlash(source))}
	hash := sha256.New()
	for _, name := range []string{"go.sum", "go.mod", "main.go"} {
		content, err := os.ReadFile(filepath.Join(r.Source, name))
		if err != nil {
			return Recipe{}, fmt.Errorf("reading the control plane's module: %w", err)
		}
		hash.Write(content)
		if name == "go.mod" {
			r.Version = strings.TrimPrefix(required(string(content), "k8s.io/kubernetes"), "v")
		}
	}
	if r.Version == "" {
		return Recipe{}, fmt.Errorf("%s/go.mod does not require k8s.io/kubernetes", source)
	}
	r.Dir = filepath.Join(cache, project, fmt.Sprintf("k8s-%s-%.6x", r.Version, hash.Sum(nil)))
	return r, nil
}

// Built tells whether all programs are in place.
func (r Recipe) Built() bool { return len(missing(r.Dir)) == 0 }

// ldflags stamp the version into the program: without them the server calls
// itself v0.0.0-master, which version constraints refuse.
func (r Recipe) ldflags() string {
	const pkg = "k8s.io/component-base/version."
	major, rest, _ := strings.Cut(r.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return fmt.Sprintf("-s -w -X %[1]sgitVersion=v%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s",
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
func missing(dir string) []string {
	var names []string
	for _, name := range Programs() {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			names = append(names, name)
		}
	}
	return names
}
