package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/preflight"
)

// doctorOptions are the flags of the command.
type doctorOptions struct {
	namespace   string
	clusterName string
	rolePath    string
}

func newDoctor(s *session) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether a cluster and an AWS account are ready for the operator",
		Long: `Check the whole installation: the version of Kubernetes and the
CustomResourceDefinitions; whether a replica of the operator is the leader, how it is
configured, whether it can assume its role, whether the role has the permissions that it
needs, and whether its event queue exists, if it has one; whether the issuer publishes
the cluster's keys, whether IAM has the OIDC provider with the audience, and whether the
pod identity webhook works; the clocks; other clusters with the same path or name,
guardrails that select nothing, quotas that are nearly used up, and roles without a
PodIdentity.

It changes nothing. The exit code is 1 if a check finds a problem, and 2 if no check
finds one but some could not be made. It reads the whole cluster. In AWS it needs
iam:GetOpenIDConnectProvider, iam:GetAccountAuthorizationDetails, iam:GetAccountSummary,
sqs:GetQueueAttributes if the operator has an event queue, and the permissions of why
for the operator's role. A check that lacks a permission is marked with ? and does not
stop the others.`,
		Example: `  kubectl podidentity doctor
  kubectl podidentity doctor -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return doctor(cmd.Context(), s, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.namespace, "operator-namespace", "", "Namespace of the operator. Default: any.")
	flags.StringVar(&o.clusterName, "cluster-name", "", "Value of the operator's --cluster-name, if it has no Deployment here.")
	flags.StringVar(&o.rolePath, "role-path", "", "Value of the operator's --role-path, if it has no Deployment here.")
	return cmd
}

func doctor(ctx context.Context, s *session, o doctorOptions) error {
	format, err := s.format(output.JSON, output.YAML)
	if err != nil {
		return err
	}
	facts, err := examine(ctx, s, o)
	if err != nil {
		return err
	}
	checks := preflight.Run(facts)
	if err := s.report(format, checks, func(p *output.Printer) { printChecks(p, checks) }); err != nil {
		return err
	}
	return concludeChecks(checks)
}

func concludeChecks(checks []preflight.Check) error {
	unknown := 0
	var first preflight.Check
	for _, c := range checks {
		switch c.State {
		case check.Broken, check.Warning:
			return errFinding
		case check.Unknown:
			if unknown == 0 {
				first = c
			}
			unknown++
		case check.OK:
		}
	}
	if unknown > 0 {
		return fmt.Errorf("%d of %d checks could not be made; the first is %s: %s", unknown, len(checks), first.Name, first.Message)
	}
	return nil
}

func printChecks(p *output.Printer, checks []preflight.Check) {
	count := map[check.State]int{}
	for _, c := range checks {
		count[c.State]++
		p.Line(symbols[c.State], output.T(" %-11s  %s", c.Name, c.Message))
		if c.Fix != "" {
			p.Line(output.In(output.Bold, "  %11s  → %s", "", c.Fix))
		}
	}
	p.Line(output.T("%d checks: %d OK, %d with a warning, %d not made, %d broken",
		len(checks), count[check.OK], count[check.Warning], count[check.Unknown], count[check.Broken]))
}
