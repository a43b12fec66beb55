// Command demo takes a PodIdentity from YAML to an AWS identity that works, on
// real parts: etcd, kube-apiserver, kube-controller-manager, the operator's own
// binary, and the project's AWS endpoint. It prints each step and its AWS calls, and then
// keeps running until the user stops it. Run it with `make demo`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// asPod is the argument that makes this program act as a workload.
const asPod = "as-pod"

// errInterrupted means that the user stopped the demo before its end.
var errInterrupted = errors.New("interrupted; all processes stopped and files removed")

func main() {
	// A terminal sends SIGHUP when it is closed.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == asPod {
		exit(callAsPod(ctx, os.Stdout))
	}
	once, err := parse(os.Args[1:], os.Getenv)
	if errors.Is(err, flag.ErrHelp) {
		exit(nil)
	}
	if err == nil {
		err = run(ctx, once)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// parse returns whether to exit after the walkthrough: --once or a non-empty environment
// variable ONCE. It uses its own flag set because a package of the control plane
// registers flags in flag.CommandLine.
func parse(args []string, getenv func(string) string) (once bool, err error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.BoolVar(&once, "once", getenv("ONCE") != "", "exit when done")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	if flags.NArg() > 0 {
		return false, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	return once, nil
}

// run runs the demo, and then keeps everything running until the user stops it, unless
// it runs once only. It leaves no process behind; it leaves the logs only if it fails.
func run(ctx context.Context, once bool) error {
	dir, err := os.MkdirTemp("", "podidentity-demo-")
	if err != nil {
		return err
	}
	began := time.Now()
	e, err := open(ctx, newPrinter(os.Stdout), dir)
	if err == nil {
		err = walkThrough(ctx, e)
	}
	if err == nil {
		e.out.heading("Demo completed in %s", seconds(time.Since(began)))
	}
	if err == nil && !once {
		err = keepRunning(ctx, e)
	}
	return shutDown(ctx, e, err)
}

// keepRunning applies the sample again, prints what to try, and waits until the user stops
// the demo.
func keepRunning(ctx context.Context, e *environment) error {
	if err := e.apply(ctx, e.manifest); err != nil {
		return err
	}
	if _, err := e.awaitReady(ctx); err != nil {
		return err
	}
	e.out.instructions(e)
	if err := e.watch(ctx); err != nil {
		return err
	}
	e.out.line("\nStopping every process.")
	return nil
}

// shutDown stops everything. If the demo failed it returns the message for the user.
func shutDown(ctx context.Context, e *environment, failure error) error {
	log := tail(filepath.Join(e.logs, "operator.log"), 15)
	stopped := e.close()
	switch {
	case failure != nil && ctx.Err() != nil:
		return errors.Join(errInterrupted, stopped, os.RemoveAll(e.dir))
	case failure != nil:
		failure = errors.Join(failure, stopped, os.RemoveAll(e.private))
		return fmt.Errorf("\n✗ %w\n\nThe logs are in %s\nThe operator's ends with:\n%s", failure, e.logs, log)
	default:
		return errors.Join(stopped, os.RemoveAll(e.dir))
	}
}
