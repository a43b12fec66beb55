package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// Version returns the version of the API server, and how far its clock is ahead of
// this machine's, in whole seconds.
func (c *Cluster) Version(ctx context.Context) (version string, ahead time.Duration, err error) {
	client, err := rest.HTTPClientFor(c.config)
	if err != nil {
		return "", 0, err
	}
	base, _, err := rest.DefaultServerUrlFor(c.config)
	if err != nil {
		return "", 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base.String(), "/")+"/version", nil)
	if err != nil {
		return "", 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if response.StatusCode == http.StatusUnauthorized {
		return "", 0, apierrors.NewUnauthorized("")
	}
	var info struct {
		Version string `json:"gitVersion"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&info); err != nil || info.Version == "" {
		return "", 0, fmt.Errorf("the answer of %s/version cannot be read; is it an API server?", base)
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		ahead = time.Until(date)
	}
	return info.Version, ahead, nil
}

// Served returns the kinds of the operator's API that the cluster serves.
func (c *Cluster) Served(_ context.Context) ([]string, error) {
	d, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		return nil, err
	}
	list, err := d.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kinds []string
	for _, r := range list.APIResources {
		if !strings.Contains(r.Name, "/") {
			kinds = append(kinds, r.Kind)
		}
	}
	return kinds, nil
}

// PodIdentityWebhooks returns the names of the configurations that call AWS's pod
// identity webhook, by the name that its manifests and EKS give it.
func (c *Cluster) PodIdentityWebhooks(ctx context.Context) ([]string, error) {
	var list admissionregistrationv1.MutatingWebhookConfigurationList
	if err := c.List(ctx, &list); err != nil {
		return nil, err
	}
	const name = "pod-identity-webhook"
	var names []string
	for i := range list.Items {
		found := strings.Contains(list.Items[i].Name, name)
		for _, w := range list.Items[i].Webhooks {
			found = found || strings.Contains(w.Name, name)
		}
		if found {
			names = append(names, list.Items[i].Name)
		}
	}
	return names, nil
}

// Guardrails returns all guardrails.
func (c *Cluster) Guardrails(ctx context.Context) ([]v1alpha1.PodIdentityGuardrail, error) {
	var list v1alpha1.PodIdentityGuardrailList
	err := c.List(ctx, &list)
	return list.Items, err
}

// Namespaces returns the metadata of all namespaces.
func (c *Cluster) Namespaces(ctx context.Context) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	err := c.List(ctx, list)
	return list.Items, err
}
