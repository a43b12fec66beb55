package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/chain"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

func newVerify(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "verify NAME | sa/NAME",
		Short: "Assume the role of an identity, as a pod does",
		Long: `Request a token for the ServiceAccount of a PodIdentity, exchange it for a session of the
role with sts:AssumeRoleWithWebIdentity, as the AWS SDK in a pod does, and print the ARN
of the session. If AWS rejects the token, print its answer and, as why does, the links
of the chain up to the broken one. With sa/NAME it verifies any annotated
ServiceAccount.

It needs create for serviceaccounts/token in Kubernetes, and no AWS credentials: the
token is the proof. The credentials of the session are not printed.`,
		Example: `  kubectl podidentity verify -n shop checkout
  kubectl podidentity verify -n shop sa/checkout -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.names,
		RunE:              func(cmd *cobra.Command, args []string) error { return verify(cmd.Context(), s, args[0]) },
	}
}

// verification is the result of the command.
type verification struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
	RoleARN        string `json:"roleARN,omitempty"`
	// Caller is the session's ARN, as AWS returns it.
	Caller    string             `json:"caller,omitempty"`
	Expires   *time.Time         `json:"expires,omitempty"`
	Rejection *account.Rejection `json:"rejection,omitempty"`
	// Why explains why AWS rejected the token.
	Why *explanation `json:"why,omitempty"`
}

func verify(ctx context.Context, s *session, subject string) error {
	format, err := s.format(output.JSON, output.YAML)
	if err != nil {
		return err
	}
	c, err := s.cluster()
	if err != nil {
		return err
	}
	name, err := serviceAccountOf(ctx, c, subject)
	if err != nil {
		return err
	}
	v := verification{Namespace: c.Namespace, ServiceAccount: name}
	if err := v.assume(ctx, s, c); err != nil {
		return err
	}
	if v.Caller == "" {
		if v.Why, err = explainRejection(ctx, s, c, name); err != nil {
			return err
		}
	}
	if err := s.report(format, v, func(p *output.Printer) { printVerification(p, v) }); err != nil {
		return err
	}
	if v.Caller == "" {
		return errFinding
	}
	return nil
}

// serviceAccountOf returns the name of the ServiceAccount that a user means.
func serviceAccountOf(ctx context.Context, c *cluster.Cluster, subject string) (string, error) {
	kind, name, ok := strings.Cut(subject, "/")
	switch {
	case !ok:
		pi, err := c.PodIdentity(ctx, subject)
		return plan.ServiceAccountOf(pi), err
	case kind == "sa" || kind == "serviceaccount" || kind == "serviceaccounts":
		return name, nil
	default:
		return "", fmt.Errorf("invalid argument %q: must be the name of a PodIdentity or sa/NAME", subject)
	}
}

// assume exchanges a token for a session. If there is nothing to exchange, it leaves v
// without a caller; the walk then states why.
func (v *verification) assume(ctx context.Context, s *session, c *cluster.Cluster) error {
	sa, err := c.ServiceAccount(ctx, v.Namespace, v.ServiceAccount)
	if err != nil || sa == nil {
		return err
	}
	v.RoleARN = sa.Annotations[plan.AnnotationRoleARN]
	if v.RoleARN == "" {
		return nil
	}
	audience := sa.Annotations[plan.AnnotationAudience]
	if audience == "" {
		audience = plan.DefaultAudience
	}
	token, err := c.Token(ctx, v.Namespace, v.ServiceAccount, audience)
	if err != nil {
		return err
	}
	got, rejection, err := account.Assume(ctx, s.accountOptions(), v.RoleARN, token)
	if err != nil {
		return err
	}
	v.Rejection = rejection
	if got != nil {
		v.Caller, v.Expires = got.Caller.ARN, &got.Expires
	}
	return nil
}

// explainRejection walks the chain for a new pod. Without permissions in AWS the walk ends
// early; the rejection is reported anyway.
func explainRejection(ctx context.Context, s *session, c *cluster.Cluster, name string) (*explanation, error) {
	facts, err := gather(ctx, c, "sa/"+name)
	if err != nil {
		return nil, err
	}
	result := chain.Walk(facts)
	if target, ok := chain.TargetOf(facts); ok && result.Broken == "" {
		found, err := s.gatherAWS(ctx, target, nil, false)
		if err == nil {
			facts.AWS = found
			result = chain.Walk(facts)
		}
		if _, ofAWS := errors.AsType[*account.Error](err); err != nil && !ofAWS {
			return nil, err
		}
	}
	e := explanationOf(facts, result)
	e.Incomplete = e.Incomplete || result.Broken == ""
	return &e, nil
}

func printVerification(p *output.Printer, v verification) {
	subject := "ServiceAccount " + v.Namespace + "/" + v.ServiceAccount
	switch {
	case v.Caller != "":
		p.Line(symbols[check.OK], output.T(" %s is %s", subject, v.Caller))
		return
	case v.Rejection != nil:
		p.Line(symbols[check.Broken], output.T(" AWS denies %s the role %s: %s: %s", subject, v.RoleARN, v.Rejection.Code, v.Rejection.Message))
		p.Line(output.T("  It means that %s.", v.Rejection.Meaning()))
	default:
		p.Line(symbols[check.Broken], output.T(" %s has no role", subject))
	}
	if v.Why != nil {
		p.Line()
		printWhy(p, *v.Why)
	}
}
