package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/preflight"
)

// doctorOptions are the flags of the verb.
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
CustomResourceDefinitions; that the operator runs and leads, how it is configured,
that it can assume its role, that the role may do what it needs, and that its event
queue exists, if it has one; that the issuer publishes the cluster's keys, that IAM has
the OIDC provider with the audience, and that the pod identity webhook works; the
clocks; other clusters in the same path or of the same name, guardrails that select
nothing, quotas that are nearly used, and roles without a PodIdentity.

It changes nothing. Exit code 1 says that a check found something, 2 that a check
could not be made and none found something. It reads the whole cluster, and needs in
AWS iam:GetOpenIDConnectProvider, iam:GetAccountAuthorizationDetails,
iam:GetAccountSummary, sqs:GetQueueAttributes if the operator has an event queue and,
for the operator's role, what why needs. A check that may not read something is marked
with ? and does not stop the others.`,
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
	p.Line(output.T("%d checks: %d in order, %d with a warning, %d not made, %d broken",
		len(checks), count[check.OK], count[check.Warning], count[check.Unknown], count[check.Broken]))
}
