package assets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programs makes a directory of empty programs.
func programs(t *testing.T, dir string, names ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLocate_GivenDirectory(t *testing.T) {
	cases := map[string]struct {
		reason string
		names  []string
		want   []string // parts of the error; none: no error
	}{
		"Complete": {
			reason: "The user's choice has precedence.",
			names:  Programs(),
		},
		"FromSetupEnvtest": {
			reason: "The error explains the most likely mistake.",
			names:  []string{"etcd", "kube-apiserver", "kubectl"},
			want:   []string{"KUBEBUILDER_ASSETS=", "has no kube-controller-manager:", "setup-envtest", "unset KUBEBUILDER_ASSETS"},
		},
		"Empty": {
			reason: "All missing files are named together.",
			want:   []string{"no etcd, no kube-apiserver, no kube-controller-manager, no kubectl", "unset KUBEBUILDER_ASSETS"},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			dir := programs(t, t.TempDir(), tc.names...)
			t.Setenv(Env, dir)
			got, err := Locate()
			if len(tc.want) == 0 && (err != nil || got != dir) {
				t.Errorf("Locate() = %s, %v, want %s", got, err, dir)
			}
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Locate(): got %v, want an error with %q", err, want)
				}
			}
		})
	}
}

// A relative directory means the same from wherever it is used later.
func TestLocate_GivenRelativeDirectory(t *testing.T) {
	dir := programs(t, t.TempDir(), Programs()...)
	t.Chdir(filepath.Dir(dir))
	t.Setenv(Env, filepath.Base(dir))
	if got, err := Locate(); err != nil || got != dir {
		t.Errorf("Locate() = %s, %v, want %s", got, err, dir)
	}
}

func TestLocate_BuiltEarlier(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("HOME", cache)
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv(Env, "")
	t.Chdir(checkout(t, sources()))

	if dir, err := Locate(); err == nil || !strings.Contains(err.Error(), "go run ./hack/assets") {
		t.Errorf("Locate() before the build = %s, %v, want an error that says what to run", dir, err)
	}

	r, err := recipe("")
	if err != nil {
		t.Fatal(err)
	}
	programs(t, r.Dir, Programs()...)
	if got, err := Locate(); err != nil || got != r.Dir {
		t.Errorf("Locate() after the build = %s, %v, want %s", got, err, r.Dir)
	}
}
