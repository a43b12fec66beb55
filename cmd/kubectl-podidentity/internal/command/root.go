package command

import (
	"github.com/spf13/cobra"
)

// commands returns the constructors of all commands, in the order of the help.
func commands() []func(*session) *cobra.Command {
	return []func(*session) *cobra.Command{
		newStatus,
		newWhy,
		newVerify,
		newDoctor,
		newPlan,
		newImport,
		newIAMPolicy,
		newRestart,
		newSuspend,
		newResume,
		newReconcile,
		newOrphans,
		newAudit,
		newSuggest,
		newVersion,
	}
}

// newRoot returns the root command with all commands.
func newRoot(p Process) *cobra.Command {
	s := newSession(p)
	root := &cobra.Command{
		Use:   "kubectl-podidentity",
		Short: "See and explain the AWS identities of pods",
		Long: `See and explain the AWS identities of pods.

The plugin works with your own permissions: those of your kubeconfig and of your
AWS credentials. It needs nothing from the operator, and most commands also work on
identities that the operator does not manage.

Exit codes: 0 if everything is fine, 1 if the command found a problem, 2 for an error.`,
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl podidentity"},
		SilenceErrors:     true, // Run prints them
		SilenceUsage:      true, // an error is one line
		DisableAutoGenTag: true,
	}
	root.SetArgs(p.Args)
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	s.addFlags(root.PersistentFlags())
	for _, command := range commands() {
		root.AddCommand(command(s))
	}
	addCompletion(root)
	return root
}
