package gitops_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// published is the address of the repository in the examples.
const published = "https://git.example.com/platform.git"

// A repository is a local Git repository that holds config/ of this one, and that the
// examples refer to.
type repository struct {
	*env
	dir string
}

// newRepository makes it, with one commit.
func (e *env) newRepository() *repository {
	e.Helper()
	r := &repository{env: e, dir: filepath.Join(e.dir, "platform.git")}
	e.Must(os.CopyFS(filepath.Join(r.dir, "config"), os.DirFS(filepath.Join(e.Root, "config"))))
	e.Must(filepath.WalkDir(r.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(content), published, r.url())), 0o600)
	}))
	r.git("init", "--quiet", "--initial-branch=main")
	r.commit("The examples as they are")
	return r
}

func (r *repository) in(e *env) *repository { return &repository{env: e, dir: r.dir} }

func (r *repository) url() string { return "file://" + r.dir }

// read returns a file of the repository.
func (r *repository) read(path string) string {
	r.Helper()
	content, err := os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(path)))
	r.Must(err)
	return string(content)
}

// write writes a file, without a commit.
func (r *repository) write(path, content string) {
	r.Helper()
	file := filepath.Join(r.dir, filepath.FromSlash(path))
	r.Must(os.MkdirAll(filepath.Dir(file), 0o755))
	r.Must(os.WriteFile(file, []byte(content), 0o600))
}

// remove removes a file or a directory, without a commit.
func (r *repository) remove(path string) {
	r.Helper()
	r.Must(os.RemoveAll(filepath.Join(r.dir, filepath.FromSlash(path))))
}

// commit commits all changes, and returns the commit's hash.
func (r *repository) commit(message string) string {
	r.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--message="+message)
	return strings.TrimSpace(r.git("rev-parse", "HEAD"))
}

func (r *repository) git(args ...string) string {
	r.Helper()
	cmd := exec.CommandContext(r.Context(), "git", append([]string{"-c", "user.name=jane", "-c", "user.email=jane@example.com"}, args...)...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
