package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/iampolicy"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/operator"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/internal/options"
)

// policyFlags are the flags of the command.
type policyFlags struct {
	iampolicy.Settings
	dir string
}

func newIAMPolicy(s *session) *cobra.Command {
	var f policyFlags
	cmd := &cobra.Command{
		Use:   "iam-policy [NAME]",
		Short: "Print the IAM policies that the operator needs in this cluster",
		Long: `Print the IAM policies that the operator needs, filled in for this cluster and AWS
account: its permissions (operator-policy), the trust policy of its role
(operator-trust-policy) and the permissions boundary of all roles (boundary-policy).
If the operator runs with --oidc-provider=Create or with --event-queue-url, it also
prints the additional permissions (operator-policy-oidc-provider,
operator-policy-event-queue). With NAME it prints only that document, for a pipe; with
--dir it writes all of them to files.

Values that no flag sets are read: the issuer from the cluster, the account and the
partition from AWS, and the rest from the operator's Deployment, if there is one.`,
		Example: `  kubectl podidentity iam-policy --cluster-name prod-eu --dir policies
  kubectl podidentity iam-policy operator-policy --cluster-name prod-eu
  kubectl podidentity iam-policy --cluster-name prod-eu --account-id 123456789012 --partition aws --issuer https://issuer.example.com`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return iamPolicy(cmd.Context(), s, f, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Cluster, "cluster-name", "", "Value of the operator's --cluster-name. Default: that of its Deployment.")
	flags.StringVar(&f.RolePath, "role-path", "", "Value of the operator's --role-path. Default: that of its Deployment, else /podidentity/CLUSTER/.")
	flags.StringVar(&f.BoundaryName, "boundary-name", "", "Name of the permissions boundary. Default: that of the Deployment, else "+iampolicy.DefaultBoundary+".")
	flags.BoolVar(&f.NoBoundary, "no-boundary", false, "The operator runs without --permissions-boundary. Default: as in its Deployment.")
	flags.BoolVar(&f.CreateProvider, "create-oidc-provider", false, "The operator runs with --oidc-provider=Create. Default: as in its Deployment.")
	flags.StringVar(&f.EventQueueURL, "event-queue-url", "", "Value of the operator's --event-queue-url. Default: that of its Deployment.")
	flags.StringVar(&f.Namespace, "operator-namespace", "", "Namespace of the operator. Default: that of its Deployment, else "+iampolicy.DefaultNamespace+".")
	flags.StringVar(&f.ServiceAccount, "operator-service-account", "", "ServiceAccount of the operator. Default: that of its Deployment, else "+iampolicy.DefaultServiceAccount+".")
	flags.StringVar(&f.EKSCluster, "eks-cluster", "", "Name of the cluster in EKS, if the operator gets its role through EKS Pod Identity.")
	flags.StringVar(&f.Issuer, "issuer", "", "URL of the cluster's OIDC issuer. Default: discovered from the API server.")
	flags.StringVar(&f.AccountID, "account-id", "", "AWS account. Default: that of your credentials.")
	flags.StringVar(&f.Partition, "partition", "", "AWS partition. Default: that of your credentials.")
	flags.StringVar(&f.dir, "dir", "", "Directory to write the documents to, as NAME.json.")
	return cmd
}

func iamPolicy(ctx context.Context, s *session, f policyFlags, args []string) error {
	format, err := s.format(output.JSON, output.YAML)
	if err != nil {
		return err
	}
	if err := s.complete(ctx, &f.Settings); err != nil {
		return err
	}
	documents, err := iampolicy.Documents(f.Settings)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		if documents, err = named(documents, args[0]); err != nil {
			return err
		}
	}
	if f.dir != "" {
		return writeDocuments(s, f.dir, documents)
	}
	return s.report(format, documents, func(p *output.Printer) { printDocuments(p, documents) })
}

// printDocuments prints one document as it is, for a pipe, and several with titles.
func printDocuments(p *output.Printer, documents []iampolicy.Document) {
	for i, d := range documents {
		if i > 0 {
			p.Line()
		}
		if len(documents) > 1 {
			p.Line(output.In(output.Bold, "# %s.json: %s", d.Name, d.Purpose))
		}
		for line := range strings.SplitSeq(strings.TrimRight(d.JSON, "\n"), "\n") {
			p.Line(output.T("%s", line))
		}
	}
}

// complete fills in the values that no flag sets.
func (s *session) complete(ctx context.Context, settings *iampolicy.Settings) error {
	if settings.Issuer == "" || settings.Cluster == "" {
		if err := s.completeFromCluster(ctx, settings); err != nil {
			return err
		}
	}
	if settings.Cluster == "" {
		return errors.New("--cluster-name is required: the cluster has no Deployment of the operator that sets it")
	}
	if settings.AccountID != "" && settings.Partition != "" && settings.EKSCluster == "" {
		return nil
	}
	a, err := s.account(ctx)
	if err != nil {
		return err
	}
	settings.Region = a.Region()
	caller, err := a.Caller(ctx)
	if err != nil {
		return err
	}
	setDefault(&settings.AccountID, caller.AccountID)
	setDefault(&settings.Partition, caller.Partition)
	return nil
}

func (s *session) completeFromCluster(ctx context.Context, settings *iampolicy.Settings) error {
	c, err := s.cluster()
	if err != nil {
		return err
	}
	in, err := c.Operator(ctx, settings.Namespace)
	if err != nil && settings.Cluster == "" {
		return err
	}
	if in != nil {
		fromInstallation(settings, in)
	}
	if settings.Issuer != "" {
		return nil
	}
	settings.Issuer, err = c.Issuer(ctx)
	return err
}

func fromInstallation(settings *iampolicy.Settings, in *operator.Installation) {
	setDefault(&settings.Namespace, in.Namespace)
	setDefault(&settings.ServiceAccount, in.ServiceAccount)
	o := in.Options
	if o.ClusterName == "" || settings.Cluster != "" && settings.Cluster != o.ClusterName {
		return // its options are not known, or are those of another cluster
	}
	setDefault(&settings.Cluster, o.ClusterName)
	setDefault(&settings.RolePath, o.RolePath)
	setDefault(&settings.Issuer, o.OIDCIssuer)
	setDefault(&settings.EventQueueURL, o.EventQueueURL)
	_, boundary, bounded := strings.Cut(o.PermissionsBoundary, ":policy/")
	setDefault(&settings.BoundaryName, boundary)
	settings.NoBoundary = settings.NoBoundary || !bounded && settings.BoundaryName == ""
	settings.CreateProvider = settings.CreateProvider || o.OIDCProvider == options.OIDCProviderCreate
}

func setDefault(to *string, value string) {
	if *to == "" {
		*to = value
	}
}

// named returns the document of that name.
func named(documents []iampolicy.Document, name string) ([]iampolicy.Document, error) {
	var names []string
	for _, d := range documents {
		if d.Name == strings.TrimSuffix(name, ".json") {
			return []iampolicy.Document{d}, nil
		}
		names = append(names, d.Name)
	}
	return nil, fmt.Errorf("invalid argument %q: must be one of %s", name, strings.Join(names, ", "))
}

func writeDocuments(s *session, dir string, documents []iampolicy.Document) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	p, err := s.printer()
	if err != nil {
		return err
	}
	for _, d := range documents {
		path := filepath.Join(dir, d.Name+".json")
		if err := os.WriteFile(path, []byte(d.JSON), 0o600); err != nil {
			return err
		}
		p.Line(output.T("%s: %s", path, d.Purpose))
	}
	return p.Err()
}
