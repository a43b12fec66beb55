package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/tree"
)

// statusOptions are the flags of the command.
type statusOptions struct {
	all     bool
	watch   bool
	skipAWS bool
}

func newStatus(s *session) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show identities with their roles, policies, ServiceAccounts and pods",
		Long: `Show each identity as a tree: its IAM role, the ServiceAccounts that the role trusts, its
policies and how much of AWS's quotas they use, its ServiceAccounts, and the workloads
with the pods that have the role or lack it. Required actions are listed below the tree.

The operator creates the ServiceAccount after the role, and the API server rejects a
bare Pod before that. To wait for an identity, run
  kubectl wait -n NAMESPACE --for=condition=Ready podid/NAME --timeout=2m
A Deployment, a Job or a StatefulSet needs no wait.

Without AWS permissions it omits what only AWS knows, prints the reason on standard
error, and exits with 2 unless an identity requires an action; --skip-aws does not call
AWS. With --watch it reads the cluster every two seconds, or less often if that takes
long, and AWS every minute. It needs iam:GetRole, iam:ListAttachedRolePolicies,
iam:ListRolePolicies, iam:GetRolePolicy, iam:GetPolicy, iam:GetPolicyVersion and
iam:GetAccountSummary or, for more than three identities,
iam:GetAccountAuthorizationDetails. The exit code is 1 if an identity requires an action.`,
		Example: `  kubectl podidentity status -n shop
  kubectl podidentity status -n shop checkout -o wide
  kubectl podidentity status -A -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.names,
		RunE:              func(cmd *cobra.Command, args []string) error { return status(cmd.Context(), s, args, o) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "Show the identities of all namespaces.")
	flags.BoolVarP(&o.watch, "watch", "w", false, "Show them again when something changes, until you press Ctrl-C.")
	flags.BoolVar(&o.skipAWS, "skip-aws", false, "Do not call AWS; show only what the cluster knows.")
	return cmd
}

func status(ctx context.Context, s *session, args []string, o statusOptions) error {
	format, err := s.format(output.JSON, output.YAML, output.Wide)
	if err != nil {
		return err
	}
	if o.all && len(args) > 0 {
		return errors.New("a name cannot be combined with --all-namespaces")
	}
	c, err := s.cluster()
	if err != nil {
		return err
	}
	q := statusQuery{cluster: c, namespace: c.Namespace, session: s, skipAWS: o.skipAWS}
	if o.all {
		q.namespace = ""
	}
	if len(args) > 0 {
		q.name = args[0]
	}
	if o.watch {
		return q.watch(ctx, format)
	}
	identities, err := q.run(ctx)
	if err != nil {
		return err
	}
	if err := s.showStatus(format, identities, q.namespace); err != nil {
		return err
	}
	missing := q.missing()
	for i := range identities {
		if len(identities[i].Findings) > 0 {
			s.warn(missing)
			return errFinding
		}
	}
	return missing
}

func (s *session) showStatus(format output.Format, identities []tree.Identity, namespace string) error {
	return s.report(format, identities, func(p *output.Printer) {
		printStatus(p, identities, namespace, format == output.Wide, time.Now())
	})
}

// showChange reads the identities and shows them if they are not what was shown. It
// returns what is shown now.
func (q *statusQuery) showChange(ctx context.Context, format output.Format, shown []byte) ([]byte, error) {
	identities, err := q.run(ctx)
	if err != nil {
		return nil, err
	}
	var now bytes.Buffer
	if err := output.Encode(&now, output.JSON, identities); err != nil || bytes.Equal(shown, now.Bytes()) {
		return shown, err
	}
	if shown != nil && !format.Program() {
		fmt.Fprintf(q.session.process.Out, "\n%s\n", time.Now().Format(time.TimeOnly))
	}
	return now.Bytes(), q.session.showStatus(format, identities, q.namespace)
}

// watchInterval is how often a watch reads the cluster, if that takes no longer than a
// tenth of it. It asks AWS less often.
const (
	watchInterval    = 2 * time.Second
	watchAWSInterval = time.Minute
)

// pause returns how long a watch rests after a read that took so long: a large cluster
// spends no more than a tenth of the time on it.
func pause(took time.Duration) time.Duration { return max(watchInterval, 10*took) }

// watch shows the identities whenever what is shown has changed, until the user
// stops it.
func (q *statusQuery) watch(ctx context.Context, format output.Format) error {
	var shown []byte
	warned := false
	for {
		began := time.Now()
		var err error
		shown, err = q.showChange(ctx, format, shown)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the user stopped it in the middle of a read
		}
		if err != nil {
			return err
		}
		if missing := q.missing(); missing != nil && !warned {
			q.session.warn(missing)
			warned = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause(time.Since(began))):
		}
	}
}
