package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

// completionScript is what kubectl runs to complete the arguments of a plugin: an
// executable in PATH of the plugin's name after kubectl_complete-.
// https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
const completionScript = `#!/bin/sh
exec kubectl podidentity __complete "$@"
`

// addCompletion adds the command completion, which cobra provides, with kubectl as one
// more shell.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd(root.Name()) // named, or it appears only when it runs
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.AddCommand(newKubectlCompletion())
		}
	}
}

func newKubectlCompletion() *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl",
		Short: "Print the script that kubectl uses to complete the arguments of this plugin",
		Long: `Print the script that kubectl uses to complete the arguments of this plugin.
Write it to a directory of your PATH, with the shell completion of kubectl itself enabled:

  kubectl podidentity completion kubectl > ~/.local/bin/kubectl_complete-podidentity
  chmod +x ~/.local/bin/kubectl_complete-podidentity`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), completionScript)
			return err
		},
	}
}
