package command

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/chain"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/iampolicy"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/oidc"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/operator"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/preflight"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// examine reads all that the checks need. Only a cluster that cannot be reached ends
// it: any other failure is the problem of one check.
func examine(ctx context.Context, s *session, o doctorOptions) (preflight.Facts, error) {
	var f preflight.Facts
	c, err := s.cluster()
	if err != nil {
		return f, err
	}
	version, ahead, err := c.Version(ctx)
	if err != nil {
		return f, err
	}
	f.Version = version
	if f.Served, err = c.Served(ctx); err != nil {
		return f, err
	}
	examineOperator(ctx, c, o, &f)
	examineIssuer(ctx, c, &f)
	examineRest(ctx, c, &f)
	a, err := s.account(ctx)
	if err == nil {
		err = examineAWS(ctx, c, a, ahead, &f)
	}
	if err != nil {
		f.AWS, f.AWSProblem = nil, explain(err)
	}
	examineIdentities(ctx, c, &f)
	return f, ctx.Err()
}

// note returns the text of an error, and nothing for nil.
func note(err error) string {
	if err == nil {
		return ""
	}
	return explain(err)
}

func examineOperator(ctx context.Context, c *cluster.Cluster, o doctorOptions, f *preflight.Facts) {
	in, err := c.Operator(ctx, o.namespace)
	f.Operator, f.OperatorProblem = in, note(err)
	namespace := o.namespace
	switch {
	case in != nil:
		namespace = in.Namespace
	case namespace == "":
		namespace = iampolicy.DefaultNamespace
	}
	if in == nil && o.clusterName != "" {
		f.Operator = operator.Assumed(namespace, iampolicy.DefaultServiceAccount, o.clusterName, o.rolePath)
	}
	lease, err := c.OperatorLease(ctx, namespace)
	f.LeaseProblem = note(err)
	f.Leader, f.LeaderAlive = operator.Leader(lease, time.Now())
}

func examineIssuer(ctx context.Context, c *cluster.Cluster, f *preflight.Facts) {
	var err error
	f.Issuer, err = c.Issuer(ctx)
	f.IssuerProblem = note(err)
	if f.Operator != nil && f.Operator.Options.OIDCIssuer != "" {
		f.Issuer = f.Operator.Options.OIDCIssuer
	}
	if f.Issuer == "" {
		return
	}
	raw, err := c.Keys(ctx)
	if err == nil {
		f.Keys, err = oidc.Keys(raw)
	}
	f.KeysProblem = note(err)
	if strings.HasPrefix(f.Issuer, "https://") {
		f.Published, err = oidc.Fetch(ctx, http.DefaultClient, f.Issuer)
		if err != nil {
			f.PublishedProblem = strings.Join(strings.Fields(err.Error()), " ")
		}
	}
}

func examineRest(ctx context.Context, c *cluster.Cluster, f *preflight.Facts) {
	var err error
	f.Webhooks, err = c.PodIdentityWebhooks(ctx)
	f.WebhooksProblem = note(err)

	f.Guardrails, err = c.Guardrails(ctx)
	f.GuardrailsProblem = note(err)
	namespaces, err := c.Namespaces(ctx)
	if err != nil {
		f.GuardrailsProblem = note(err)
	}
	for i := range namespaces {
		f.Namespaces = append(f.Namespaces, preflight.Namespace{Name: namespaces[i].Name, Labels: namespaces[i].Labels})
	}
}

// examineIdentities reads the PodIdentities, after the roles: see orphan.Find.
func examineIdentities(ctx context.Context, c *cluster.Cluster, f *preflight.Facts) {
	identities, err := c.PodIdentities(ctx, "")
	f.IdentitiesProblem = note(err)
	for i := range identities {
		f.Identities = append(f.Identities, string(identities[i].UID))
	}
	system, err := c.NamespaceOf(ctx, metav1.NamespaceSystem)
	f.ClusterIDProblem = note(err)
	if system != nil {
		f.ClusterID = string(system.UID)
	}
}

func examineAWS(ctx context.Context, c *cluster.Cluster, a *account.Account, clusterAhead time.Duration, f *preflight.Facts) error {
	caller, callErr := a.Caller(ctx)
	walked, err := examineIdentity(ctx, c, a, f)
	if err != nil {
		return err
	}
	if callErr != nil {
		return callErr
	}
	f.AWS = &preflight.AWS{AccountID: caller.AccountID, Partition: caller.Partition}
	if ahead, known := a.ClockAhead(); known {
		f.ClockSkew = &preflight.Duration{Duration: clusterAhead - ahead}
	}
	if f.Issuer != "" {
		here := role.ARN{Partition: caller.Partition, AccountID: caller.AccountID}
		f.AWS.Provider, err = a.Provider(ctx, here.ProviderARN(strings.TrimPrefix(f.Issuer, "https://")))
		f.AWS.ProviderProblem = note(err)
	}
	if walked != nil && walked.Role != nil {
		f.AWS.OperatorRole = walked.Role
		f.AWS.OperatorRoleProblem = note(a.ReadPolicies(ctx, walked.Role))
	} else if walked != nil {
		f.AWS.OperatorRoleProblem = walked.RoleProblem
	}
	f.AWS.Queue = examineQueue(ctx, a, f.Operator)
	f.AWS.Summary, err = a.Quotas(ctx)
	f.AWS.SummaryProblem = note(err)
	all, err := a.Roles(ctx, "/")
	f.AWS.RolesProblem = note(err)
	if f.Operator != nil {
		o := f.Operator.Options
		for i := range all {
			if strings.HasPrefix(all[i].Path, o.RolePath) || all[i].Tags[plan.TagCluster] == o.ClusterName {
				f.AWS.Roles = append(f.AWS.Roles, all[i])
			}
		}
	}
	return nil
}

// examineQueue reads the operator's event queue, nil if it has none of AWS's.
func examineQueue(ctx context.Context, a *account.Account, in *operator.Installation) *preflight.Queue {
	if in == nil {
		return nil
	}
	named, err := iampolicy.QueueOf(in.Options.EventQueueURL)
	if err != nil {
		return nil
	}
	found, err := a.Queue(ctx, in.Options.EventQueueURL, named.Region)
	q := &preflight.Queue{Exists: found != nil, Problem: note(err)}
	if found != nil {
		q.Messages = found.Messages
	}
	return q
}

// examineIdentity walks from the operator's ServiceAccount to its role. It returns
// what AWS knows, nil if the walk ended before.
func examineIdentity(ctx context.Context, c *cluster.Cluster, a *account.Account, f *preflight.Facts) (*chain.AWS, error) {
	if f.Operator == nil {
		return nil, nil
	}
	facts, err := gatherAccount(ctx, c, f.Operator.Namespace, f.Operator.ServiceAccount)
	if err != nil {
		f.IdentityProblem = note(err)
		return nil, ctx.Err()
	}
	result := chain.Walk(facts)
	f.Identity = &result
	target, ok := chain.TargetOf(facts)
	if !ok || result.Broken != "" {
		return nil, nil
	}
	facts.AWS, err = readAWS(ctx, a, target, nil, false)
	if err != nil {
		if _, ofAWS := errors.AsType[*account.Error](err); ofAWS {
			return nil, nil // the other checks say so
		}
		return nil, err
	}
	result = chain.Walk(facts)
	f.Identity = &result
	return facts.AWS, nil
}
