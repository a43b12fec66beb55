// Command demo takes a PodIdentity from YAML to an AWS identity that works, on
// real parts: etcd, kube-apiserver, kube-controller-manager, the operator's own
// binary, and the project's AWS endpoint. It tells what happens and what each
// step costs in AWS calls, and then stays up to be tried. Run it by `make demo`.
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

// asPod is the argument that has this program act as a workload.
const asPod = "as-pod"

// errInterrupted says that the user stopped the demo before its end.
var errInterrupted = errors.New("interrupted; all processes stopped and files removed")

func main() {
	// SIGHUP is what a terminal sends that is closed.
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

// parse returns whether to end after the story. The environment variable ONCE
// asks for it, too, unless it is empty. The flags are its own set: a package of
// the control plane puts others into flag.CommandLine.
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
	w, err := open(ctx, newTeller(os.Stdout), dir)
	if err == nil {
		err = tell(ctx, w)
	}
	if err == nil {
		w.out.chapter("Demo completed in %s", seconds(time.Since(began)))
	}
	if err == nil && !once {
		err = stay(ctx, w)
	}
	return end(ctx, w, err)
}

// stay has something to look at, tells how to, and waits until it is stopped.
func stay(ctx context.Context, w *world) error {
	if err := w.apply(ctx, w.manifest); err != nil {
		return err
	}
	if _, err := w.awaitReady(ctx); err != nil {
		return err
	}
	w.out.invite(w)
	if err := w.watch(ctx); err != nil {
		return err
	}
	w.out.line("\nStopping every process.")
	return nil
}

// end stops everything, and returns the message for the user about a failure, if there
// was one.
func end(ctx context.Context, w *world, failure error) error {
	log := tail(filepath.Join(w.logs, "operator.log"), 15)
	stopped := w.close()
	switch {
	case failure != nil && ctx.Err() != nil:
		return errors.Join(errInterrupted, stopped, os.RemoveAll(w.dir))
	case failure != nil:
		failure = errors.Join(failure, stopped, os.RemoveAll(w.private))
		return fmt.Errorf("\n✗ %w\n\nThe logs are in %s\nThe operator's ends with:\n%s", failure, w.logs, log)
	default:
		return errors.Join(stopped, os.RemoveAll(w.dir))
	}
}
