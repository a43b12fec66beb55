package controllers

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// discovery asks the API server about itself.
type discovery struct{ client kubernetes.Interface }

func newDiscovery(mgr ctrl.Manager) (discovery, error) {
	client, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	return discovery{client: client}, err
}

// issuer returns the issuer of the cluster's ServiceAccount tokens, from the API
// server's own OIDC discovery document
// (https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery).
func (d discovery) issuer(ctx context.Context) (string, error) {
	raw, err := d.client.Discovery().RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("asking the API server: %w", err)
	}
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(raw, &document); err != nil || document.Issuer == "" {
		return "", fault.Errorf(fault.Blocked, v1alpha1.ReasonIssuerUnknown,
			"the API server's /.well-known/openid-configuration names no issuer; give it with --oidc-issuer")
	}
	return document.Issuer, nil
}
