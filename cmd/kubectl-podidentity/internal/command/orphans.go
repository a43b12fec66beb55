package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/orphan"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// orphansOptions are the flags of the command.
type orphansOptions struct {
	planOptions

	delete, yes, retained bool
}

func newOrphans(s *session) *cobra.Command {
	var o orphansOptions
	cmd := &cobra.Command{
		Use:   "orphans [ROLE...]",
		Short: "List the roles of this cluster without a PodIdentity, and delete them",
		Long: `List the roles that this cluster's operator created and whose PodIdentity does not
exist: leaked roles, which should have been deleted with it, and roles that
deletionPolicy: Retain kept. Roles with the tag of another cluster are never listed,
even if that cluster has the same name.

With --delete it asks for confirmation, and then deletes the leaked roles with your own
AWS credentials; with --retained it deletes the retained roles as well; with names it
deletes exactly those. Before each deletion it reads the role and the PodIdentity again,
and skips a role that has an owner by then. A retained role is listed as leaked until
the operator has tagged it: if AWS was unreachable at the deletion, until the next drift
check.

The exit code is 1 if there are leaked roles or, with --delete, if it skipped one.
Listing needs iam:GetAccountAuthorizationDetails, and permission to list PodIdentities
in the whole cluster. Deleting also needs iam:GetRole, iam:ListAttachedRolePolicies,
iam:ListRolePolicies, iam:ListInstanceProfilesForRole, iam:UpdateAssumeRolePolicy,
iam:DetachRolePolicy, iam:DeleteRolePolicy, iam:RemoveRoleFromInstanceProfile and
iam:DeleteRole.`,
		Example: `  kubectl podidentity orphans
  kubectl podidentity orphans --delete
  kubectl podidentity orphans --delete --yes prod_shop_checkout_1a2b3c4d`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return orphans(cmd.Context(), s, o, args) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.delete, "delete", false, "Delete the leaked roles, or those with the given names.")
	flags.BoolVarP(&o.yes, "yes", "y", false, "With --delete: do not ask.")
	flags.BoolVar(&o.retained, "retained", false, "With --delete: also delete the retained roles.")
	flags.StringVar(&o.namespace, "operator-namespace", "", "Namespace of the operator. Default: any.")
	flags.StringVar(&o.clusterName, "cluster-name", "", "Value of the operator's --cluster-name. Default: that of its Deployment.")
	flags.StringVar(&o.rolePath, "role-path", "", "Value of the operator's --role-path. Default: that of its Deployment, else /podidentity/CLUSTER/.")
	return cmd
}

// orphansResult is the result of the command.
type orphansResult struct {
	Cluster   string         `json:"cluster"`
	ClusterID string         `json:"clusterID"`
	AccountID string         `json:"accountID"`
	Roles     []orphanedRole `json:"roles"`
	// OtherCluster names the roles of another cluster with the same name.
	OtherCluster []string `json:"otherCluster,omitempty"`
}

// orphanedRole is an orphan, and what was done with it.
type orphanedRole struct {
	orphan.Orphan

	Deleted bool `json:"deleted,omitempty"`
	// Skipped is why it was not deleted.
	Skipped string `json:"skipped,omitempty"`
}

func orphans(ctx context.Context, s *session, o orphansOptions, names []string) error {
	format, err := s.format(output.JSON, output.YAML)
	if err != nil {
		return err
	}
	switch {
	case !o.delete && (o.yes || o.retained):
		return errors.New("--yes and --retained need --delete")
	case o.delete && !o.yes && format.Program():
		return errors.New("--delete asks before it deletes, which it cannot with --output; add --yes")
	}
	k, err := s.newKeeper(ctx, o.planOptions)
	if err != nil {
		return err
	}
	found, others, err := k.find(ctx)
	if err != nil {
		return err
	}
	r := orphansResult{Cluster: k.facts.Name, ClusterID: k.facts.ID, AccountID: k.facts.AccountID, OtherCluster: others}
	if !o.delete {
		return listOrphans(s, format, r, found, names)
	}
	selected, err := orphan.Selection{Names: names, Retained: o.retained}.Select(found)
	if err != nil {
		return err
	}
	return k.deleteAll(ctx, s, format, r, selected, o.yes)
}

func listOrphans(s *session, format output.Format, r orphansResult, found []orphan.Orphan, names []string) error {
	listed, err := orphan.Named(found, names)
	if err != nil {
		return err
	}
	r.Roles = rolesOf(listed)
	if err := s.report(format, r, func(p *output.Printer) { printOrphans(p, r) }); err != nil {
		return err
	}
	for _, o := range listed {
		if o.State == orphan.Leaked {
			return errFinding
		}
	}
	return nil
}

