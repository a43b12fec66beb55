package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/client-go/discovery"
)

// Issuer returns the URL of the OIDC issuer of ServiceAccount tokens, as the API
// server documents it.
// https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
func (c *Cluster) Issuer(ctx context.Context) (string, error) {
	raw, err := c.raw(ctx, "/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return "", fmt.Errorf("the API server's OIDC discovery document cannot be read: %w", err)
	}
	if document.Issuer == "" {
		return "", errors.New("the API server's OIDC discovery document names no issuer")
	}
	return document.Issuer, nil
}

// Keys returns the API server's JSON Web Key Set.
func (c *Cluster) Keys(ctx context.Context) ([]byte, error) { return c.raw(ctx, "/openid/v1/jwks") }

// raw returns the answer to a GET of a path of the API server.
func (c *Cluster) raw(ctx context.Context, path string) ([]byte, error) {
	d, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		return nil, err
	}
	return d.RESTClient().Get().AbsPath(path).DoRaw(ctx)
}
