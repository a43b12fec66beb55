package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const (
	clusterName = "demo"
	account     = "123456789012"
	region      = "us-east-1"
	sample      = "config/samples/iam_v1alpha1_podidentity.yaml"

	operatorBinary = "bin/manager"
	endpointBinary = "bin/awslocal"
	pluginBinary   = "bin/kubectl-podidentity"
)

// environment is everything that runs.
type environment struct {
	out        *printer
	dir        string // of all files; deleted at the end
	logs       string // in dir
	private    string // in dir: keys, and files of no use after a failure
	plugin     string // directory of the kubectl plugin
	cluster    *controlplane.ControlPlane
	kubeconfig string // of an administrator
	user       client.Client
	endpoint   string // of AWS
	iam        *iam.Client
	health     string               // of the operator
	granted    installation.Granted // to the operator, in AWS

	manifest string         // the sample
	role     string         // the name of its role
	ownCalls map[string]int // AWS calls of the demo itself, not of the operator
	reported map[string]int // AWS calls already printed
}

// open starts everything except the operator, with all files in dir. The caller closes the
// result, even if open fails.
func open(ctx context.Context, out *printer, dir string) (*environment, error) {
	e := &environment{out: out, dir: dir, logs: filepath.Join(dir, "logs"), private: filepath.Join(dir, "private"), ownCalls: map[string]int{}}
	if err := e.createDirectories(); err != nil {
		return e, err
	}
	out.heading("A Kubernetes control plane and an AWS account on this machine")
	if err := e.startCluster(ctx); err != nil {
		return e, err
	}
	return e, e.startAWS(ctx)
}

// createDirectories creates the directories, and checks that the files that `make demo`
// builds exist.
func (e *environment) createDirectories() error {
	for _, dir := range []string{e.logs, e.private} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	manifest, err := os.ReadFile(sample)
	for _, program := range []string{operatorBinary, endpointBinary, pluginBinary} {
		_, missing := os.Stat(program)
		err = errors.Join(err, missing)
	}
	if err == nil {
		e.plugin, err = filepath.Abs(filepath.Dir(pluginBinary))
	}
	if err != nil {
		return fmt.Errorf("run this by `make demo` in the project's root: %w", err)
	}
	e.manifest = string(manifest)
	return nil
}

func (e *environment) startCluster(ctx context.Context) error {
	began := time.Now()
	var err error
	e.cluster, err = controlplane.Start(ctx, controlplane.Options{LogDir: e.logs})
	if err != nil {
		return err
	}
	e.kubeconfig = e.cluster.KubeconfigPath
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if e.user, err = client.New(e.cluster.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	e.out.done("etcd, kube-apiserver and kube-controller-manager, after %s", seconds(time.Since(began)))
	return nil
}

// close stops all processes.
func (e *environment) close() error {
	if e.cluster == nil {
		return nil
	}
	return e.cluster.Stop()
}

// startAWS starts the AWS endpoint, which trusts the API server's certificate.
func (e *environment) startAWS(ctx context.Context) error {
	free, err := controlplane.FreeAddresses(1)
	if err != nil {
		return err
	}
	address := free[0]
	e.endpoint = "http://" + address
	err = e.cluster.Run(ctx, controlplane.Program{
		Name:  "awslocal",
		Path:  endpointBinary,
		Args:  []string{"--listen", address, "--account", account, "--oidc-ca", e.cluster.CAFile, "--authorize", "--log"},
		Env:   controlplane.Environ(nil),
		Ready: func(ctx context.Context) error { return get(ctx, e.endpoint+"/_awslocal/calls", nil) },
	})
	if err != nil {
		return err
	}
	e.iam = iam.NewFromConfig(aws.Config{
		Region:       region,
		BaseEndpoint: &e.endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
	e.out.done("AWS account %s at %s", account, e.endpoint)
	return nil
}

// startOperator starts the operator's binary as the user of config/rbac, and with exactly
// the permissions that config/rbac and config/aws grant.
func (e *environment) startOperator(ctx context.Context) error {
	kubeconfig, token := filepath.Join(e.private, "operator.kubeconfig"), filepath.Join(e.private, "operator.token")
	if err := e.cluster.WriteKubeconfig(kubeconfig, installation.User()); err != nil {
		return err
	}
	if err := installation.WriteToken(ctx, e.user, installation.Account(), token); err != nil {
		return err
	}
	env := installation.Credentials(e.granted.Role, token, region, e.endpoint)
	env["KUBECONFIG"] = kubeconfig
	free, err := controlplane.FreeAddresses(1)
	if err != nil {
		return err
	}
	e.health = free[0]
	return e.cluster.Run(ctx, controlplane.Program{
		Name: "operator",
		Path: operatorBinary,
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + e.granted.Boundary, "--leader-election-namespace=" + installation.Namespace,
			"--iam-propagation-delay=1s", // this AWS endpoint knows a new role immediately
			"--health-probe-bind-address=" + e.health, "--metrics-bind-address=0", "--log-format=text",
		},
		Env:   controlplane.Environ(env),
		Ready: func(ctx context.Context) error { return get(ctx, "http://"+e.health+"/readyz", nil) },
	})
}

// kubectl runs the kubectl of the control plane, and returns its output.
func (e *environment) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := e.cluster.Kubectl(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

func (e *environment) apply(ctx context.Context, manifest string) error {
	_, err := e.kubectl(ctx, manifest, "apply", "--filename", "-")
	return err
}

// watch returns when ctx ends, or with an error when the operator exits.
func (e *environment) watch(ctx context.Context) error {
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			if err := e.operatorRuns(ctx); err != nil {
				return err
			}
		}
	}
}

// operatorRuns returns an error if the operator was started and has exited.
func (e *environment) operatorRuns(ctx context.Context) error {
	if e.health == "" {
		return nil
	}
	if err := get(ctx, "http://"+e.health+"/healthz", nil); errors.Is(err, syscall.ECONNREFUSED) {
		return errors.New("the operator has exited")
	}
	return nil
}

// costs prints and returns the AWS calls since its last call.
func (e *environment) costs(ctx context.Context) (map[string]int, error) {
	calls, err := e.calls(ctx)
	if err != nil {
		return nil, err
	}
	cost := since(e.reported, calls)
	e.reported = calls
	e.out.cost(cost)
	return cost, nil
}

// calls returns the AWS calls so far, by action, without those of the demo itself.
func (e *environment) calls(ctx context.Context) (map[string]int, error) {
	calls := map[string]int{}
	err := get(ctx, e.endpoint+"/_awslocal/calls", &calls)
	return since(e.ownCalls, calls), err
}

// get requests a URL, and decodes the JSON of the response unless into is nil.
func get(ctx context.Context, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
