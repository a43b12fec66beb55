package cluster

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ServiceAccountsOfEksctl returns the ServiceAccounts of all namespaces that have
// eksctl's label.
// https://github.com/eksctl-io/eksctl/blob/main/pkg/kubernetes/serviceaccount.go
func (c *Cluster) ServiceAccountsOfEksctl(ctx context.Context) ([]corev1.ServiceAccount, error) {
	var list corev1.ServiceAccountList
	err := c.List(ctx, &list, client.MatchingLabels{"app.kubernetes.io/managed-by": "eksctl"})
	return list.Items, err
}
