package assets

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tiny is a nested module that builds in a moment: it stands for the control
// plane.
func tiny() map[string]string {
	return map[string]string{
		"go.mod": "module m\n\ngo 1.26.0\n",
		"go.sum": "",
		"main.go": `package main

func main() { println("hello") }
`,
	}
}

func TestBuild_InstallsTheBinaries(t *testing.T) {
	root := checkout(t, tiny())
	cache := t.TempDir()
	r := Recipe{
		Title:    "Kubernetes",
		Programs: Programs(),
		Source:   filepath.Join(root, "hack", "controlplane"),
		Version:  "1.37.2",
		Dir:      filepath.Join(cache, "k8s-1.37.2-0"),
	}
	killed := programs(t, r.Dir+".tmp-1", "controlplane")
	out := &display{w: os.Stderr, period: time.Hour}

	if err := r.build(t.Context(), out); err != nil {
		t.Fatal(err)
	}

	if !r.Built() {
		t.Errorf("missing: %v", missing(r.Dir, r.Programs))
	}
	said, err := exec.CommandContext(t.Context(), filepath.Join(r.Dir, "kubectl")).CombinedOutput()
	if err != nil || string(said) != "hello\n" {
		t.Errorf("kubectl: %q, %v", said, err)
	}
	if _, err := os.Stat(killed); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a killed build left: %v, want it gone", err)
	}
	if diff := cmp.Diff([]string{"k8s-1.37.2-0"}, names(t, cache)); diff != "" {
		t.Errorf("cache directory: -want, +got:\n%s", diff)
	}
}

// A build that fails states why, and leaves nothing that looks like a result.
func TestBuild_FailureLeavesNoResult(t *testing.T) {
	files := tiny()
	files["main.go"] = "package main\n\nfunc main() { undefined() }\n"
	root := checkout(t, files)
	cache := t.TempDir()
	r := Recipe{Source: filepath.Join(root, "hack", "controlplane"), Version: "1.37.2", Dir: filepath.Join(cache, "k8s")}

	err := r.build(t.Context(), &display{w: os.Stderr, period: time.Hour})

	if err == nil || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("build(...) = %v, want the compiler's message", err)
	}
	if diff := cmp.Diff([]string(nil), names(t, cache)); diff != "" {
		t.Errorf("cache directory: -want, +got:\n%s", diff)
	}
}

// Of two that want to build, one waits, and says for whom.
func TestLock_SecondBuildWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var said strings.Builder
	out := &display{w: &said, period: time.Hour}
	unlock, err := lock(t.Context(), path, out)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("given up"))
	if _, err := lock(ctx, path, out); err == nil || !strings.Contains(err.Error(), "given up") {
		t.Errorf("second lock: got %v, want it to wait until given up", err)
	}
	if !strings.Contains(said.String(), "waiting for process") {
		t.Errorf("while waiting: %q", said.String())
	}

	unlock()
	again, err := lock(t.Context(), path, out)
	if err != nil {
		t.Fatalf("lock after unlock: %v", err)
	}
	again()
}

// A compiler that does not work is noticed before the build, which then does
// without.
func TestToolchain_WithoutCCompiler(t *testing.T) {
	t.Setenv("CGO_ENABLED", "1")
	t.Setenv("CC", "no-such-compiler")
	g, note, err := newToolchain(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(note, "no-such-compiler") {
		t.Errorf("note = %q, want it to name the compiler", note)
	}
	if got := g.env[len(g.env)-1]; got != "CGO_ENABLED=0" {
		t.Errorf("environment ends with %q, want CGO_ENABLED=0", got)
	}
}

func TestToolchain_WithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, _, err := newToolchain(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "not in PATH") {
		t.Errorf("newToolchain(...): got %v, want it to say that go is missing", err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
