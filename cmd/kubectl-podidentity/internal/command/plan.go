package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/forecast"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/manifest"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// planOptions are the flags of the command.
type planOptions struct {
	source           manifest.Source
	offline          bool
	guardrails       []string
	requireGuardrail bool
	clusterName      string
	rolePath         string
	namespace        string // of the operator
	validate         bool
	boundary         string
}

// planned is the result of the command.
type planned struct {
	Objects []forecast.Object `json:"objects"`
	// Notes list what was not checked.
	Notes []string `json:"notes,omitempty"`
}

func newPlan(s *session) *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan -f FILE | -k DIR",
		Short: "Show what would change in AWS and Kubernetes before it is applied",
		Long: `Show what applying PodIdentities would change in AWS and in Kubernetes, and whether the
API server, a guardrail, a quota or another owner would reject them. The operator's own
code computes the plan. It changes nothing.

The API server checks each object with a server-side dry run, and the current role is
read from AWS, both with your permissions: create and update for podidentities; read for
namespaces, guardrails and ServiceAccounts and, if you have it, for the operator's
Deployment, which contains the cluster's name; in AWS iam:GetRole,
iam:ListAttachedRolePolicies, iam:ListRolePolicies, iam:GetRolePolicy, iam:GetPolicy and
iam:GetPolicyVersion. Guardrails and namespaces of the input count as applied.

With --offline it needs neither a cluster nor AWS, for the CI of a GitOps repository: it
checks the schema, CEL rules, the grammar and size of policies, the baseline and the
guardrails, and warns about placeholders in resources. Guardrails and namespaces come
from the input, and from the files of --guardrails.

The exit codes are those of kubectl diff: 0 if nothing would change and nothing is
wrong, 1 if something would change or is wrong, 2 for an error.`,
		Example: `  kubectl podidentity plan -f checkout.yaml
  kubectl podidentity plan -k overlays/prod --validate
  kubectl podidentity plan -R -f apps --offline --guardrails platform/guardrails`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return makePlan(cmd.Context(), s, o) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.source.Files, "filename", "f", nil, "File or directory with the objects, or - for standard input. May be repeated.")
	flags.StringVarP(&o.source.Kustomize, "kustomize", "k", "", "Directory with a kustomization.")
	flags.BoolVarP(&o.source.Recursive, "recursive", "R", false, "Also read the directories in a directory of -f.")
	flags.BoolVar(&o.offline, "offline", false, "Use neither a cluster nor AWS.")
	flags.StringArrayVar(&o.guardrails, "guardrails", nil, "With --offline: file or directory with guardrails and namespaces that are already applied. May be repeated.")
	flags.BoolVar(&o.requireGuardrail, "require-guardrail", false, "With --offline: the operator runs with --require-guardrail.")
	flags.StringVar(&o.clusterName, "cluster-name", "", "Value of the operator's --cluster-name. Default: that of its Deployment.")
	flags.StringVar(&o.rolePath, "role-path", "", "Value of the operator's --role-path. Default: that of its Deployment.")
	flags.StringVar(&o.namespace, "operator-namespace", "", "Namespace of the operator. Default: any.")
	flags.StringVar(&o.boundary, "permissions-boundary", "", "Value of the operator's --permissions-boundary, if it has no Deployment here.")
	flags.BoolVar(&o.validate, "validate", false, "Also ask IAM Access Analyzer (access-analyzer:ValidatePolicy) about each inline policy.")
	return cmd
}

func makePlan(ctx context.Context, s *session, o planOptions) error {
	format, err := s.format(output.JSON, output.YAML)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	in, err := s.readInput(o)
	if err != nil {
		return err
	}
	result := planned{Objects: in.Objects}
	if o.offline {
		result.Notes, err = planOffline(s, in, o)
	} else {
		result.Notes, err = planOnline(ctx, s, in, o)
	}
	if err != nil {
		return err
	}
	if err := s.report(format, result, func(p *output.Printer) { printPlan(p, result) }); err != nil {
		return err
	}
	for i := range result.Objects {
		if o := &result.Objects[i]; o.State != check.OK || len(o.Changes) > 0 {
			return errFinding
		}
	}
	return nil
}

// check rejects flags that do not fit together.
func (o planOptions) check() error {
	switch {
	case (len(o.source.Files) > 0) == (o.source.Kustomize != ""):
		return errors.New("exactly one of --filename and --kustomize must be set")
	case o.offline && o.validate:
		return errors.New("--validate needs AWS, which --offline excludes; set one of them")
	case !o.offline && (len(o.guardrails) > 0 || o.requireGuardrail):
		return errors.New("--guardrails and --require-guardrail need --offline; otherwise both come from the cluster")
	default:
		return nil
	}
}

// readInput reads the objects of the flags, of which one must be of the operator.
func (s *session) readInput(o planOptions) (forecast.Input, error) {
	namespace, err := s.namespaceOf(o.offline)
	if err != nil {
		return forecast.Input{}, err
	}
	objects, faults, err := manifest.Read(s.process.In, o.source)
	if err != nil {
		return forecast.Input{}, err
	}
	in, err := forecast.ReadInput(objects, faults, namespace)
	if err == nil && len(in.Objects) == 0 {
		err = fmt.Errorf("the input contains no %s and no %s", forecast.KindIdentity, forecast.KindGuardrail)
	}
	return in, err
}

// namespaceOf returns the namespace of objects that name none.
func (s *session) namespaceOf(offline bool) (string, error) {
	if offline {
		if s.kube.Namespace != nil && *s.kube.Namespace != "" {
			return *s.kube.Namespace, nil
		}
		return "default", nil
	}
	c, err := s.cluster()
	if err != nil {
		return "", err
	}
	return c.Namespace, nil
}

// planOffline evaluates the input from the files alone.
func planOffline(s *session, in forecast.Input, o planOptions) ([]string, error) {
	facts := forecast.Facts{
		Guardrails: in.Guardrails, RequireGuardrail: o.requireGuardrail, Quotas: plan.DefaultQuotas,
		Cluster: plan.Cluster{Name: o.clusterName, RolePath: o.rolePath},
	}
	if len(o.guardrails) > 0 {
		objects, faults, err := manifest.Read(s.process.In, manifest.Source{Files: o.guardrails, Recursive: true})
		if err != nil {
			return nil, err
		}
		if len(faults) > 0 {
			return nil, fmt.Errorf("%s: %s", faults[0].File, faults[0].Message)
		}
		applied, err := forecast.ReadInput(objects, nil, "")
		if err != nil {
			return nil, err
		}
		if err := in.Applied(applied); err != nil {
			return nil, err
		}
		facts.Guardrails = in.Guardrails
	}
	return forecast.Offline(in, facts), nil
}
