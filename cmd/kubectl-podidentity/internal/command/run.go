// Package command contains the commands of the plugin, one per file. A command gathers
// facts through packages cluster and account, lets a pure package evaluate them, and
// prints the result.
//
// To add the command name: write newName(*session) *cobra.Command in name.go, list it in
// commands, put its decisions into a new package under internal/, and run
// go test ./cmd/kubectl-podidentity/internal/command -update for docs/kubectl-plugin.md.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// Process is the environment of a run of the plugin.
type Process struct {
	Args    []string
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Version string
}

// Exit codes, as `kubectl diff` has them.
const (
	exitFine    = 0
	exitFinding = 1
	exitError   = 2
)

// errFinding ends a command that did its work and found something wrong. What it
// found is printed already.
var errFinding = errors.New("something is wrong")

// Run runs the plugin and returns its exit code. An error is one line on p.Err.
func Run(ctx context.Context, p Process) int {
	ctrl.SetLogger(logr.Discard()) // without a logger it prints a warning with a stack trace
	root := newRoot(p)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errFinding):
		return exitFinding
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitError // interrupted by the user, who knows
	}
	fmt.Fprintln(p.Err, "error: "+output.Clean(explain(err)))
	return exitError
}

// explain returns err as one sentence.
func explain(err error) string {
	if e, ok := errors.AsType[*account.Error](err); ok {
		return e.Error()
	}
	if sentence := cluster.Explain(err); sentence != "" {
		return sentence
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
