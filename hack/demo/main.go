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
)

// asPod is the argument that has this program act as a workload.
const asPod = "as-pod"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == asPod {
		exit(callAsPod(ctx, os.Stdout))
	}
	once := flag.Bool("once", false, "end after the story")
	flag.Parse()
	exit(run(ctx, *once))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run tells the story, and then stays up unless it is told once only. If the
// story fails, the logs are kept and named.
func run(ctx context.Context, once bool) (err error) {
	logs, err := os.MkdirTemp("", "podidentity-demo-")
	if err != nil {
		return err
	}
	out := newTeller(os.Stdout)
	w, err := open(ctx, out, logs)
	defer func() {
		err = errors.Join(err, w.close())
		if err == nil || ctx.Err() != nil {
			err = errors.Join(ctx.Err(), os.RemoveAll(logs))
		}
		if errors.Is(err, context.Canceled) && !once {
			err = nil // Ctrl-C is how it ends
		}
	}()
	if err == nil {
		err = tell(ctx, w)
	}
	if err != nil {
		return fmt.Errorf("\n✗ %w\n\nThe logs are in %s\n%s", err, logs, tail(filepath.Join(logs, "operator.log"), 10))
	}
	if once {
		return nil
	}
	if err := w.apply(ctx, w.manifest); err != nil {
		return err
	}
	out.invite(w)
	<-ctx.Done()
	out.line("\nStopping every process.")
	return nil
}
