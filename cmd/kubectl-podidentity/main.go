// Kubectl-podidentity shows and explains the AWS identities of pods. kubectl
// finds it as a plugin: kubectl podidentity. It works with the Kubernetes and AWS
// permissions of its user and needs nothing from the operator.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/command"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command.Run(ctx, command.Process{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Version: version,
	}))
}
