package scripts_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Argo CD's own tests of its resource_customizations pass with ours among them, and with
// config/argocd/upstream-test.patch, as a contribution to Argo CD would have them.
func TestUpstream_OwnTestsPass(t *testing.T) {
	module := strings.TrimSpace(run(t, ".", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/argoproj/argo-cd/v3"))
	work := t.TempDir()
	upstream := filepath.Join(work, "argo-cd")
	must(t, copySources(upstream, module))
	must(t, os.CopyFS(filepath.Join(upstream, "resource_customizations"), os.DirFS(customizations)))
	patch, err := filepath.Abs("../../../config/argocd/upstream-test.patch")
	must(t, err)
	run(t, upstream, "git", "apply", patch)

	must(t, os.WriteFile(filepath.Join(work, "go.mod"), []byte(read(t, "../go.mod")+"\nreplace github.com/argoproj/argo-cd/v3 => "+upstream+"\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(work, "go.sum"), []byte(read(t, "../go.sum")), 0o600))
	said := run(t, ".", "go", "test", "-modfile", filepath.Join(work, "go.mod"), "-count=1", "-v",
		"-run", "^TestLua(HealthScript|ResourceActionsScript)$", "github.com/argoproj/argo-cd/v3/util/lua")
	passed := len(regexp.MustCompile(`(?m)^    --- PASS: \S+/(iam\.podidentity\.io/PodIdentity/|actions/(reconcile|suspend|resume)/testdata/(ready|suspended)\.yaml)`).FindAllString(said, -1))
	if want := len(fixtures(t, scripts)) + 3; passed < want {
		t.Errorf("%d of %d tests of our scripts ran:\n%s", passed, want, said)
	}
}

// copySources copies what the tests of Argo CD need of its module, which is read-only.
func copySources(to, from string) error {
	return fs.WalkDir(os.DirFS(from), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "docs" || path == "ui" || path == "manifests" || path == "test"):
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		}
		content, err := os.ReadFile(filepath.Join(from, path))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), content, 0o600)
	})
}

// run runs a command in a directory, and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
