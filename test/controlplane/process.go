package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// errPortTaken reports that a process found its port taken by another.
var errPortTaken = errors.New("port taken")

// A Process is a running child.
type Process struct {
	name  string
	log   string
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
}

// A Program runs together with the control plane and ends with it.
type Program struct {
	Name string // of its log file, without .log
	Path string
	Args []string
	Env  []string // the whole of it; nil means that of this process
	// Ready reports that the program is ready; nil means immediately.
	Ready func(context.Context) error
}

// Run starts a program, and returns when it is ready. Its output goes to a log
// file in the directory of the control plane's; an error holds the end of it.
func (c *ControlPlane) Run(ctx context.Context, program Program) error {
	_, err := c.Launch(ctx, program)
	return err
}

// Launch is Run for a program that is to end before the control plane does. It is
// safe for concurrent use.
func (c *ControlPlane) Launch(ctx context.Context, program Program) (*Process, error) {
	cmd := exec.Command(program.Path, program.Args...) //nolint:noctx // it lives until Stop, not as long as a context
	cmd.Env = program.Env
	p, err := c.spawn(program.Name, cmd)
	if err != nil || program.Ready == nil {
		return p, err
	}
	return p, p.await(ctx, program.Ready)
}

// run starts a program of the assets.
func (c *ControlPlane) run(name string, args ...string) (*Process, error) {
	cmd := exec.Command(filepath.Join(c.AssetsDir, name), args...) //nolint:noctx // it lives until Stop, not as long as a context
	cmd.Dir = c.dir
	return c.spawn(name, cmd)
}

// spawn starts cmd as a child that ends with this process. Its output goes to a
// log file.
func (c *ControlPlane) spawn(name string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{name: name, log: filepath.Join(c.logs, name+".log"), cmd: cmd, ended: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer out.Close() //nolint:errcheck // the child has its own descriptor

	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = procAttr()

	started := make(chan error, 1)
	go func() {
		// The kernel ties the child to the thread that made it, not to the whole
		// process, so the thread is kept for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.procs = append(c.procs, p)
	return p, nil
}

// Kill kills the process (SIGKILL), and returns when it has ended.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only if it has ended
	<-p.ended
}

// Signal sends the process a signal that ends it, and returns when it has ended.
func (p *Process) Signal(signal os.Signal) {
	_ = p.cmd.Process.Signal(signal) // fails only if it has ended
	<-p.ended
}

// ExitError returns nil while the process runs; then an error that states how it ended,
// and holds the end of its log.
func (p *Process) ExitError() error {
	select {
	case <-p.ended:
		return p.failed(fmt.Errorf("ended with %s", p.cmd.ProcessState))
	default:
		return nil
	}
}

// Log returns the output of the process.
func (p *Process) Log() string {
	said, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(said)
}

// await calls ready until it returns nil. It gives up when ctx ends, or when the
// process does; the error then holds the end of its log.
func (p *Process) await(ctx context.Context, ready func(context.Context) error) error {
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		last := ask(ctx, ready)
		if last == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-p.ended:
			return p.failed(fmt.Errorf("ended with %s", p.cmd.ProcessState))
		case <-ctx.Done():
			return p.failed(fmt.Errorf("%w: %w", context.Cause(ctx), last))
		}
	}
}

// ask bounds one question, so that one lost answer does not take all the time.
func ask(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return ready(ctx)
}

// failed adds the last lines of the process's output.
func (p *Process) failed(err error) error {
	said := p.Log()
	if strings.Contains(said, "address already in use") {
		err = fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return fmt.Errorf("%s: %w; its log ends with:\n%s", p.name, err, tail(said, 15))
}

// tail returns the last n lines of text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
