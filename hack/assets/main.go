// Command assets prints the directory of the Kubernetes control plane's
// programs, and builds them first if they are not there:
//
//	KUBEBUILDER_ASSETS=$(go run ./hack/assets) go test ./...
//	KUBEBUILDER_ASSETS=$(go run ./hack/assets 1.32) go test ./test/manifests
//	go run ./hack/assets argocd
//
// The argument is a minor version of Kubernetes that is not the default one, whose
// module is in hack/controlplane, or a tool with a module in hack: argocd or flux.
//
// Only the directory goes to standard output; what happens meanwhile goes to
// standard error. A KUBEBUILDER_ASSETS that is set already is checked and kept,
// unless a version is named.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/podidentity/podidentity-operator/test/controlplane/assets"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	name := ""
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	dir, err := assets.Ensure(ctx, os.Stderr, name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "assets: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
	fmt.Fprintln(os.Stdout, dir)
}
