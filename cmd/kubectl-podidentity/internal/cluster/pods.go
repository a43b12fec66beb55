package cluster

import (
	"context"
	"errors"
	"maps"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Pod returns the pod of that name in the chosen namespace.
func (c *Cluster) Pod(ctx context.Context, name string) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, pod)
	return pod, err
}

// ServiceAccount returns a ServiceAccount, nil if it does not exist.
func (c *Cluster) ServiceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	sa := &corev1.ServiceAccount{}
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, sa)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return sa, err
}

// NewPod returns what the API server, with all its admission webhooks, makes of a
// new pod of a ServiceAccount. It is a dry run: no pod is created. The labels and
// annotations are those of a pod like it, because webhooks select by them.
func (c *Cluster) NewPod(ctx context.Context, namespace, serviceAccount string, like *corev1.Pod) (*corev1.Pod, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "podidentity-probe-"},
		Spec: corev1.PodSpec{
			ServiceAccountName: serviceAccount,
			// The restricted Pod Security Standard requires this; admission may enforce it.
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot:   new(true),
				RunAsUser:      new(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "probe", Image: "registry.k8s.io/pause:3.10",
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false),
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
	if like != nil {
		pod.Labels = maps.Clone(like.Labels)
		pod.Annotations = map[string]string{}
		for key, value := range like.Annotations {
			if strings.HasPrefix(key, "eks.amazonaws.com/") && key != "eks.amazonaws.com/skip-containers" {
				pod.Annotations[key] = value
			}
		}
	}
	err := c.Create(ctx, pod, client.DryRunAll)
	return pod, err
}

// IdentityOf returns the PodIdentity that names a ServiceAccount, nil if none does
// or if the cluster has no PodIdentities.
func (c *Cluster) IdentityOf(ctx context.Context, namespace, serviceAccount string) (*v1alpha1.PodIdentity, error) {
	all, err := c.PodIdentities(ctx, namespace)
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found *v1alpha1.PodIdentity
	for i := range all {
		pi := &all[i]
		for _, name := range plan.ServiceAccountsOf(pi) {
			if name == serviceAccount && (found == nil || pi.CreationTimestamp.Before(&found.CreationTimestamp)) {
				found = pi // of two, the older one wins
			}
		}
	}
	return found, nil
}

// Token returns a new token of a ServiceAccount for an audience.
func (c *Cluster) Token(ctx context.Context, namespace, serviceAccount, audience string) (string, error) {
	const lifetime = 600 // seconds, the shortest that the API server gives
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{audience}, ExpirationSeconds: new(int64(lifetime)),
	}}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serviceAccount}}
	if err := c.SubResource("token").Create(ctx, sa, request); err != nil {
		return "", err
	}
	if request.Status.Token == "" {
		return "", errors.New("the API server returned no token")
	}
	return request.Status.Token, nil
}

// PodNames returns the names of the pods of the chosen namespace.
func (c *Cluster) PodNames(ctx context.Context) ([]string, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := c.List(ctx, list, client.InNamespace(c.Namespace)); err != nil {
		return nil, err
	}
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return names, nil
}
