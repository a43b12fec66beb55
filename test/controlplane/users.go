package controlplane

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// A User is an identity with which the API server can be called. RBAC knows a
// ServiceAccount by the name system:serviceaccount:<namespace>:<name>.
type User struct {
	Name   string
	Groups []string
}

// admin has all permissions; RBAC is not evaluated.
func admin() User { return User{Name: "admin", Groups: []string{"system:masters"}} }

// ConfigFor returns how to call the API server as a user. It has no client-side
// rate limit, as a test waits for what it does.
func (c *ControlPlane) ConfigFor(u User) (*rest.Config, error) {
	cert, key, err := c.ca.issue(pkix.Name{CommonName: u.Name, Organization: u.Groups}, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return nil, fmt.Errorf("making a certificate for user %s: %w", u.Name, err)
	}
	return &rest.Config{
		Host:            c.URL,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.CAData, CertData: cert, KeyData: key},
		QPS:             -1,
	}, nil
}

// WriteKubeconfig writes a kubeconfig file for a user. It holds all that is
// needed, and refers to no other file.
func (c *ControlPlane) WriteKubeconfig(path string, u User) error {
	config, err := c.ConfigFor(u)
	if err != nil {
		return err
	}
	return writeKubeconfig(path, u.Name, config)
}

func writeKubeconfig(path, user string, config *rest.Config) error {
	const name = "controlplane"
	raw, err := clientcmd.Write(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {
			Server:                   config.Host,
			CertificateAuthorityData: config.CAData,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{user: {
			ClientCertificateData: config.CertData,
			ClientKeyData:         config.KeyData,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: user}},
		CurrentContext: name,
	})
	if err != nil {
		return fmt.Errorf("writing the kubeconfig of user %s: %w", user, err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig of user %s: %w", user, err)
	}
	return nil
}
