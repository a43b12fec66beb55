package cluster

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// PodIdentities returns the PodIdentities of a namespace, of all if it is empty,
// sorted by namespace and name.
func (c *Cluster) PodIdentities(ctx context.Context, namespace string) ([]v1alpha1.PodIdentity, error) {
	var list v1alpha1.PodIdentityList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	return list.Items, nil // the API server sorts
}

// PodIdentity returns the PodIdentity of that name in the chosen namespace.
func (c *Cluster) PodIdentity(ctx context.Context, name string) (*v1alpha1.PodIdentity, error) {
	pi := &v1alpha1.PodIdentity{}
	err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, pi)
	return pi, err
}
