package versions_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// guardrail forbids inline policies in the namespace of the sample; the canary tells
// when the API server knows it.
const guardrail = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentityGuardrail
metadata: {name: versions}
spec:
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
  namespaceTrust: Forbidden
`

const rejected = `
apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata: {name: wide, namespace: shop}
spec: {trust: {scope: Namespace}}
`

// rejectsAtAdmission proves that the schema, its rules and the admission policies are
// in force.
func (c *cluster) rejectsAtAdmission(t *testing.T) {
	t.Helper()
	c.kubectl(t, guardrail, "apply", "--filename=-")
	apply := func(manifest string) error {
		_, err := c.tryKubectl(t.Context(), manifest, "apply", "--dry-run=server", "--filename=-")
		return err
	}
	c.await(t, "the admission policy to reject what the guardrail forbids", func() bool {
		err := apply(rejected)
		return err != nil && strings.Contains(err.Error(), "rejected by PodIdentityGuardrail versions")
	})
	for name, tc := range map[string]struct{ spec, want string }{
		"Schema":    {`{deletionPolicy: Never}`, "spec.deletionPolicy"},
		"Rule":      {`{policies: {inline: [{name: a}]}}`, "exactly one of"},
		"Documents": {`{policies: {inline: [{name: a, document: "no"}]}}`, "are not JSON objects"},
	} {
		err := apply(strings.Replace(rejected, "{trust: {scope: Namespace}}", tc.spec, 1))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want it to be rejected with %q", name, err, tc.want)
		}
	}
}

// livesThroughAStory runs the operator with the permissions of the manifests: an
// identity becomes ready, its ServiceAccount is restored, a field selector finds it,
// and with it goes the role.
func (c *cluster) livesThroughAStory(t *testing.T) {
	t.Helper()
	admin := c.startOperator(t)
	sample := filepath.Join(root, "config", "samples", "iam_v1alpha1_podidentity.yaml")
	c.kubectl(t, "", "apply", "--server-side", "--filename="+sample)
	c.kubectl(t, "", "wait", "podid/checkout", "--namespace=shop", "--for=condition=Ready", "--timeout=60s")

	arn := c.field(t, "podid/checkout", "{.status.role.arn}")
	const annotation = `{.metadata.annotations.eks\.amazonaws\.com/role-arn}`
	if got := c.field(t, "serviceaccount/checkout", annotation); got == "" || got != arn {
		t.Errorf("ServiceAccount has the role %q, want %q", got, arn)
	}
	c.kubectl(t, "", "annotate", "serviceaccount/checkout", "--namespace=shop", "eks.amazonaws.com/role-arn-")
	c.await(t, "the annotation to be restored", func() bool { return c.field(t, "serviceaccount/checkout", annotation) == arn })

	if found := c.kubectl(t, "", "get", "podid", "--all-namespaces", "--field-selector=status.role.arn="+arn, "--output=name"); strings.TrimSpace(found) != "podidentity.iam.podidentity.io/checkout" {
		t.Errorf("A field selector with the role finds %q", found)
	}
	c.kubectl(t, "", "delete", "podid/checkout", "--namespace=shop", "--timeout=60s")
	roles, err := admin.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/podidentity/")})
	if err != nil || len(roles.Roles) != 0 {
		t.Errorf("roles after the deletion: %v, %v", roles, err)
	}
}

func (c *cluster) field(t *testing.T, object, path string) string {
	t.Helper()
	return c.kubectl(t, "", "get", object, "--namespace=shop", "--output=jsonpath="+path)
}

// startOperator starts an AWS account, which it returns an administrator of, and the
// operator as it is installed in both.
func (c *cluster) startOperator(t *testing.T) *iam.Client {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.CAData)
	server := httptest.NewServer(awslocal.New(awslocal.Options{
		Seed: 1, Account: account, RootCAs: pool, Authorize: true, AccessKeys: map[string]string{"local": "local"},
	}))
	t.Cleanup(server.Close)
	admin := iam.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	user, err := client.New(c.Config, client.Options{Scheme: clientgoscheme.Scheme})
	must(err)

	place := installation.Installation{Root: root, Cluster: "versions", AccountID: account, Issuer: c.Issuer}
	_, err = place.TrustIssuer(t.Context(), admin)
	must(err)
	granted, err := place.Grant(t.Context(), admin)
	must(err)
	kubeconfig, token := filepath.Join(t.TempDir(), "kubeconfig"), filepath.Join(t.TempDir(), "token")
	must(c.WriteKubeconfig(kubeconfig, installation.User()))
	must(installation.WriteToken(t.Context(), user, installation.Account(), token))
	env := installation.Credentials(granted.Role, token, region, server.URL)
	env["KUBECONFIG"] = kubeconfig
	free, err := controlplane.FreeAddresses(1)
	must(err)
	must(c.Run(t.Context(), controlplane.Program{
		Name: "operator",
		Path: c.binary,
		Args: []string{
			"--cluster-name=" + place.Cluster, "--permissions-boundary=" + granted.Boundary, "--leader-election-namespace=" + installation.Namespace,
			"--iam-propagation-delay=0s", "--health-probe-bind-address=" + free[0], "--metrics-bind-address=0",
		},
		Env:   controlplane.Environ(env),
		Ready: func(ctx context.Context) error { return get(ctx, "http://"+free[0]+"/readyz") },
	}))
	return admin
}

// get returns nil if the answer is 200 OK.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // nothing was read
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func (c *cluster) await(t *testing.T, what string, check func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) { return check(), nil })
	if err != nil {
		t.Fatalf("timed out waiting for %s", what)
	}
}
