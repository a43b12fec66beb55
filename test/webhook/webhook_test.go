// Package webhook_test runs the whole chain with AWS's own parts: the real
// amazon-eks-pod-identity-webhook with a real API server, and the AWS SDK on
// exactly what the webhook injects into a pod.
package webhook_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/identitywebhook"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

const (
	clusterName = "test"
	region      = "eu-west-1"
)

// timeout is longer than the operator waits before it retries an error that a user must
// fix.
const timeout = 3 * time.Minute

// renewal is after how long the operator renews its credentials here: it does so 5
// minutes before they expire.
const renewal = 2 * time.Second

// env is a cluster with the operator and AWS's webhook, and an AWS account.
type env struct {
	*testenv.Env

	kubelet *kubelet // renews the operator's token
}

// in returns the environment for a subtest.
func (e *env) in(t *testing.T) *env {
	t.Helper()
	other := *e
	other.Env = e.In(t)
	return &other
}

// newEnv starts everything.
func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{Env: testenv.Start(t, testenv.ClusterOptions{Installed: true}).NewEnv(t, testenv.Options{
		AWS:     awslocal.Options{Region: region, Faults: awslocal.Faults{SessionDuration: awslocal.Duration(5*time.Minute + renewal)}},
		Timeout: timeout,
	})}
	e.startOperator()
	e.startWebhook()
	return e
}

// startOperator starts the operator with its own permissions, and with a token that the
// kubelet renews.
func (e *env) startOperator() {
	e.Helper()
	granted := e.Grant(e.Installation(clusterName))
	e.kubelet = &kubelet{cluster: e.ControlPlane, path: filepath.Join(e.TempDir(), "token")}
	e.Must(e.kubelet.start())
	e.Cleanup(func() { e.Must(e.kubelet.stop()) })
	e.StartBinary(testenv.Binary{
		Path: testenv.Build(e.T), Role: granted.Role, TokenFile: e.kubelet.path,
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + granted.Boundary, "--leader-elect=false",
			"--iam-propagation-delay=2s", "--drift-check-interval=1s",
		},
	})
}

// startWebhook starts AWS's webhook, and has the API server call it for every pod.
func (e *env) startWebhook() {
	e.Helper()
	webhook, err := identitywebhook.Start(e.Context(), e.ControlPlane, identitywebhook.Options{Module: "program", Dir: e.TempDir(), Region: region})
	e.Must(err)
	e.Must(identitywebhook.Install(e.Context(), e.Client, webhook))
}
