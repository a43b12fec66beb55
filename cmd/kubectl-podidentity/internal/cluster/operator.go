package cluster

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/operator"
)

// Operator returns the operator's installation, nil if there is none. An empty
// namespace means all.
func (c *Cluster) Operator(ctx context.Context, namespace string) (*operator.Installation, error) {
	var list appsv1.DeploymentList
	err := c.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{operator.Label: operator.LabelValue})
	if err != nil || len(list.Items) == 0 {
		return nil, err
	}
	found := operator.Of(&list.Items[0])
	return &found, nil
}

// OperatorLease returns the Lease by which the operator's replicas elect a leader,
// nil if there is none.
func (c *Cluster) OperatorLease(ctx context.Context, namespace string) (*coordinationv1.Lease, error) {
	lease := &coordinationv1.Lease{}
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: operator.LeaseName}, lease)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return lease, err
}
