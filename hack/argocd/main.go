// Command argocd is the part of Argo CD that syncs, in one program: the API server, the
// repository server, the application controller and the controller of ApplicationSets,
// each of them upstream's own code, with the Kustomize and a Redis that they need. It
// acts as the one whose name it is called by, so it is run through links of those names.
//
// Upstream's own command holds all of Argo CD; what is left out here is a third of its
// build.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	applicationset "github.com/argoproj/argo-cd/v3/cmd/argocd-applicationset-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	apiserver "github.com/argoproj/argo-cd/v3/cmd/argocd-server/commands"
	"github.com/spf13/cobra"
	kustomize "sigs.k8s.io/kustomize/kustomize/v5/commands"
)

func main() {
	commands := map[string]func() *cobra.Command{
		"argocd-application-controller":    controller.NewCommand,
		"argocd-applicationset-controller": applicationset.NewCommand,
		"argocd-repo-server":               reposerver.NewCommand,
		"argocd-server":                    apiserver.NewCommand,
		"kustomize":                        kustomize.NewDefaultCommand,
		"redis-server":                     redis,
	}
	name := filepath.Base(os.Args[0])
	command, ok := commands[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: call it by the name of a program of Argo CD, or redis-server\n", name)
		os.Exit(2)
	}
	if err := command().Execute(); err != nil {
		os.Exit(1)
	}
}

// redis is a server of Redis' protocol, which holds Argo CD's cache in memory.
func redis() *cobra.Command {
	return &cobra.Command{
		Use: "redis-server ADDRESS", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			server := miniredis.NewMiniRedis()
			if err := server.StartAddr(args[0]); err != nil {
				return err
			}
			defer server.Close()
			stop := make(chan os.Signal, 1)
			signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
			for tick := time.NewTicker(time.Second); ; {
				select {
				case <-tick.C: // it has no clock of its own
					server.FastForward(time.Second)
				case <-stop:
					return nil
				}
			}
		},
	}
}
