package cluster

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/workload"
)

// Pods returns the pods of a namespace, of all if it is empty.
func (c *Cluster) Pods(ctx context.Context, namespace string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := c.List(ctx, &list, client.InNamespace(namespace))
	return list.Items, err
}

// ServiceAccounts returns the metadata of the ServiceAccounts of a namespace, of all
// if it is empty.
func (c *Cluster) ServiceAccounts(ctx context.Context, namespace string) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ServiceAccountList"))
	err := c.List(ctx, list, client.InNamespace(namespace))
	return list.Items, err
}

// Owners returns the controllers of the ReplicaSets of each namespace. They only
// make names better: a user who may not read them gets none.
func (c *Cluster) Owners(ctx context.Context, namespace string) (map[string]workload.Owners, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ReplicaSetList"))
	if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
		if apierrors.IsForbidden(err) {
			err = nil
		}
		return nil, err
	}
	found := map[string]workload.Owners{}
	for i := range list.Items {
		rs := &list.Items[i]
		if owner := metav1.GetControllerOf(rs); owner != nil {
			if found[rs.Namespace] == nil {
				found[rs.Namespace] = workload.Owners{}
			}
			found[rs.Namespace][rs.Name] = *owner
		}
	}
	return found, nil
}
