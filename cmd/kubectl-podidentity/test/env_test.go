// Package plugin_test runs the kubectl plugin's own binary, found by kubectl, on a
// real control plane with AWS's webhook, the operator, and the project's AWS
// endpoint.
package plugin_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	// The test builds both binaries, which the cache of go test does not know otherwise.
	_ "github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/command"
	_ "github.com/podidentity/podidentity-operator/controllers"
	_ "github.com/podidentity/podidentity-operator/internal/awsiam"
	_ "github.com/podidentity/podidentity-operator/internal/options"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/identitywebhook"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const (
	root        = "../../.." // of the project
	clusterName = "test"
	accountID   = "123456789012"
	region      = "eu-west-1"

	// skipWebhook is a label of namespaces that the webhook does not select.
	skipWebhook = "podidentity.test/skip-webhook"

	timeout = 2 * time.Minute
)

// env is a cluster, an AWS account, and a user of both with the plugin in PATH.
type env struct {
	*testing.T
	cluster  *controlplane.ControlPlane
	user     client.Client
	account  *awslocal.Server
	endpoint string
	iam      *iam.Client
	sts      *sts.Client
	bin      string            // directory of the plugin
	vars     map[string]string // of the user's shell
	granted  installation.Granted
}

// newEnv starts the control plane and the AWS endpoint, and builds the plugin. The
// cluster has no CustomResourceDefinitions yet.
func newEnv(t *testing.T) *env {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	e := &env{T: t, bin: t.TempDir()}
	build(t, filepath.Join(e.bin, "kubectl-podidentity"), "..")
	var err error
	e.cluster, err = controlplane.Start(t.Context(), controlplane.Options{})
	e.must(err)
	t.Cleanup(func() { e.must(e.cluster.Stop()) })
	scheme := runtime.NewScheme()
	e.must(errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	e.user, err = client.New(e.cluster.Config, client.Options{Scheme: scheme})
	e.must(err)
	e.openAccount()
	e.vars = map[string]string{
		"KUBECONFIG": e.cluster.KubeconfigPath, "AWS_REGION": region, "AWS_ENDPOINT_URL": e.endpoint,
		"AWS_ACCESS_KEY_ID": "admin", "AWS_SECRET_ACCESS_KEY": "secret",
	}
	return e
}

// with returns the environment for a subtest.
func (e *env) with(t *testing.T) *env {
	t.Helper()
	other := *e
	other.T = t
	return &other
}

func (e *env) openAccount() {
	e.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(e.cluster.CAData)
	e.account = awslocal.New(awslocal.Options{
		Seed: 1, Account: accountID, RootCAs: pool, Authorize: true, AccessKeys: map[string]string{"admin": "secret"},
		Quotas: map[string]int{"RolesQuota": 5000},
	})
	server := httptest.NewServer(simulator{e.account})
	e.Cleanup(server.Close)
	e.endpoint = server.URL
	cfg := aws.Config{
		Region: region, BaseEndpoint: &e.endpoint, Credentials: credentials.NewStaticCredentialsProvider("admin", "secret", ""),
	}
	e.iam, e.sts = iam.NewFromConfig(cfg), sts.NewFromConfig(cfg)
}

// installOperator installs the operator as its users do, and starts its binary.
func (e *env) installOperator() {
	e.Helper()
	installed := e.installation()
	e.must(installed.Apply(e.Context(), e.cluster))
	_, err := installed.TrustIssuer(e.Context(), e.iam)
	e.must(err)
	e.granted, err = installed.Grant(e.Context(), e.iam)
	e.must(err)
	dir := e.TempDir()
	program := filepath.Join(dir, "operator")
	e.must(installation.Build(e.Context(), root, program))
	token := filepath.Join(dir, "token")
	e.must(installation.WriteToken(e.Context(), e.user, installation.Account(), token))
	vars := installation.Credentials(e.granted.Role, token, region, e.endpoint)
	vars["KUBECONFIG"] = filepath.Join(dir, "kubeconfig")
	e.must(e.cluster.WriteKubeconfig(vars["KUBECONFIG"], installation.User()))
	free, err := controlplane.FreeAddresses(1)
	e.must(err)
	e.must(e.cluster.Run(e.Context(), controlplane.Program{
		Name: "operator", Path: program,
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + e.granted.Boundary,
			"--leader-election-namespace=" + installation.Namespace, "--iam-propagation-delay=1s",
			"--health-probe-bind-address=" + free[0], "--metrics-bind-address=0",
		},
		Env: controlplane.Environ(vars),
		Ready: func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+free[0]+"/readyz", nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			return response.Body.Close()
		},
	}))
}

