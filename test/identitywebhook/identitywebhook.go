// Package identitywebhook runs AWS's amazon-eks-pod-identity-webhook next to a
// control plane, with a certificate of its own.
package identitywebhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// Options configure the webhook.
type Options struct {
	Module string // directory of the module that builds it
	Dir    string // for its files
	Region string // that it sets in pods
}

// Start builds the webhook, starts it, and returns the configuration by which the
// API server calls it for every new pod. The caller creates that.
func Start(ctx context.Context, cluster *controlplane.ControlPlane, o Options) (*admissionregistrationv1.MutatingWebhookConfiguration, error) {
	program := filepath.Join(o.Dir, "webhook")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/aws/amazon-eks-pod-identity-webhook")
	build.Dir = o.Module
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the webhook: %w\n%s", err, out)
	}
	free, err := controlplane.FreeAddresses(2) // after the build, so that they are free for long enough
	if err != nil {
		return nil, err
	}
	certificate, err := issue(o.Dir)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(free[0])
	if err != nil {
		return nil, err
	}
	_, metrics, err := net.SplitHostPort(free[1])
	if err != nil {
		return nil, err
	}
	err = cluster.Run(ctx, controlplane.Program{
		Name: "webhook",
		Path: program,
		Args: []string{
			"--in-cluster=false", "--kubeconfig=" + cluster.KubeconfigPath, "--port=" + port, "--metrics-port=" + metrics,
			"--tls-cert=" + filepath.Join(o.Dir, "tls.crt"), "--tls-key=" + filepath.Join(o.Dir, "tls.key"), "--aws-default-region=" + o.Region,
		},
		Ready: healthy(certificate, "https://"+free[0]+"/healthz"),
	})
	return configuration("https://"+free[0]+"/mutate", certificate), err
}

// Install creates a copy of the configuration.
func Install(ctx context.Context, admin client.Client, c *admissionregistrationv1.MutatingWebhookConfiguration) error {
	return admin.Create(ctx, c.DeepCopy())
}

func configuration(url string, certificate []byte) *admissionregistrationv1.MutatingWebhookConfiguration {
	fail, none := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone
	return &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "pod-identity-webhook"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name:          "pod-identity-webhook.amazonaws.com",
			FailurePolicy: &fail, SideEffects: &none, AdmissionReviewVersions: []string{"v1beta1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: certificate},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
		}},
	}
}

// issue writes a certificate for this machine, and its key, and returns the
// certificate.
func issue(dir string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pod-identity-webhook"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "tls.crt"), certificate, 0o600); err != nil {
		return nil, err
	}
	return certificate, os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}

// healthy returns a check of a URL, whose server has that certificate.
func healthy(certificate []byte, url string) func(context.Context) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	probe := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := probe.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}
