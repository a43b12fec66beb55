package assets

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A toolchain runs the go command in a directory.
type toolchain struct {
	dir string
	env []string
}

// newToolchain looks for what the build needs before it starts. Its note, if
// any, is for the user to read.
//
// A C compiler is wanted, not needed: with one, the build shares packages with
// the tests, which need it for the race detector; without one, or with one that
// lacks the C library's headers, the same program is built in pure Go.
func newToolchain(ctx context.Context, dir string) (g toolchain, note string, err error) {
	g = toolchain{dir: dir, env: append(os.Environ(), "GOWORK=off")}
	out, err := g.command(ctx, "env", "-json", "CGO_ENABLED", "CC").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return toolchain{}, "", fmt.Errorf("the go command is not in PATH: %w", err)
	}
	if err != nil {
		return toolchain{}, "", fmt.Errorf("go env: %w", err)
	}
	var env struct {
		Enabled  string `json:"CGO_ENABLED"`
		Compiler string `json:"CC"`
	}
	if err := json.Unmarshal(out, &env); err != nil {
		return toolchain{}, "", fmt.Errorf("go env: %w", err)
	}
	if env.Enabled == "0" {
		return g, "", nil
	}
	if err := compiles(ctx, env.Compiler); err != nil {
		g.env = append(g.env, "CGO_ENABLED=0")
		note = fmt.Sprintf("No working C compiler (%v): building without cgo. `make test` will need one, with the C library's headers.", err)
	}
	return g, note, nil
}

// compiles returns the reason why the C compiler cannot be used for cgo, or nil.
func compiles(ctx context.Context, compiler string) error {
	fields := strings.Fields(compiler)
	if len(fields) == 0 {
		return errors.New("CC is empty")
	}
	args := append(fields[1:], "-E", "-x", "c", "-o", os.DevNull, "-")
	cmd := exec.CommandContext(ctx, fields[0], args...)
	cmd.Stdin = strings.NewReader("#include <stdlib.h>\n#include <pthread.h>\n")
	said, err := cmd.CombinedOutput()
	if first, _, _ := strings.Cut(string(said), "\n"); err != nil && first != "" {
		return fmt.Errorf("%w: %s", err, first)
	}
	return err
}

// command returns a go command that is interrupted, not killed, when ctx ends:
// go then takes its compilers along.
func (g toolchain) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = g.dir, g.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// watch runs cmd. It hands each line of its standard error to line, and calls
// tick once in each period.
func watch(cmd *exec.Cmd, period time.Duration, line func(string), tick func()) error {
	pr, pw := io.Pipe()
	cmd.Stderr = pw
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		pw.CloseWithError(err) // the scanner sees the end after the last line
		ended <- err
	}()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(pr); s.Scan(); {
			lines <- s.Text()
		}
		_, _ = io.Copy(io.Discard, pr) // after an overlong line, do not block the command
	}()

	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case text, more := <-lines:
			if !more {
				return <-ended
			}
			line(text)
		case <-ticker.C:
			tick()
		}
	}
}