func (e *env) installation() installation.Installation {
	return installation.Installation{Root: root, Cluster: clusterName, AccountID: accountID, Issuer: e.cluster.Issuer}
}

// installWebhook has AWS's webhook called for new pods, but in namespaces labelled
// with skipWebhook.
func (e *env) installWebhook() {
	e.Helper()
	webhook, err := identitywebhook.Start(e.Context(), e.cluster, identitywebhook.Options{
		Module: root + "/test/webhook/program", Dir: e.TempDir(), Region: region,
	})
	e.must(err)
	webhook.Webhooks[0].NamespaceSelector = &metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: skipWebhook, Operator: metav1.LabelSelectorOpDoesNotExist}},
	}
	e.must(identitywebhook.Install(e.Context(), e.user, webhook))
}

func build(t *testing.T, path, program string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, program).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", program, err, out)
	}
}

// command returns kubectl with arguments, as the user would run it: with the plugin,
// and kubectl itself, in PATH.
func (e *env) command(vars map[string]string, args ...string) *exec.Cmd {
	e.Helper()
	all := maps.Clone(vars)
	all["PATH"] = strings.Join([]string{e.bin, e.cluster.AssetsDir, "/usr/bin", "/bin"}, ":")
	all["KUBECACHEDIR"] = e.TempDir()
	all["HOME"] = e.TempDir()
	cmd := exec.CommandContext(e.Context(), filepath.Join(e.cluster.AssetsDir, "kubectl"), args...)
	cmd.Env = controlplane.Environ(all)
	return cmd
}

// run is what a run of the plugin ended with.
type run struct {
	code           int
	stdout, stderr string
}

// kubectl runs kubectl podidentity as the user, with vars set in addition.
func (e *env) kubectl(vars map[string]string, args ...string) run {
	e.Helper()
	all := map[string]string{}
	for _, m := range []map[string]string{e.vars, vars} {
		maps.Copy(all, m)
	}
	cmd := e.command(all, append([]string{"podidentity"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	exited, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && !failed {
		e.Fatal(err)
	}
	r := run{stdout: stdout.String(), stderr: stderr.String()}
	if failed {
		r.code = exited.ExitCode()
	}
	return r
}

// decode reads the JSON that a run printed.
func (e *env) decode(r run, into any) {
	e.Helper()
	if err := json.Unmarshal([]byte(r.stdout), into); err != nil {
		e.Fatalf("no JSON: %v\nexit code %d\n%s\n%s", err, r.code, r.stdout, r.stderr)
	}
}

// oneLine fails the test unless the run ended with an error of one line that holds
// all of words, and with nothing that only a programmer understands.
func (e *env) oneLine(r run, words ...string) {
	e.Helper()
	if r.code != 2 || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "error: ") {
		e.Errorf("want exit code 2 and one line on standard error, got %d and:\n%s", r.code, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			e.Errorf("the error does not say %q: %s", word, r.stderr)
		}
	}
	for _, word := range []string{"goroutine", "operation error", "RequestID", "https response error", "panic"} {
		if strings.Contains(r.stderr+r.stdout, word) {
			e.Errorf("the output holds %q:\n%s%s", word, r.stdout, r.stderr)
		}
	}
}

func (e *env) namespace(name string, labels map[string]string) {
	e.Helper()
	e.must(e.user.Create(e.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}))
}

func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// eventually waits until check returns true.
func (e *env) eventually(what string, check func() bool) {
	e.Helper()
	deadline := time.After(timeout)
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for !check() {
		select {
		case <-poll.C:
		case <-deadline:
			e.Fatalf("timed out waiting for %s", what)
		}
	}
}

// trustPolicy returns a trust policy for web identities.
func trustPolicy(issuer, operator string, claims map[string]string) string {
	host := strings.TrimPrefix(issuer, "https://")
	conditions := map[string]string{}
	for claim, value := range claims {
		conditions[host+":"+claim] = value
	}
	raw, err := json.Marshal(map[string]any{
		"Version": "2012-10-17",
		"Statement": []any{map[string]any{
			"Effect":    "Allow",
			"Principal": map[string]string{"Federated": fmt.Sprintf("arn:aws:iam::%s:oidc-provider/%s", accountID, host)},
			"Action":    "sts:AssumeRoleWithWebIdentity",
			"Condition": map[string]any{operator: conditions},
		}},
	})
	if err != nil {
		panic(err)
	}
	return string(raw)
}
