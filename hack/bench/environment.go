package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// region and accountID of the AWS endpoint.
const (
	region    = "us-east-1"
	accountID = "123456789012"
)

// environment is everything that a measurement needs: the control plane, the AWS
// endpoint, clients of both, and the operator.
type environment struct {
	config

	dir      string // of all files, logs included
	cluster  *controlplane.ControlPlane
	user     client.WithWatch
	raw      *rest.RESTClient // of the API server's metrics
	endpoint string           // URL of the AWS endpoint
	iam      *iam.Client
	tracker  *tracker
	operator *operator // nil while none runs
}

// open starts everything except the operator. The caller closes the environment, also
// after an error.
func open(ctx context.Context, c config) (*environment, error) {
	ctrllog.SetLogger(logr.Discard())
	env := &environment{config: c}
	var err error
	if env.dir, err = os.MkdirTemp("", "podidentity-bench-"); err != nil {
		return env, err
	}
	progress("Starting a Kubernetes control plane and the AWS endpoint")
	env.cluster, err = controlplane.Start(ctx, controlplane.Options{LogDir: env.dir, CRDPaths: []string{c.crds}})
	if err != nil {
		return env, err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return env, err
	}
	if env.user, err = client.NewWithWatch(env.cluster.Config, client.Options{Scheme: scheme}); err != nil {
		return env, err
	}
	if env.raw, err = rest.UnversionedRESTClientFor(unversioned(env.cluster.Config)); err != nil {
		return env, err
	}
	if err := env.startAWS(ctx); err != nil {
		return env, err
	}
	env.tracker, err = track(ctx, env.cluster.Config, scheme)
	return env, err
}

// unversioned returns the configuration of a client for paths outside of the API groups.
func unversioned(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	c.NegotiatedSerializer = clientgoscheme.Codecs.WithoutConversion()
	return c
}

// startAWS starts the AWS endpoint, with an OIDC provider for the cluster's issuer.
func (env *environment) startAWS(ctx context.Context) error {
	free, err := controlplane.FreeAddresses(1)
	if err != nil {
		return err
	}
	address := free[0]
	env.endpoint = "http://" + address
	err = env.cluster.Run(ctx, controlplane.Program{
		Name: "awslocal",
		Path: env.awslocal,
		Args: []string{
			"--listen", address, "--account", accountID, "--oidc-ca", env.cluster.CAFile,
			"--quota", "RolesQuota=100000",
		},
		Env:   controlplane.Environ(nil),
		Ready: func(ctx context.Context) error { _, err := env.awsCalls(ctx); return err },
	})
	if err != nil {
		return err
	}
	env.iam = iam.NewFromConfig(aws.Config{
		Region:       region,
		BaseEndpoint: &env.endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "admin", SecretAccessKey: "admin"}, nil // not the operator's: these calls are out of band
		}),
	})
	return env.resetAccount(ctx)
}

// resetAccount deletes everything in the AWS account except the OIDC provider of the
// cluster.
func (env *environment) resetAccount(ctx context.Context) error {
	if err := post(ctx, env.endpoint+"/_awslocal/reset", nil); err != nil {
		return err
	}
	_, err := env.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: &env.cluster.Issuer, ClientIDList: []string{"sts.amazonaws.com"},
	})
	return err
}

// setFaults sets the behavior of the AWS endpoint.
func (env *environment) setFaults(ctx context.Context, f awslocal.Faults) error {
	return post(ctx, env.endpoint+"/_awslocal/faults", f)
}

// latency of every AWS call during measurements.
const latency = 80 * time.Millisecond

// The token bucket of the account in measurements with throttling, in calls per second and
// calls.
const (
	bucketRate  = 20
	bucketBurst = 40
)

// Behaviors of the AWS endpoint.
var (
	withLatency    = awslocal.Faults{Latency: awslocal.Duration(latency)}
	withThrottling = awslocal.Faults{
		Latency:   awslocal.Duration(latency),
		Throttles: []awslocal.Throttle{{Action: "*", Rate: bucketRate, Burst: bucketBurst}},
	}
)

// awsCalls returns the number of AWS calls so far, by action.
func (env *environment) awsCalls(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	body, err := get(ctx, env.endpoint+"/_awslocal/calls")
	if err != nil {
		return nil, err
	}
	return counts, json.Unmarshal(body, &counts)
}

// start creates a namespace, sets the behavior of AWS, and starts the operator.
func (env *environment) start(ctx context.Context, namespace string, f awslocal.Faults, flags ...string) error {
	if err := env.createNamespace(ctx, namespace); err != nil {
		return err
	}
	if err := env.setFaults(ctx, f); err != nil {
		return err
	}
	if err := env.restart(ctx, flags...); err != nil {
		return err
	}
	return eventually(ctx, "the operator to discover its cluster", func() (bool, error) {
		counts, err := env.awsCalls(ctx)
		return counts["GetOpenIDConnectProvider"] > 0, err
	})
}

// createNamespace creates a namespace and waits for its default ServiceAccount.
func (env *environment) createNamespace(ctx context.Context, name string) error {
	if err := env.user.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		return err
	}
	return eventually(ctx, "the default ServiceAccount of "+name, func() (bool, error) {
		err := env.user.Get(ctx, client.ObjectKey{Namespace: name, Name: "default"}, &corev1.ServiceAccount{})
		return err == nil, client.IgnoreNotFound(err)
	})
}

// keepLogs prevents close from deleting the logs, and returns an error with their path.
func (env *environment) keepLogs() error {
	kept := env.dir
	env.dir = ""
	return fmt.Errorf("the logs are in %s", kept)
}

// close ends all processes.
func (env *environment) close() error {
	env.operator.stop()
	var err error
	if env.cluster != nil {
		err = env.cluster.Stop()
	}
	if env.dir != "" {
		err = errors.Join(err, os.RemoveAll(env.dir))
	}
	return err
}

func (env *environment) log(name string) string { return filepath.Join(env.dir, name+".log") }

// progress prints a line about the progress to standard error.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
