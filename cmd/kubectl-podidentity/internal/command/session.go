package command

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// session is what all commands of one run share: flags and connections.
type session struct {
	process Process
	kube    *genericclioptions.ConfigFlags
	output  string
	color   string
	profile string
	region  string

	connected *cluster.Cluster
	opened    *account.Account
}

func newSession(p Process) *session {
	return &session{process: p, kube: genericclioptions.NewConfigFlags(true)}
}

func (s *session) addFlags(flags *pflag.FlagSet) {
	s.kube.AddFlags(flags)
	flags.StringVarP(&s.output, "output", "o", "", "Output format. Every command supports json; see its help for others.")
	flags.StringVar(&s.color, "color", string(output.ColorAuto), "When to use color: auto (on a terminal, unless NO_COLOR is set), always or never.")
	flags.StringVar(&s.profile, "aws-profile", "", "Profile of your AWS configuration. Default: AWS_PROFILE, as for every AWS tool.")
	flags.StringVar(&s.region, "aws-region", "", "AWS region. Default: AWS_REGION or the region of the profile, else us-east-1.")
}

// cluster returns the cluster, connected at the first call.
func (s *session) cluster() (*cluster.Cluster, error) {
	if s.connected == nil {
		c, err := cluster.Connect(s.kube)
		if err != nil {
			return nil, err
		}
		s.connected = c
	}
	return s.connected, nil
}

// account returns the AWS account, opened at the first call.
func (s *session) account(ctx context.Context) (*account.Account, error) {
	if s.opened == nil {
		a, err := account.Open(ctx, s.accountOptions())
		if err != nil {
			return nil, err
		}
		s.opened = a
	}
	return s.opened, nil
}

func (s *session) accountOptions() account.Options {
	return account.Options{Profile: s.profile, Region: s.region, Version: s.process.Version}
}

// format returns the output format, which must be one of allowed.
func (s *session) format(allowed ...output.Format) (output.Format, error) {
	return output.ParseFormat(s.output, allowed...)
}

// printer returns a printer for people.
func (s *session) printer() (*output.Printer, error) {
	mode, err := output.ParseColor(s.color)
	if err != nil {
		return nil, err
	}
	return output.NewPrinter(s.process.Out, output.UseColor(mode, output.IsTerminal(s.process.Out), os.Getenv)), nil
}

// report writes a result: encoded for a program, or as print writes it for people.
func (s *session) report(f output.Format, result any, show func(*output.Printer)) error {
	if f.Program() {
		return output.Encode(s.process.Out, f, result)
	}
	p, err := s.printer()
	if err != nil {
		return err
	}
	show(p)
	return p.Err()
}

// names completes the names of PodIdentities. It offers nothing if the cluster cannot be
// read: a completion must not print errors.
func (s *session) names(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := s.cluster()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found, err := c.PodIdentities(cmd.Context(), c.Namespace)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for i := range found {
		names = append(names, found[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// pods completes the names of pods.
func (s *session) pods(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := s.cluster()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := c.PodNames(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
