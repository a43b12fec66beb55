package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// account identifies the AWS account of the operator.
type account interface {
	Identity(ctx context.Context) (plan.Account, error)
}

// providers manages the OIDC providers of IAM.
type providers interface {
	// Provider returns the provider with that ARN, nil if there is none.
	Provider(ctx context.Context, arn string) (*plan.Provider, error)
	// CreateProvider creates the provider for an issuer and returns its ARN.
	CreateProvider(ctx context.Context, issuerURL, audience string, tags map[string]string) (string, error)
	// AddAudience adds an audience to those that a provider accepts.
	AddAudience(ctx context.Context, arn, audience string) error
}

// clusterRetryInterval is the time after which the operator retries a failed
// discovery of the cluster or its OIDC provider.
const clusterRetryInterval = 10 * time.Second

// clusterInfo holds what all identities of the cluster share: the issuer of its
// tokens, the AWS account, and the IAM OIDC provider that links the two.
type clusterInfo struct {
	config    Config
	discover  func(context.Context) (string, error)
	account   account
	providers providers
	apiReader client.Reader
	clock     clock.PassiveClock

	id       ttlCache[string]
	facts    ttlCache[plan.Cluster]
	provider ttlCache[struct{}]
}

// cluster returns the facts about the cluster. The first call that succeeds
// discovers them; later calls return the same.
func (c *clusterInfo) cluster(ctx context.Context) (plan.Cluster, error) {
	return c.facts.get(ctx, c.clock, ttls{success: math.MaxInt64, failure: clusterRetryInterval}, c.discoverCluster)
}

// clusterID returns the UID of the namespace kube-system, which identifies the cluster.
// It calls the API server only, so that a deletion can rely on it while AWS is
// unreachable.
func (c *clusterInfo) clusterID(ctx context.Context) (string, error) {
	return c.id.get(ctx, c.clock, ttls{success: math.MaxInt64}, func(ctx context.Context) (string, error) {
		namespace := namespaceObject()
		if err := c.apiReader.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, namespace); err != nil {
			return "", fmt.Errorf("reading the cluster's ID, the UID of namespace kube-system: %w", err)
		}
		return string(namespace.UID), nil
	})
}

func (c *clusterInfo) discoverCluster(ctx context.Context) (plan.Cluster, error) {
	issuer := c.config.OIDCIssuer
	if issuer == "" {
		var err error
		if issuer, err = c.discover(ctx); err != nil {
			return plan.Cluster{}, fmt.Errorf("discovering the OIDC issuer: %w", err)
		}
	}
	if err := checkIssuer(issuer); err != nil {
		return plan.Cluster{}, err
	}
	id, err := c.clusterID(ctx)
	if err != nil {
		return plan.Cluster{}, err
	}
	account, err := c.account.Identity(ctx)
	if err != nil {
		return plan.Cluster{}, fmt.Errorf("determining the AWS account: %w", err)
	}
	return plan.Cluster{
		Name:        c.config.ClusterName,
		ID:          id,
		AdoptFrom:   c.config.AdoptFromClusterID,
		IgnoredTags: c.config.IgnoredTagPrefixes,
		Partition:   account.Partition,
		AccountID:   account.ID,
		Issuer:      issuer,
		Audience:    c.config.Audience,
		RolePath:    c.config.RolePath,
		Boundary:    c.config.PermissionsBoundary,
	}, nil
}

// checkIssuer rejects an issuer that IAM does not accept.
func checkIssuer(issuer string) error {
	if _, err := policy.IssuerHostPath(issuer); err != nil {
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonIssuerUnknown,
			"%w; set --service-account-issuer of the API server, or --oidc-issuer of the operator", err)
	}
	return nil
}

// ensureProvider ensures that IAM trusts the cluster's issuer for the audience. It
// returns the result of the last check, which the providerChecker renews, and checks
// itself if there is none or if AWS did not answer.
func (c *clusterInfo) ensureProvider(ctx context.Context, cluster plan.Cluster) error {
	renewed := 2 * c.config.DriftCheckInterval
	ttl := ttls{success: renewed, blocked: renewed, failure: clusterRetryInterval}
	_, err := c.provider.get(ctx, c.clock, ttl, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.checkProvider(ctx, cluster)
	})
	return err
}

func (c *clusterInfo) checkProvider(ctx context.Context, cluster plan.Cluster) error {
	found, err := c.providers.Provider(ctx, cluster.ProviderARN())
	switch {
	case err != nil:
		return fmt.Errorf("checking the IAM OIDC provider: %w", err)
	case found == nil && c.config.CreateOIDCProvider:
		_, err := c.providers.CreateProvider(ctx, cluster.Issuer, cluster.Audience, map[string]string{
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
	case c.config.CreateOIDCProvider:
		return c.providers.AddAudience(ctx, found.ARN, cluster.Audience)
	default:
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonAudienceMissing,
			"the IAM OIDC provider of this cluster's issuer does not accept the audience %s; add it with: aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn %s --client-id %s",
			cluster.Audience, found.ARN, cluster.Audience)
	}
}

// discovery queries the API server for its OIDC discovery document.
type discovery struct{ client kubernetes.Interface }

func newDiscovery(mgr ctrl.Manager) (discovery, error) {
	clientset, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	return discovery{client: clientset}, err
}

// issuer returns the issuer of the cluster's ServiceAccount tokens
// (https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery).
func (d discovery) issuer(ctx context.Context) (string, error) {
	raw, err := d.client.Discovery().RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("querying the API server: %w", err)
	}
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(raw, &document); err != nil || document.Issuer == "" {
		return "", fault.Errorf(fault.Blocked, v1alpha1.ReasonIssuerUnknown,
			"the API server's /.well-known/openid-configuration does not contain an issuer; set --oidc-issuer")
	}
	return document.Issuer, nil
}