func rolesOf(found []orphan.Orphan) []orphanedRole {
	roles := make([]orphanedRole, len(found))
	for i, o := range found {
		roles[i].Orphan = o
	}
	return roles
}

// keeper finds and deletes the orphans of a cluster.
type keeper struct {
	cluster *cluster.Cluster
	account *account.Account
	facts   plan.Cluster
}

func (s *session) newKeeper(ctx context.Context, o planOptions) (*keeper, error) {
	facts, err := s.clusterFacts(ctx, o)
	if err != nil {
		return nil, err
	}
	c, err := s.cluster()
	if err != nil {
		return nil, err
	}
	a, err := s.account(ctx)
	return &keeper{cluster: c, account: a, facts: facts.Cluster}, err
}

// find reads the roles, then the objects: see orphan.Find.
func (k *keeper) find(ctx context.Context) (found []orphan.Orphan, others []string, err error) {
	roles, err := k.account.Roles(ctx, k.facts.RolePath)
	if err != nil {
		return nil, nil, err
	}
	identities, err := k.cluster.PodIdentities(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	return orphan.Find(k.facts, roles, uidsOf(identities)), orphan.OfOtherCluster(k.facts, roles), nil
}

func uidsOf(identities []v1alpha1.PodIdentity) map[string]bool {
	uids := map[string]bool{}
	for i := range identities {
		uids[string(identities[i].UID)] = true
	}
	return uids
}

// deleteAll deletes the selected roles after the user has agreed. What it did is
// reported, also if it ends with an error.
func (k *keeper) deleteAll(ctx context.Context, s *session, format output.Format, r orphansResult, selected []orphan.Orphan, yes bool) error {
	r.Roles = rolesOf(selected)
	if !yes && len(selected) > 0 {
		if agreed, err := confirmDeletion(s, r); err != nil || !agreed {
			return err
		}
	}
	var failed error
	for i := range r.Roles {
		one := &r.Roles[i]
		if failed != nil {
			one.Skipped = "an error ended the deletion before"
			continue
		}
		if one.Skipped, failed = k.deleteOne(ctx, one.Orphan); failed != nil {
			one.Skipped = explain(failed)
		}
		one.Deleted = one.Skipped == ""
	}
	if err := s.report(format, r, func(p *output.Printer) { printDeleted(p, r) }); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	for i := range r.Roles {
		if !r.Roles[i].Deleted {
			return errFinding
		}
	}
	return nil
}

// deleteOne deletes a role, unless it is no longer the orphan that was found: then it
// returns why it is left.
func (k *keeper) deleteOne(ctx context.Context, o orphan.Orphan) (left string, err error) {
	now, err := k.account.Role(ctx, o.Name)
	if err != nil {
		return "", err
	}
	uid, err := k.ownerUID(ctx, o)
	if err != nil {
		return "", err
	}
	if left := o.Changed(k.facts, now, uid); left != "" {
		return left, nil
	}
	managed, inline, profiles, err := k.account.Attachments(ctx, o.Name)
	if err != nil {
		return "", err
	}
	return "", k.account.Teardown(ctx, o.Name, orphan.Teardown(now, managed, inline, profiles))
}

// ownerUID returns the UID of the PodIdentity with the name of the owner, "" if there
// is none.
func (k *keeper) ownerUID(ctx context.Context, o orphan.Orphan) (string, error) {
	if len(validation.IsDNS1123Label(o.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(o.PodIdentity)) > 0 {
		return "", nil // the tags name no object
	}
	pi := &v1alpha1.PodIdentity{}
	err := k.cluster.Get(ctx, types.NamespacedName{Namespace: o.Namespace, Name: o.PodIdentity}, pi)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	return string(pi.UID), err
}

// confirmDeletion shows what would be deleted, and asks.
func confirmDeletion(s *session, r orphansResult) (bool, error) {
	p, err := s.printer()
	if err != nil {
		return false, err
	}
	printOrphans(p, r)
	if p.Err() != nil {
		return false, p.Err()
	}
	fmt.Fprintf(s.process.Err, "Delete %s in AWS account %s? Workloads that still use one lose its permissions. [y/N] ", countOf(len(r.Roles), "role", "roles"), output.Clean(r.AccountID))
	answer, err := bufio.NewReader(s.process.In).ReadString('\n')
	if err != nil && answer == "" {
		fmt.Fprintln(s.process.Err)
		if errors.Is(err, io.EOF) {
			return false, errors.New("nothing was deleted, because the confirmation was not answered; --yes deletes without confirmation")
		}
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	default:
		fmt.Fprintln(s.process.Err, "Nothing was deleted.")
		return false, errFinding
	}
}
