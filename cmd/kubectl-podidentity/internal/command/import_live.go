package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/conversion"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/origin"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

func newImportRole(s *session) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "role NAME",
		Short: "Import a role of the AWS account",
		Long: `Import a role of the AWS account: one PodIdentity for each namespace of this cluster
that it trusts. It needs iam:GetRole, iam:ListAttachedRolePolicies,
iam:ListRolePolicies, iam:GetRolePolicy, iam:GetPolicy and iam:GetPolicyVersion.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.importLive(cmd.Context(), o, func(ctx context.Context, l live) (imported, error) {
				found, err := l.role(ctx, args[0])
				if err == nil && found == nil {
					err = fmt.Errorf("role %s does not exist in AWS account %s", args[0], l.caller.AccountID)
				}
				if err != nil {
					return imported{}, err
				}
				return convert(l.converter, []origin.Role{origin.OfAWS(found)}), nil
			})
		},
	}
	return o.addTo(cmd)
}

func newImportServiceAccount(s *session) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:     "serviceaccount [NAMESPACE/]NAME",
		Aliases: []string{"sa"},
		Short:   "Import the role of a ServiceAccount",
		Long: `Import the role that the annotation of a ServiceAccount names, whichever tool created it.
It needs the permissions of import role, and permission to read the ServiceAccount.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.importLive(cmd.Context(), o, func(ctx context.Context, l live) (imported, error) {
				namespace, name, ok := strings.Cut(args[0], "/")
				if !ok {
					namespace, name = l.cluster.Namespace, args[0]
				}
				sa, err := l.cluster.ServiceAccount(ctx, namespace, name)
				if err == nil && sa == nil {
					err = fmt.Errorf("ServiceAccount %s/%s does not exist; check the name and --namespace", namespace, name)
				}
				if err != nil {
					return imported{}, err
				}
				identity, err := l.account(ctx, sa)
				return imported{Identities: []conversion.Identity{identity}}, err
			})
		},
	}
	return o.addTo(cmd)
}

func newImportEksctl(s *session) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "eksctl",
		Short: "Import all ServiceAccounts that eksctl created",
		Long: `Import all ServiceAccounts of this cluster that eksctl created with a role: those with
its label, and those that the tags of roles name. It needs the permissions of import
role, permission to list ServiceAccounts, and iam:GetAccountAuthorizationDetails.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.importLive(cmd.Context(), o, importEksctl) },
	}
	return o.addTo(cmd)
}

// live is a cluster and an account to import from.
type live struct {
	cluster   *cluster.Cluster
	aws       *account.Account
	caller    account.Caller
	converter *conversion.Converter
}

// importLive imports from the cluster and AWS.
func (s *session) importLive(ctx context.Context, o importOptions, run func(context.Context, live) (imported, error)) error {
	if _, err := s.format(output.JSON); err != nil {
		return err
	}
	c, err := s.cluster()
	if err != nil {
		return err
	}
	a, err := s.account(ctx)
	if err != nil {
		return err
	}
	l := live{cluster: c, aws: a}
	if l.caller, err = a.Caller(ctx); err != nil {
		return err
	}
	known, err := s.liveCluster(ctx, l, o)
	if err != nil {
		return err
	}
	if l.converter, err = conversion.New(known, o.adopt); err != nil {
		return err
	}
	result, err := run(ctx, l)
	if err != nil {
		return err
	}
	return s.reportImported(result)
}

// liveCluster returns the facts of the cluster: all of them to adopt, else those that
// need no operator.
func (s *session) liveCluster(ctx context.Context, l live, o importOptions) (plan.Cluster, error) {
	if o.adopt {
		installed, err := s.clusterFacts(ctx, o.planOptions)
		return installed.Cluster, err
	}
	issuer, err := l.cluster.Issuer(ctx)
	return plan.Cluster{Issuer: issuer, Partition: l.caller.Partition, AccountID: l.caller.AccountID}, err
}

// role reads a role with its policies, nil if there is none.
func (l live) role(ctx context.Context, name string) (*role.Role, error) {
	found, err := l.aws.Role(ctx, name)
	if err != nil || found == nil {
		return nil, err
	}
	return found, l.aws.ReadPolicies(ctx, found)
}

// account returns the identity for a ServiceAccount with a role.
func (l live) account(ctx context.Context, sa *corev1.ServiceAccount) (conversion.Identity, error) {
	id := "ServiceAccount " + sa.Namespace + "/" + sa.Name
	annotation := sa.Annotations[plan.AnnotationRoleARN]
	if annotation == "" {
		return conversion.Identity{}, fmt.Errorf("%s has no annotation %s, so it has no role", id, plan.AnnotationRoleARN)
	}
	arn, ok := role.ParseARN(annotation)
	switch {
	case !ok:
		return conversion.Identity{}, fmt.Errorf("%s: annotation %s is %q, which is not the ARN of a role", id, plan.AnnotationRoleARN, annotation)
	case arn.AccountID != l.caller.AccountID:
		return conversion.Identity{}, fmt.Errorf("%s has a role of AWS account %s, but your credentials are of account %s; choose another --aws-profile", id, arn.AccountID, l.caller.AccountID)
	}
	found, err := l.role(ctx, arn.Name)
	if err == nil && found == nil {
		err = fmt.Errorf("%s: role %s does not exist in AWS", id, annotation)
	}
	if err != nil {
		return conversion.Identity{}, err
	}
	r := origin.OfAWS(found)
	r.Source = id
	return l.converter.ServiceAccount(sa, r), nil
}

// importEksctl imports the ServiceAccounts with eksctl's label, then those that only the
// tags of roles name.
func importEksctl(ctx context.Context, l live) (imported, error) {
	var r imported
	done := map[string]bool{} // by role ARN
	labelled, err := l.cluster.ServiceAccountsOfEksctl(ctx)
	if err != nil {
		return r, err
	}
	for i := range labelled {
		identity, err := l.account(ctx, &labelled[i])
		switch {
		case isFatal(err):
			return r, err
		case err != nil:
			r.Skipped = append(r.Skipped, err.Error())
		default:
			done[identity.RoleARN] = true
			r.Identities = append(r.Identities, identity)
		}
	}
	roles, err := l.aws.Roles(ctx, "/")
	if err != nil {
		return r, err
	}
	for i := range roles {
		if _, _, tagged := origin.EksctlAccount(&roles[i]); !tagged || done[roles[i].ARN] {
			continue
		}
		identities, err := l.tagged(ctx, roles[i].Name)
		if err != nil {
			return r, err
		}
		r.Identities = append(r.Identities, identities...)
	}
	return r, nil
}

// tagged returns the identities for a role with eksctl's tags, none if it is of another
// cluster or was deleted.
func (l live) tagged(ctx context.Context, name string) ([]conversion.Identity, error) {
	found, err := l.role(ctx, name)
	if err != nil || found == nil {
		return nil, err
	}
	identities, err := l.converter.Role(origin.OfAWS(found))
	if errors.Is(err, conversion.ErrNoServiceAccount) {
		return nil, nil
	}
	return identities, err
}

// isFatal reports whether err is about the user's access, not about one ServiceAccount.
func isFatal(err error) bool {
	_, ofAWS := errors.AsType[*account.Error](err)
	return ofAWS || cluster.Explain(err) != ""
}
