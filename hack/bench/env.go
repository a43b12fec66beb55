package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// region that requests are signed for.
const region = "us-east-1"

// world is all that runs apart from the operator.
type world struct {
	scale    scale
	dir      string // of all files; logs are in it
	cluster  *controlplane.ControlPlane
	user     client.WithWatch
	raw      *rest.RESTClient // of the API server's metrics
	endpoint string           // of AWS
	iam      *iam.Client
	tracker  *tracker
	operator *operator // nil while none runs
}

// open starts everything but the operator. What it returns is to be closed, also
// if it failed.
func open(ctx context.Context, p scale) (*world, error) {
	ctrllog.SetLogger(logr.Discard())
	w := &world{scale: p}
	var err error
	if w.dir, err = os.MkdirTemp("", "podidentity-bench-"); err != nil {
		return w, err
	}
	say("Starting a Kubernetes control plane and an AWS account on this machine")
	w.cluster, err = controlplane.Start(ctx, controlplane.Options{LogDir: w.dir, CRDPaths: []string{p.crds}})
	if err != nil {
		return w, err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return w, err
	}
	if w.user, err = client.NewWithWatch(w.cluster.Config, client.Options{Scheme: scheme}); err != nil {
		return w, err
	}
	if w.raw, err = rest.UnversionedRESTClientFor(unversioned(w.cluster.Config)); err != nil {
		return w, err
	}
	if err := w.startAWS(ctx); err != nil {
		return w, err
	}
	w.tracker, err = track(ctx, w.cluster.Config, scheme)
	return w, err
}

// unversioned returns how to ask for what is no resource.
func unversioned(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	c.NegotiatedSerializer = clientgoscheme.Codecs.WithoutConversion()
	return c
}

// startAWS starts the AWS endpoint, with a provider for the cluster's issuer.
func (w *world) startAWS(ctx context.Context) error {
	free, err := controlplane.FreeAddresses(1)
	if err != nil {
		return err
	}
	address := free[0]
	w.endpoint = "http://" + address
	err = w.cluster.Run(ctx, controlplane.Program{
		Name: "awslocal",
		Path: w.scale.endpoint,
		Args: []string{
			"--listen", address, "--account", "123456789012", "--oidc-ca", w.cluster.CAFile,
			"--quota", "RolesQuota=100000",
		},
		Env:   controlplane.Environ(nil),
		Ready: func(ctx context.Context) error { _, err := w.calls(ctx); return err },
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
	return w.newAccount(ctx)
}

// newAccount empties the AWS account.
func (w *world) newAccount(ctx context.Context) error {
	if err := post(ctx, w.endpoint+"/_awslocal/reset", nil); err != nil {
		return err
	}
	_, err := w.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: &w.cluster.Issuer, ClientIDList: []string{"sts.amazonaws.com"},
	})
	return err
}

// setFaults has AWS behave that way from now on.
func (w *world) setFaults(ctx context.Context, f awslocal.Faults) error {
	return post(ctx, w.endpoint+"/_awslocal/faults", f)
}

// latency is what AWS takes to answer while figures are measured.
const latency = 80 * time.Millisecond

// The bucket of calls that an account is given where a figure says so, in calls a
// second and calls in a burst.
const (
	bucketRate  = 20
	bucketBurst = 40
)

// The conditions that figures are measured under.
var (
	calm   = awslocal.Faults{Latency: awslocal.Duration(latency)}
	narrow = awslocal.Faults{
		Latency:   awslocal.Duration(latency),
		Throttles: []awslocal.Throttle{{Action: "*", Rate: bucketRate, Burst: bucketBurst}},
	}
)

// calls returns the calls of AWS so far, by action.
func (w *world) calls(ctx context.Context) (map[string]int, error) {
	calls := map[string]int{}
	body, err := get(ctx, w.endpoint+"/_awslocal/calls")
	if err != nil {
		return nil, err
	}
	return calls, json.Unmarshal(body, &calls)
}

// namespace makes a namespace whose default ServiceAccount is there.
func (w *world) namespace(ctx context.Context, name string) error {
	if err := w.user.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		return err
	}
	return eventually(ctx, "the default ServiceAccount of "+name, func() (bool, error) {
		err := w.user.Get(ctx, client.ObjectKey{Namespace: name, Name: "default"}, &corev1.ServiceAccount{})
		return err == nil, client.IgnoreNotFound(err)
	})
}

// fail returns where to look for the cause of a failure, and keeps it.
func (w *world) fail() error {
	kept := w.dir
	w.dir = ""
	return fmt.Errorf("the logs are in %s", kept)
}

// close ends every process.
func (w *world) close() error {
	w.operator.stop()
	var err error
	if w.cluster != nil {
		err = w.cluster.Stop()
	}
	if w.dir != "" {
		err = errors.Join(err, os.RemoveAll(w.dir))
	}
	return err
}

func (w *world) log(name string) string { return filepath.Join(w.dir, name+".log") }

func get(ctx context.Context, url string) ([]byte, error) {
	return do(ctx, http.MethodGet, url, nil)
}

func post(ctx context.Context, url string, content any) error {
	var body []byte
	if content != nil {
		var err error
		if body, err = json.Marshal(content); err != nil {
			return err
		}
	}
	_, err := do(ctx, http.MethodPost, url, body)
	return err
}

func do(ctx context.Context, method, url string, content []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content)) //nolint:gosec // of this machine
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request) //nolint:gosec // see above
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return body, err
}

// eventually asks until the answer is yes.
func eventually(ctx context.Context, what string, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, fmt.Errorf("timed out waiting for %s", what))
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// say tells what is going on, on the standard error.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
