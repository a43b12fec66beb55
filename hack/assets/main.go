// Command assets prints the directory of the Kubernetes control plane's
// programs, and builds them first if they are not there:
//
//	KUBEBUILDER_ASSETS=$(go run ./hack/assets) go test ./...
//	KUBEBUILDER_ASSETS=$(go run ./hack/assets 1.32) go test ./test/manifests
//
// The argument is a minor version of Kubernetes that is not the default one; its
// module is in hack/controlplane.
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
	minor := ""
	if len(os.Args) > 1 {
		minor = os.Args[1]
	}
	dir, err := assets.Ensure(ctx, os.Stderr, minor)
	if err != nil {
		fmt.Fprintf(os.Stderr, "assets: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
	fmt.Fprintln(os.Stdout, dir)
}
