package controllers

import (
	"context"

	"k8s.io/utils/clock"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// issuerPhase ensures that IAM trusts the tokens of this cluster. Its condition is
// IssuerReady.
type issuerPhase struct {
	clusterInfo *clusterInfo
	clock       clock.PassiveClock
}

// resolveCluster finds out what all identities of the cluster share.
func (p *issuerPhase) resolveCluster(ctx context.Context, s *scope) error {
	var err error
	s.cluster, err = p.clusterInfo.cluster(ctx)
	if err == nil {
		s.obj.Status.Issuer = s.cluster.Issuer
		s.owner = plan.OwnerOf(s.obj, s.cluster)
	}
	return err
}

// resolveClusterID finds out the ID of this cluster. Revocation and deletion need it to
// check the owner of a role, even if nothing else about the cluster is known.
func (p *issuerPhase) resolveClusterID(ctx context.Context, s *scope) error {
	var err error
	s.owner.ClusterID, err = p.clusterInfo.clusterID(ctx)
	return err
}

// requireProvider ensures that IAM trusts the cluster's tokens before a later phase
// creates anything that relies on it.
func (p *issuerPhase) requireProvider(ctx context.Context, s *scope) error {
	if s.requestToken != "" {
		// One check serves all objects that request one at the same time.
		p.clusterInfo.provider.invalidate(p.clock, clusterRetryInterval)
	}
	return p.clusterInfo.ensureProvider(ctx, s.cluster)
}
