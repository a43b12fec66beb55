// Package plugin_test runs the kubectl plugin's own binary, found by kubectl, on a
// real control plane with AWS's webhook, the operator, and the project's AWS
// endpoint.
package plugin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	// The test builds the plugin, which the cache of go test does not know otherwise.
	_ "github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/command"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/identitywebhook"
	"github.com/podidentity/podidentity-operator/test/installation"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

const (
	root        = "../../.." // of the project
	clusterName = "test"
	region      = "eu-west-1"

	// skipWebhook is a label of namespaces that the webhook does not select.
	skipWebhook = "podidentity.test/skip-webhook"
)

// env is a cluster, an AWS account, and a user of both with the plugin in PATH.
type env struct {
	*testenv.Env

	bin     string            // directory of the plugin
	vars    map[string]string // of the user's shell
	granted installation.Granted
}

// newEnv starts the control plane and the AWS endpoint, and builds the plugin. The
// cluster has no CustomResourceDefinitions yet.
func newEnv(t *testing.T) *env {
	t.Helper()
	cluster := testenv.Start(t, testenv.ClusterOptions{Bare: true})
	e := &env{bin: t.TempDir(), Env: cluster.NewEnv(t, testenv.Options{
		AWS:     awslocal.Options{Region: region, Quotas: map[string]int{"RolesQuota": 5000}},
		WrapAWS: func(account *awslocal.Server) http.Handler { return newBeyond(account) },
		Timeout: 2 * time.Minute,
	})}
	build(t, filepath.Join(e.bin, "kubectl-podidentity"), "..")
	admin := testenv.Administrator()
	e.vars = map[string]string{
		"KUBECONFIG": e.KubeconfigPath, "AWS_REGION": region, "AWS_ENDPOINT_URL": e.AWS.URL,
		"AWS_ACCESS_KEY_ID": admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY": admin.SecretAccessKey,
	}
	return e
}

// with returns the environment for a subtest.
func (e *env) with(t *testing.T) *env {
	t.Helper()
	other := *e
	other.Env = e.In(t)
	return &other
}

// installOperator installs the operator as its users do, and starts its binary.
func (e *env) installOperator() {
	e.Helper()
	e.Must(e.Installation(clusterName).Apply(e.Context(), e.ControlPlane))
	e.granted = e.Grant(e.Installation(clusterName))
	e.StartBinary(testenv.Binary{
		Path: testenv.Build(e.T), Role: e.granted.Role,
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + e.granted.Boundary,
			"--leader-election-namespace=" + installation.Namespace, "--iam-propagation-delay=1s",
		},
	})
}

// installWebhook has AWS's webhook called for new pods, but in namespaces labelled
// with skipWebhook.
func (e *env) installWebhook() {
	e.Helper()
	webhook, err := identitywebhook.Start(e.Context(), e.ControlPlane, identitywebhook.Options{
		Module: root + "/test/webhook/program", Dir: e.TempDir(), Region: region,
	})
	e.Must(err)
	webhook.Webhooks[0].NamespaceSelector = &metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: skipWebhook, Operator: metav1.LabelSelectorOpDoesNotExist}},
	}
	e.Must(identitywebhook.Install(e.Context(), e.Client, webhook))
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
	all["PATH"] = strings.Join([]string{e.bin, e.AssetsDir, "/usr/bin", "/bin"}, ":")
	all["KUBECACHEDIR"] = e.TempDir()
	all["HOME"] = e.TempDir()
	cmd := exec.CommandContext(e.Context(), filepath.Join(e.AssetsDir, "kubectl"), args...)
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
	e.Must(e.Client.Create(e.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}))
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
			"Principal": map[string]string{"Federated": fmt.Sprintf("arn:aws:iam::%s:oidc-provider/%s", testenv.AccountID, host)},
			"Action":    "sts:AssumeRoleWithWebIdentity",
			"Condition": map[string]any{operator: conditions},
		}},
	})
	if err != nil {
		panic(err)
	}
	return string(raw)
}
