// Package command holds the verbs of the plugin, one a file. A verb gathers facts
// through packages cluster and account, has a pure package judge them, and prints
// the result.
//
// To add a verb: write newVerb(*session) *cobra.Command in verb.go, list it in
// verbs, put what it decides into a package of its own under internal/, and run
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

// errFinding ends a verb that did its work and found something wrong. What it
// found is printed already.
var errFinding = errors.New("something is wrong")

// Run runs the plugin and returns its exit code. An error is one line on p.Err.
func Run(ctx context.Context, p Process) int {
	ctrl.SetLogger(logr.Discard()) // or it complains, with a stack trace, that there is none
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
