package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/access"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// auditOptions are the flags of the command.
type auditOptions struct {
	question   access.Question
	unusedDays int
	namespace  string // of the operator
}

func newAudit(s *session) *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who can do what in AWS",
		Long: `Show what every identity of the cluster can do in AWS: the services and actions that
its identity policies allow within its permissions boundary, wildcards, permissions on
all resources, the last use of its role, and whether a guardrail rejects it. It covers
all PodIdentities, and ServiceAccounts whose role no PodIdentity manages; with
--namespace only those of one namespace.

With --action and --resource, which may contain wildcards, it shows only the identities
that can do that: "yes" if the policies alone allow it, "maybe" if that depends on a
condition or if they allow only a part of it. Resource policies, such as those of
buckets, and service control policies are not evaluated.

-o csv has one line for each grant, and -o html is one self-contained page for an
auditor. The exit code is 1 if there is a finding or, with --action or --resource, if an
identity can do that. It needs iam:GetAccountAuthorizationDetails, one call for each
1,000 roles and policies of the account, and permission to list PodIdentities,
ServiceAccounts, guardrails and namespaces.`,
		Example: `  kubectl podidentity audit
  kubectl podidentity audit -o html > audit.html
  kubectl podidentity audit --action s3:DeleteBucket --resource arn:aws:s3:::orders`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return audit(cmd.Context(), s, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.question.Action, "action", "", "Show only who can do this, such as s3:DeleteBucket or s3:Delete*.")
	flags.StringVar(&o.question.Resource, "resource", "", "Show only who can do something on this, such as arn:aws:s3:::orders/*.")
	flags.IntVar(&o.unusedDays, "unused-days", 90, "Days without use after which an identity is unused.")
	flags.StringVar(&o.namespace, "operator-namespace", "", "Namespace of the operator. Default: any.")
	return cmd
}

// audited is the result of the command.
type audited struct {
	AccountID  string            `json:"accountID"`
	Time       time.Time         `json:"time"`
	Question   *access.Question  `json:"question,omitempty"`
	UnusedDays int               `json:"unusedDays"`
	Identities []access.Identity `json:"identities"`
	// Notes list what was not checked.
	Notes []string `json:"notes,omitempty"`
}

func audit(ctx context.Context, s *session, o auditOptions) error {
	format, err := s.format(output.JSON, output.YAML, output.CSV, output.HTML)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	g := auditGatherer{session: s, options: o}
	if s.kube.Namespace != nil {
		g.namespace = *s.kube.Namespace
	}
	subjects, err := g.gather(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	r := audited{AccountID: g.accountID, Time: now, UnusedDays: o.unusedDays, Notes: g.notes}
	if o.question.Asked() {
		r.Question = &o.question
	}
	r.Identities = access.Report(subjects, access.Options{Question: o.question, UnusedAfter: time.Duration(o.unusedDays) * 24 * time.Hour, Now: now})
	if err := s.reportAudited(format, r); err != nil {
		return err
	}
	return r.conclude()
}

func (o auditOptions) check() error {
	switch service, action, found := strings.Cut(o.question.Action, ":"); {
	case o.question.Action != "" && o.question.Action != "*" && (!found || service == "" || action == ""):
		return errors.New("--action must be service:Action, such as s3:DeleteBucket")
	case o.question.Resource != "" && o.question.Resource != "*" && !strings.HasPrefix(o.question.Resource, "arn:"):
		return errors.New("--resource must be an ARN, such as arn:aws:s3:::orders")
	case o.unusedDays < 1 || o.unusedDays > 400:
		return errors.New("--unused-days must be from 1 to 400, which is how far AWS's records go back")
	}
	return nil
}

func (r audited) conclude() error {
	if r.Question != nil {
		if len(r.Identities) > 0 {
			return errFinding
		}
		return nil
	}
	if slices.ContainsFunc(r.Identities, func(id access.Identity) bool { return len(id.Findings) > 0 }) {
		return errFinding
	}
	return nil
}

func (s *session) reportAudited(format output.Format, r audited) error {
	switch format {
	case output.CSV:
		return auditCSV(s.process.Out, r)
	case output.HTML:
		return auditHTML(s.process.Out, r)
	default:
		return s.report(format, r, func(p *output.Printer) { printAudited(p, r) })
	}
}
