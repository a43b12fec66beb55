package assets

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Ensure returns the directory of the control plane's programs, as Locate does, or
// those of a minor version of Kubernetes, such as 1.32, or of a tool, such as argocd, if
// name is not empty; it builds them first when they are not there. It reports its
// progress to log. Any number of processes may call it at the same time: one builds, the
// others wait for it, and none ever sees a half-made directory.
func Ensure(ctx context.Context, log *os.File, name string) (string, error) {
	if dir := os.Getenv(Env); dir != "" && name == "" {
		return given(dir)
	}
	r, err := recipe(name)
	if err != nil {
		return "", err
	}
	return r.ensure(ctx, log)
}

func (r Recipe) ensure(ctx context.Context, log *os.File) (string, error) {
	if r.Built() {
		return r.Dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(r.Dir), 0o755); err != nil {
		return "", fmt.Errorf("making the cache directory: %w", err)
	}
	out := newDisplay(log)
	unlock, err := lock(ctx, r.Dir+".lock", out)
	if err != nil {
		return "", err
	}
	defer unlock()
	if r.Built() { // by the process that we waited for
		return r.Dir, nil
	}
	if err := r.build(ctx, out); err != nil {
		return "", fmt.Errorf("building the %s: %w", r.Title, err)
	}
	return r.Dir, nil
}

// build makes r.Dir in one step, from a temporary directory in the same place. The
// caller holds the lock.
func (r Recipe) build(ctx context.Context, out *display) error {
	began := time.Now()
	out.linef("%s (%s): not built yet on this machine.", r.Title, strings.Join(r.Programs, ", "))
	out.linef("Building it once into %s", r.Dir)
	out.linef("This takes about %d minutes on 2 cores the first time, and seconds after that.", r.Minutes)

	g, note, err := newToolchain(ctx, r.Source)
	if err != nil {
		return err
	}
	if note != "" {
		out.linef("%s", note)
	}
	todo, err := r.list(ctx, g, out)
	if err != nil {
		return err
	}

	tmp, err := r.tempDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // what is left over is removed by the next build
	if err := r.compile(ctx, g, todo, filepath.Join(tmp, program), out); err != nil {
		return err
	}
	for _, name := range r.Programs {
		if err := os.Symlink(program, filepath.Join(tmp, name)); err != nil {
			return err
		}
	}
	// The directory is incomplete, or the build would not have been started.
	if err := os.RemoveAll(r.Dir); err != nil {
		return err
	}
	if err := os.Rename(tmp, r.Dir); err != nil {
		return err
	}
	out.linef("%s built in %s.", r.Title, time.Since(began).Round(time.Second))
	return nil
}

// tempDir makes the directory to build in, and removes those of builds that
// were killed.
func (r Recipe) tempDir() (string, error) {
	parent, base := filepath.Split(r.Dir)
	pattern := base + ".tmp-*"
	old, err := filepath.Glob(filepath.Join(parent, pattern))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
	}
	tmp, err := os.MkdirTemp(parent, pattern)
	if err != nil {
		return "", err
	}
	// MkdirTemp makes it for the owner alone, but caches may be shared.
	return tmp, os.Chmod(tmp, 0o755)
}

// list downloads the modules and returns the packages that are still to be
// compiled.
func (r Recipe) list(ctx context.Context, g toolchain, out *display) (*worklist, error) {
	var downloads downloads
	if gomod, err := os.ReadFile(filepath.Join(r.Source, "go.mod")); err == nil {
		downloads.total = strings.Count(string(gomod), " v")
	}
	var stdout strings.Builder
	cmd := g.command(ctx, "list", "-deps", "-json="+packageFields, r.target())
	cmd.Stdout = &stdout
	err := watch(cmd, out.period, downloads.line, func() { out.status(downloads.status()) })
	out.clear()
	if err != nil {
		return nil, fmt.Errorf("downloading modules: %w%s", err, indented(downloads.rest))
	}
	return newWorklist(strings.NewReader(stdout.String()))
}

// target is the package that is compiled.
func (r Recipe) target() string {
	if r.pkg == "" {
		return "."
	}
	return r.pkg
}

// compile builds the program into file.
func (r Recipe) compile(ctx context.Context, g toolchain, todo *worklist, file string, out *display) error {
	p := newProgress(todo, time.Now())
	out.linef("%s", p.opening())
	// No -trimpath, and the default CGO_ENABLED: both are part of the keys of
	// Go's build cache, and the operator's own build shares what it can.
	cmd := g.command(ctx, "build", "-v", "-ldflags", "-s -w "+r.stamp, "-o", file, r.target())
	err := watch(cmd, out.period, p.line, func() { out.status(p.status(time.Now())) })
	out.clear()
	if err != nil {
		return fmt.Errorf("go build: %w%s", err, indented(p.rest))
	}
	return nil
}

// indented renders the output of a command, to be appended to an error.
func indented(lines []string) string {
	const most = 40
	var b strings.Builder
	for _, line := range lines[max(0, len(lines)-most):] {
		b.WriteString("\n\t" + line)
	}
	return b.String()
}
