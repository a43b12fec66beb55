package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/chain"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// whyOptions are the flags of the command.
type whyOptions struct {
	container      string
	action         string
	resource       string
	requestContext []string
	simulate       bool
}

func newWhy(s *session) *cobra.Command {
	var o whyOptions
	cmd := &cobra.Command{
		Use:   "why POD | sa/NAME",
		Short: "Explain why a pod does or does not get its AWS permissions",
		Long: `Walk from a pod to its AWS permissions as AWS does, and stop at the first broken
link: the ServiceAccount and its annotation, what the webhook gives a new pod (by a
server-side dry run), what this pod got, its token, the issuer and the IAM OIDC
provider, the role and its trust policy and, with --action, the policies of the role
and its permissions boundary.

It works for every pod that uses IAM Roles for Service Accounts, whichever tool created the
role. With sa/NAME it checks a new pod of that ServiceAccount.

In Kubernetes it needs to read the pod and its ServiceAccount, and create for pods (for
the dry run, which creates nothing); in AWS iam:GetRole and
iam:GetOpenIDConnectProvider. With --action it also needs
iam:ListAttachedRolePolicies, iam:ListRolePolicies, iam:GetRolePolicy, iam:GetPolicy and
iam:GetPolicyVersion. A link that it may not read is marked with ? and does not stop the
walk.`,
		Example: `  kubectl podidentity why -n shop checkout-5d8f7-abcde
  kubectl podidentity why -n shop checkout-5d8f7-abcde --action s3:GetObject --resource arn:aws:s3:::shop-receipts/1
  kubectl podidentity why -n shop sa/checkout`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.pods,
		RunE:              func(cmd *cobra.Command, args []string) error { return why(cmd.Context(), s, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.container, "container", "c", "", "Container of the pod. Default: all of them.")
	flags.StringVar(&o.action, "action", "", "Action that the pod wants to do, such as s3:GetObject.")
	flags.StringVar(&o.resource, "resource", "", "ARN of the resource of the action. Default: any resource.")
	flags.StringArrayVar(&o.requestContext, "request-context", nil,
		"Condition key of the request, as KEY=VALUE, such as aws:SourceVpce=vpce-1; KEY= means that the request does not have it. May be repeated.")
	flags.BoolVar(&o.simulate, "aws", false, "Also call IAM's policy simulator (iam:SimulatePrincipalPolicy), which evaluates service control policies.")
	return cmd
}

// explanation is the result of the command.
type explanation struct {
	Namespace      string `json:"namespace"`
	Pod            string `json:"pod,omitempty"` // empty for a new pod
	ServiceAccount string `json:"serviceAccount"`
	// PodIdentity is the one that names the ServiceAccount.
	PodIdentity string         `json:"podIdentity,omitempty"`
	Ready       string         `json:"podIdentityReady,omitempty"`
	RoleARN     string         `json:"roleARN,omitempty"`
	Request     *chain.Request `json:"request,omitempty"`
	chain.Result
}

func why(ctx context.Context, s *session, subject string, o whyOptions) error {
	format, err := s.format(output.JSON, output.YAML)
	if err != nil {
		return err
	}
	request, err := o.request()
	if err != nil {
		return err
	}
	c, err := s.cluster()
	if err != nil {
		return err
	}
	facts, err := gather(ctx, c, subject)
	if err != nil {
		return err
	}
	facts.Container, facts.Request = o.container, request
	if err := checkContainer(facts); err != nil {
		return err
	}
	result := chain.Walk(facts)
	var failure error
	if target, ok := chain.TargetOf(facts); ok && result.Broken == "" {
		facts.AWS, failure = s.gatherAWS(ctx, target, request, o.simulate)
		result = chain.Walk(facts)
	}
	e := explanationOf(facts, result)
	e.Incomplete = e.Incomplete || failure != nil
	if err := s.report(format, e, func(p *output.Printer) { printWhy(p, e) }); err != nil {
		return err
	}
	return conclude(result, failure)
}

// conclude returns how the command ends.
func conclude(r chain.Result, failure error) error {
	switch {
	case r.Broken != "":
		return errFinding
	case failure != nil:
		return failure
	case r.Unchecked() != nil:
		return fmt.Errorf("link %s could not be checked: %s", r.Unchecked().Name, r.Unchecked().Message)
	default:
		return nil
	}
}

// request returns what the pod wants to do, nil if the user does not say.
func (o whyOptions) request() (*chain.Request, error) {
	if o.action == "" {
		if o.resource != "" || len(o.requestContext) > 0 || o.simulate {
			return nil, errors.New("--resource, --request-context and --aws need --action")
		}
		return nil, nil
	}
	if service, name, ok := strings.Cut(o.action, ":"); !ok || service == "" || name == "" || strings.ContainsAny(o.action, "*? ") {
		return nil, fmt.Errorf("invalid value %q for --action: must be one action, such as s3:GetObject", o.action)
	}
	if o.resource != "" && o.resource != "*" && !strings.HasPrefix(o.resource, "arn:") {
		return nil, fmt.Errorf("invalid value %q for --resource: must be an ARN, such as arn:aws:s3:::bucket/key", o.resource)
	}
	keys, err := parseContext(o.requestContext)
	return &chain.Request{Action: o.action, Resource: o.resource, Context: keys}, err
}

// parseContext reads condition keys, each as KEY=VALUE.
func parseContext(pairs []string) (map[string][]string, error) {
	keys := map[string][]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || !strings.Contains(key, ":") {
			return nil, fmt.Errorf("invalid value %q for --request-context: must be KEY=VALUE, such as aws:SourceVpce=vpce-1", pair)
		}
		if value == "" {
			keys[key] = nil
			continue
		}
		keys[key] = append(keys[key], value)
	}
	return keys, nil
}
