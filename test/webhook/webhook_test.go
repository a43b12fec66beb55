// Package webhook_test runs the whole chain with AWS's own parts: the real
// amazon-eks-pod-identity-webhook with a real API server, and the AWS SDK on
// exactly what the webhook injects into a pod.
package webhook_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	// The test builds the operator, which the cache of go test does not know otherwise.
	_ "github.com/podidentity/podidentity-operator/controllers"
	_ "github.com/podidentity/podidentity-operator/internal/awsiam"
	_ "github.com/podidentity/podidentity-operator/internal/options"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/identitywebhook"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const (
	clusterName = "test"
	accountID   = "123456789012"
	region      = "eu-west-1"
)

// timeout is longer than the operator waits before it retries an error that a user must
// fix.
const timeout = 3 * time.Minute

// renewal is after how long the operator renews its credentials here: it does so 5
// minutes before they expire.
const renewal = 2 * time.Second

// world is a cluster with the operator and AWS's webhook, and an AWS account.
type world struct {
	*testing.T
	cluster *controlplane.ControlPlane
	user    client.WithWatch
	account *awslocal.Server
	aws     string   // endpoint
	kubelet *kubelet // renews the operator's token
}

// in returns the world for a story of its own.
func (w *world) in(t *testing.T) *world {
	t.Helper()
	other := *w
	other.T = t
	return &other
}

// open starts everything.
func open(t *testing.T) *world {
	t.Helper()
	w := &world{T: t}
	var err error
	w.cluster, err = controlplane.Start(t.Context(), controlplane.Options{CRDPaths: []string{"../../config/crd/bases"}})
	w.must(err)
	t.Cleanup(func() { w.must(w.cluster.Stop()) })
	scheme := runtime.NewScheme()
	w.must(clientgoscheme.AddToScheme(scheme))
	w.must(v1alpha1.AddToScheme(scheme))
	w.user, err = client.NewWithWatch(w.cluster.Config, client.Options{Scheme: scheme})
	w.must(err)
	w.startOperator(w.openAccount())
	w.startWebhook()
	return w
}

// openAccount opens an AWS account that trusts the cluster's issuer, with what the
// operator needs.
func (w *world) openAccount() installation.Granted {
	w.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.cluster.CAData)
	w.account = awslocal.New(awslocal.Options{
		Seed: 1, Account: accountID, RootCAs: pool, Authorize: true, AccessKeys: map[string]string{"admin": "secret"},
		Faults: awslocal.Faults{SessionDuration: awslocal.Duration(5*time.Minute + renewal)},
	})
	server := httptest.NewServer(w.account)
	w.Cleanup(server.Close)
	w.aws = server.URL
	admin := iam.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &w.aws, Credentials: credentials.NewStaticCredentialsProvider("admin", "secret", ""),
	})
	installed := installation.Installation{Root: "../..", Cluster: clusterName, AccountID: accountID, Issuer: w.cluster.Issuer}
	w.must(installed.Apply(w.Context(), w.cluster))
	_, err := installed.TrustIssuer(w.Context(), admin)
	w.must(err)
	granted, err := installed.Grant(w.Context(), admin)
	w.must(err)
	return granted
}

// build builds a program of a module in a directory, and returns its path.
func (w *world) build(dir, program string) string {
	w.Helper()
	path := filepath.Join(w.TempDir(), "program")
	cmd := exec.CommandContext(w.Context(), "go", "build", "-o", path, program)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("building %s: %v\n%s", program, err, out)
	}
	return path
}

// startOperator starts the operator with its own rights and with a token that the
// kubelet renews, and no other.
func (w *world) startOperator(granted installation.Granted) {
	w.Helper()
	dir := w.TempDir()
	w.kubelet = &kubelet{cluster: w.cluster, path: filepath.Join(dir, "token")}
	w.must(w.kubelet.start())
	w.Cleanup(func() { w.must(w.kubelet.stop()) })
	env := installation.Credentials(granted.Role, w.kubelet.path, region, w.aws)
	env["KUBECONFIG"] = filepath.Join(dir, "kubeconfig")
	w.must(w.cluster.WriteKubeconfig(env["KUBECONFIG"], installation.User()))
	program := w.build("../..", ".")
	free, err := controlplane.FreeAddresses(1)
	w.must(err)
	health := free[0]
	w.must(w.cluster.Run(w.Context(), controlplane.Program{
		Name: "operator",
		Path: program,
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + granted.Boundary, "--leader-elect=false",
			"--iam-propagation-delay=2s", "--drift-check-interval=1s",
			"--health-probe-bind-address=" + health, "--metrics-bind-address=0",
		},
		Env:   controlplane.Environ(env),
		Ready: func(ctx context.Context) error { return ask(ctx, http.DefaultClient, "http://"+health+"/readyz") },
	}))
}

// startWebhook starts AWS's webhook, and has the API server call it for every pod.
func (w *world) startWebhook() {
	w.Helper()
	webhook, err := identitywebhook.Start(w.Context(), w.cluster, identitywebhook.Options{Module: "program", Dir: w.TempDir(), Region: region})
	w.must(err)
	w.must(identitywebhook.Install(w.Context(), w.user, webhook))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// eventually waits until check says yes.
func (w *world) eventually(what string, check func() bool) {
	w.Helper()
	deadline := time.After(timeout)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for !check() {
		select {
		case <-poll.C:
		case <-deadline:
			w.Fatalf("timed out waiting for %s", what)
		}
	}
}

// ask returns nil if the answer is 200 OK.
func ask(ctx context.Context, c *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
