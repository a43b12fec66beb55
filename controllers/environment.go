package controllers

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// account says which AWS account the operator works in.
type account interface {
	Identity(ctx context.Context) (plan.Account, error)
}

// providers is what the controller needs of IAM's OIDC providers.
type providers interface {
	// Provider returns the provider of that ARN, nil if there is none.
	Provider(ctx context.Context, arn string) (*plan.Provider, error)
	// CreateProvider makes the provider for an issuer and returns its ARN.
	CreateProvider(ctx context.Context, issuerURL, audience string, tags map[string]string) (string, error)
	// AddAudience has a provider accept tokens of that audience.
	AddAudience(ctx context.Context, arn, audience string) error
}

// clusterRetryInterval is how long a failure to learn about the cluster or its
// provider is taken for granted.
const clusterRetryInterval = 10 * time.Second

// clusterInfo is what all identities of the cluster share: the issuer of its
// tokens, the AWS account, and the IAM OIDC provider that joins the two.
type clusterInfo struct {
	config    Config
	discover  func(context.Context) (string, error)
	account   account
	providers providers
	clock     clock.PassiveClock

	facts    ttlCache[plan.Cluster]
	provider ttlCache[struct{}]
}

// cluster returns the facts about the cluster, found out at the first call that
// succeeds.
func (e *clusterInfo) cluster(ctx context.Context) (plan.Cluster, error) {
	return e.facts.get(ctx, e.clock, ttls{success: math.MaxInt64, failure: clusterRetryInterval}, e.discoverCluster)
}

func (e *clusterInfo) discoverCluster(ctx context.Context) (plan.Cluster, error) {
	issuer := e.config.OIDCIssuer
	if issuer == "" {
		var err error
		if issuer, err = e.discover(ctx); err != nil {
			return plan.Cluster{}, fmt.Errorf("finding the cluster's OIDC issuer: %w", err)
		}
	}
	if err := checkIssuer(issuer); err != nil {
		return plan.Cluster{}, err
	}
	account, err := e.account.Identity(ctx)
	if err != nil {
		return plan.Cluster{}, fmt.Errorf("finding the AWS account: %w", err)
	}
	return plan.Cluster{
		Name:      e.config.ClusterName,
		Partition: account.Partition,
		AccountID: account.ID,
		Issuer:    issuer,
		Audience:  e.config.Audience,
		RolePath:  e.config.RolePath,
		Boundary:  e.config.PermissionsBoundary,
	}, nil
}

// checkIssuer refuses an issuer that AWS could never reach.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err == nil && u.Scheme == "https" && u.Host != "" && u.RawQuery == "" && u.Fragment == "" {
		return nil
	}
	return fault.Errorf(fault.Blocked, v1alpha1.ReasonIssuerUnknown,
		"the cluster's OIDC issuer is %q; IAM needs an https:// URL without a query: set --service-account-issuer of the API server, or --oidc-issuer of the operator", issuer)
}

// ensureProvider ensures that IAM trusts the cluster's issuer for the audience.
// It looks again after a drift interval, and soon after a failure.
func (e *clusterInfo) ensureProvider(ctx context.Context, cluster plan.Cluster) error {
	good := ttls{success: e.config.DriftCheckInterval, failure: clusterRetryInterval}
	_, err := e.provider.get(ctx, e.clock, good, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, e.checkProvider(ctx, cluster)
	})
	return err
}

func (e *clusterInfo) checkProvider(ctx context.Context, cluster plan.Cluster) error {
	found, err := e.providers.Provider(ctx, cluster.ProviderARN())
	switch {
	case err != nil:
		return fmt.Errorf("checking the IAM OIDC provider: %w", err)
	case found == nil && e.config.CreateOIDCProvider:
		_, err := e.providers.CreateProvider(ctx, cluster.Issuer, cluster.Audience, map[string]string{
			plan.TagManagedBy: plan.ManagedBy,
			plan.TagCluster:   cluster.Name,
		})
		return err
	case found == nil:
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonOIDCProviderNotFound,
			"IAM has no OIDC provider for this cluster's issuer, so no pod can assume a role; create it with: aws iam create-open-id-connect-provider --url %s --client-id-list %s",
			cluster.Issuer, cluster.Audience)
	case slices.Contains(found.Audiences, cluster.Audience):
		return nil
	case e.config.CreateOIDCProvider:
		return e.providers.AddAudience(ctx, found.ARN, cluster.Audience)
	default:
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonAudienceMissing,
			"the IAM OIDC provider of this cluster's issuer does not accept the audience %s; add it with: aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn %s --client-id %s",
			cluster.Audience, found.ARN, cluster.Audience)
	}
}

// resolveCluster finds out what all identities share.
func (r *Reconciler) resolveCluster(ctx context.Context, s *scope) error {
	var err error
	s.cluster, err = r.clusterInfo.cluster(ctx)
	if err == nil {
		s.obj.Status.Issuer = s.cluster.Issuer
	}
	return err
}

// requireIssuer ensures that IAM trusts the cluster's tokens before anything is
// made that relies on it.
func (r *Reconciler) requireIssuer(ctx context.Context, s *scope) error {
	if s.requestToken != "" {
		r.clusterInfo.provider.invalidate(r.clock, clusterRetryInterval) // once for all who ask at the same time
	}
	err := r.clusterInfo.ensureProvider(ctx, s.cluster)
	if err != nil && fault.KindOf(err) == fault.Blocked {
		s.requeueAfter = 3 * clusterRetryInterval // somebody is likely at it
	}
	return err
}
