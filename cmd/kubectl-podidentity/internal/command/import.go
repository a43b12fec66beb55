package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/conversion"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/manifest"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/origin"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// importOptions are the flags of the command.
type importOptions struct {
	planOptions

	adopt bool
}

// imported is the result of the command.
type imported struct {
	Identities []conversion.Identity `json:"identities"`
	// Skipped are the roles that are not for pods of this cluster.
	Skipped []string `json:"skipped,omitempty"`
}

func newImport(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Print a PodIdentity for a role that another tool created",
		Long: `Print a PodIdentity for an existing role: of AWS, of eksctl, or from files of
Terraform, ACK or Crossplane. It changes nothing.

Settings that a PodIdentity cannot express become a comment in the YAML and a line on
standard error; then the exit code is 1. The API server accepts the rest, which grants
the same as the role.

When you apply the PodIdentity, the operator creates a second role next to the first
one, so that pods never lack permissions: see docs/migration.md. With --adopt the
operator adopts the existing role, which keeps its ARN, if the role is in the operator's
path; import prints the commands that allow it.`,
		Example: `  kubectl podidentity import serviceaccount shop/checkout
  kubectl podidentity import eksctl >identities.yaml
  terraform show -json | kubectl podidentity import terraform -f -`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("name what to import: role, serviceaccount, eksctl, terraform, ack or crossplane")
		},
	}
	cmd.AddCommand(newImportRole(s), newImportServiceAccount(s), newImportEksctl(s), newImportTerraform(s),
		newImportObjects(s, "ack", "ACK", "Role and Policy objects of ACK's IAM controller", origin.ACK),
		newImportObjects(s, "crossplane", "Crossplane", "Role, RolePolicyAttachment, RolePolicy and Policy objects of Crossplane", origin.Crossplane))
	return cmd
}

// addTo adds the flags that all kinds of import share.
func (o *importOptions) addTo(cmd *cobra.Command) *cobra.Command {
	flags := cmd.Flags()
	flags.BoolVar(&o.adopt, "adopt", false, "Let the operator adopt the role, and print the commands that allow it.")
	flags.StringVar(&o.clusterName, "cluster-name", "", "With --adopt: value of the operator's --cluster-name. Default: that of its Deployment.")
	flags.StringVar(&o.rolePath, "role-path", "", "With --adopt: value of the operator's --role-path. Default: that of its Deployment.")
	flags.StringVar(&o.namespace, "operator-namespace", "", "With --adopt: namespace of the operator. Default: any.")
	return cmd
}

func newImportTerraform(s *session) *cobra.Command {
	var o importOptions
	var file string
	cmd := &cobra.Command{
		Use:   "terraform -f STATE",
		Short: "Import the roles in a Terraform state",
		Long: `Import the roles for ServiceAccounts from a state file of Terraform or OpenTofu, or from
the output of terraform show -json. It needs neither a cluster nor AWS. It does not
import what is in AWS but not in the state.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.importRoles(cmd.Context(), o, func() (origin.Found, error) {
				raw, err := manifest.ReadFile(s.process.In, file)
				if err != nil {
					return origin.Found{}, err
				}
				roles, err := origin.Terraform(raw)
				return origin.Found{Roles: roles}, err
			})
		},
	}
	cmd.Flags().StringVarP(&file, "filename", "f", "", "State file, or - for standard input.")
	return o.addTo(cmd)
}

func newImportObjects(s *session, name, tool, objects string, read origin.Reader) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   name + " -f FILE | -k DIR",
		Short: "Import roles of " + tool,
		Long:  "Import the roles for ServiceAccounts among " + objects + ",\nfrom files or from the output of kubectl get -o yaml. The input must contain the objects\nthat they refer to, with their status. It needs neither a cluster nor AWS.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.importRoles(cmd.Context(), o, func() (origin.Found, error) {
				if err := o.check(); err != nil {
					return origin.Found{}, err
				}
				objects, faults, err := manifest.Read(s.process.In, o.source)
				if err == nil && len(faults) > 0 {
					err = fmt.Errorf("%s: %s", faults[0].File, faults[0].Message)
				}
				if err != nil {
					return origin.Found{}, err
				}
				return read(manifest.Unstructured(objects))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.source.Files, "filename", "f", nil, "File or directory with the objects, or - for standard input. May be repeated.")
	flags.StringVarP(&o.source.Kustomize, "kustomize", "k", "", "Directory with a kustomization.")
	flags.BoolVarP(&o.source.Recursive, "recursive", "R", false, "Also read the directories in a directory of -f.")
	return o.addTo(cmd)
}

// importRoles imports roles that are read from files. The cluster is needed only to
// adopt them.
func (s *session) importRoles(ctx context.Context, o importOptions, read func() (origin.Found, error)) error {
	if _, err := s.format(output.JSON); err != nil {
		return err
	}
	var known plan.Cluster
	if o.adopt {
		installed, err := s.clusterFacts(ctx, o.planOptions)
		if err != nil {
			return err
		}
		known = installed.Cluster
	}
	found, err := read()
	if err != nil {
		return err
	}
	converter, err := conversion.New(known, o.adopt)
	if err != nil {
		return err
	}
	result := convert(converter, found.Roles)
	result.Skipped = append(result.Skipped, found.Skipped...)
	return s.reportImported(result)
}

// convert converts roles. Those that no ServiceAccount uses are skipped.
func convert(c *conversion.Converter, roles []origin.Role) imported {
	var r imported
	for i := range roles {
		identities, err := c.Role(roles[i])
		if err != nil {
			r.Skipped = append(r.Skipped, err.Error())
			continue
		}
		r.Identities = append(r.Identities, identities...)
	}
	return r
}

// reportImported prints the identities, and on standard error what they lack.
func (s *session) reportImported(r imported) error {
	format, err := s.format(output.JSON)
	if err != nil {
		return err
	}
	if len(r.Identities) == 0 {
		if len(r.Skipped) == 1 {
			return errors.New(r.Skipped[0])
		}
		return fmt.Errorf("the input contains no role for a ServiceAccount; roles for something else: %d", len(r.Skipped))
	}
	if format == output.JSON {
		err = output.Encode(s.process.Out, format, r)
	} else {
		err = printImported(s.process.Out, r)
	}
	if err != nil {
		return err
	}
	printed := map[string]bool{} // a role for two namespaces has the same losses twice
	for _, identity := range r.Identities {
		for _, loss := range identity.Losses {
			line := "not expressed: " + output.Clean(identity.Source+": "+loss)
			if !printed[line] {
				fmt.Fprintln(s.process.Err, line)
			}
			printed[line] = true
		}
	}
	for _, skipped := range r.Skipped {
		fmt.Fprintln(s.process.Err, "skipped: "+output.Clean(skipped))
	}
	if len(printed) > 0 {
		return errFinding
	}
	return nil
}
