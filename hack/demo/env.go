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
)

// world is everything that runs.
type world struct {
	out        *teller
	dir        string // of all files, which are gone in the end
	logs       string // in dir
	private    string // in dir: keys, and what no user needs later
	cluster    *controlplane.ControlPlane
	kubeconfig string // of an administrator
	user       client.Client
	endpoint   string // of AWS
	iam        *iam.Client
	health     string               // of the operator
	granted    installation.Granted // to the operator, in AWS

	manifest string         // the sample
	role     string         // the name of its role
	own      map[string]int // AWS calls of the demo itself, as opposed to those of the operator
	reported map[string]int // AWS calls whose cost was printed
}

// open starts everything but the operator, with all files in dir. What it returns
// is to be closed, also if it failed.
func open(ctx context.Context, out *teller, dir string) (*world, error) {
	w := &world{out: out, dir: dir, logs: filepath.Join(dir, "logs"), private: filepath.Join(dir, "private"), own: map[string]int{}}
	if err := w.prepare(); err != nil {
		return w, err
	}
	out.chapter("A Kubernetes control plane and an AWS account on this machine")
	if err := w.startCluster(ctx); err != nil {
		return w, err
	}
	return w, w.startAWS(ctx)
}

// prepare makes the directories, and sees that what `make demo` provides is there.
func (w *world) prepare() error {
	for _, dir := range []string{w.logs, w.private} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	manifest, err := os.ReadFile(sample)
	for _, program := range []string{operatorBinary, endpointBinary} {
		_, missing := os.Stat(program)
		err = errors.Join(err, missing)
	}
	if err != nil {
		return fmt.Errorf("run this by `make demo` in the project's root: %w", err)
	}
	w.manifest = string(manifest)
	return nil
}

func (w *world) startCluster(ctx context.Context) error {
	began := time.Now()
	var err error
	w.cluster, err = controlplane.Start(ctx, controlplane.Options{LogDir: w.logs})
	if err != nil {
		return err
	}
	w.kubeconfig = w.cluster.KubeconfigPath
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if w.user, err = client.New(w.cluster.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	w.out.done("etcd, kube-apiserver and kube-controller-manager, after %s", seconds(time.Since(began)))
	return nil
}

// close ends every process.
func (w *world) close() error {
	if w.cluster == nil {
		return nil
	}
	return w.cluster.Stop()
}

// startAWS starts the AWS endpoint, which trusts the API server's certificate.
func (w *world) startAWS(ctx context.Context) error {
	free, err := controlplane.FreeAddresses(1)
	if err != nil {
		return err
	}
	address := free[0]
	w.endpoint = "http://" + address
	err = w.cluster.Run(ctx, controlplane.Program{
		Name:  "awslocal",
		Path:  endpointBinary,
		Args:  []string{"--listen", address, "--account", account, "--oidc-ca", w.cluster.CAFile, "--authorize", "--log"},
		Env:   controlplane.Environ(nil),
		Ready: func(ctx context.Context) error { return get(ctx, w.endpoint+"/_awslocal/calls", nil) },
	})
	if err != nil {
		return err
	}
	w.iam = iam.NewFromConfig(aws.Config{
		Region:       region,
		BaseEndpoint: &w.endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
	w.out.done("AWS account %s at %s", account, w.endpoint)
	return nil
}

// startOperator starts the operator's binary as the user, and with the rights,
// that config/rbac gives it in Kubernetes and config/aws in AWS.
func (w *world) startOperator(ctx context.Context) error {
	kubeconfig, token := filepath.Join(w.private, "operator.kubeconfig"), filepath.Join(w.private, "operator.token")
	if err := w.cluster.WriteKubeconfig(kubeconfig, installation.User()); err != nil {
		return err
	}
	if err := installation.WriteToken(ctx, w.user, installation.Account(), token); err != nil {
		return err
	}
	env := installation.Credentials(w.granted.Role, token, region, w.endpoint)
	env["KUBECONFIG"] = kubeconfig
	free, err := controlplane.FreeAddresses(1)
	if err != nil {
		return err
	}
	w.health = free[0]
	return w.cluster.Run(ctx, controlplane.Program{
		Name: "operator",
		Path: operatorBinary,
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + w.granted.Boundary, "--leader-election-namespace=" + installation.Namespace,
			"--iam-propagation-delay=1s", // this AWS endpoint knows a new role immediately
			"--health-probe-bind-address=" + w.health, "--metrics-bind-address=0", "--log-format=text",
		},
		Env:   controlplane.Environ(env),
		Ready: func(ctx context.Context) error { return get(ctx, "http://"+w.health+"/readyz", nil) },
	})
}

// kubectl runs the control plane's own kubectl, and returns what it prints.
func (w *world) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := w.cluster.Kubectl(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

func (w *world) apply(ctx context.Context, manifest string) error {
	_, err := w.kubectl(ctx, manifest, "apply", "--filename", "-")
	return err
}

// watch returns when ctx ends, or with an error when the operator does.
func (w *world) watch(ctx context.Context) error {
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			if err := w.operatorRuns(ctx); err != nil {
				return err
			}
		}
	}
}

// operatorRuns returns an error if the operator has been started and has ended.
func (w *world) operatorRuns(ctx context.Context) error {
	if w.health == "" {
		return nil
	}
	if err := get(ctx, "http://"+w.health+"/healthz", nil); errors.Is(err, syscall.ECONNREFUSED) {
		return errors.New("the operator has ended")
	}
	return nil
}

// costs tells, and returns, which AWS calls were made since it was last asked.
func (w *world) costs(ctx context.Context) (map[string]int, error) {
	calls, err := w.calls(ctx)
	if err != nil {
		return nil, err
	}
	cost := since(w.reported, calls)
	w.reported = calls
	w.out.cost(cost)
	return cost, nil
}

// calls returns the AWS calls so far, by action, without the story's own.
func (w *world) calls(ctx context.Context) (map[string]int, error) {
	calls := map[string]int{}
	err := get(ctx, w.endpoint+"/_awslocal/calls", &calls)
	return since(w.own, calls), err
}

// get asks a URL on this machine, and decodes the answer's JSON if into is given.
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
