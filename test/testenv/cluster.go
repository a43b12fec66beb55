// Package testenv is the environment of the tests that need more than one part: a real
// control plane, an AWS account on the AWS endpoint, and the operator, in the process of
// the test or as its own binary.
//
// A Cluster is a control plane, for one test or for all tests of a package. An Env is what
// one test sees of it, with an AWS account of its own.
package testenv

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// ClusterOptions define what the control plane contains. The zero value has the
// CustomResourceDefinitions of the project.
type ClusterOptions struct {
	// Bare leaves out the CustomResourceDefinitions.
	Bare bool
	// Installed applies config/default: the operator's permissions and the admission
	// policies. Nothing of it runs, because there are no nodes.
	Installed bool
	// CRDPaths are more files, or directories, of CustomResourceDefinitions to install.
	CRDPaths []string
	// LogDir keeps the logs of all programs of the cluster; by default they are deleted.
	LogDir string
	// EmulatedVersion is an older version of Kubernetes that the API server emulates.
	EmulatedVersion string
}

// Cluster is a running control plane.
type Cluster struct {
	*controlplane.ControlPlane

	Client client.WithWatch // of an administrator
	Root   string           // directory of the project
}

// Main runs the tests of a package, for TestMain: use gets the cluster that they share.
// With -short there is no cluster; the tests that need one must skip.
func Main(m *testing.M, o ClusterOptions, use func(context.Context, *Cluster) error) (code int) {
	flag.Parse()
	if testing.Short() {
		return m.Run()
	}
	code, err := run(m, o, use)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func run(m *testing.M, o ClusterOptions, use func(context.Context, *Cluster) error) (code int, err error) {
	ctx := context.Background()
	c, err := start(ctx, o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	if err := use(ctx, c); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// Start starts a cluster that ends with the test.
func Start(t *testing.T, o ClusterOptions) *Cluster {
	t.Helper()
	c, err := start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func start(ctx context.Context, o ClusterOptions) (c *Cluster, err error) {
	logf.SetLogger(logr.Discard())
	if testing.Verbose() {
		logf.SetLogger(zap.New(zap.UseDevMode(true)))
	}
	c = &Cluster{}
	if c.Root, err = Root(); err != nil {
		return nil, err
	}
	options := controlplane.Options{CRDPaths: slices.Clone(o.CRDPaths), LogDir: o.LogDir, EmulatedVersion: o.EmulatedVersion}
	if !o.Bare {
		options.CRDPaths = append(options.CRDPaths, filepath.Join(c.Root, crds))
	}
	if c.ControlPlane, err = controlplane.Start(ctx, options); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	if c.Client, err = client.NewWithWatch(c.Config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	if o.Installed {
		return c, installation.Installation{Root: c.Root}.Apply(ctx, c.ControlPlane)
	}
	return c, nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

const crds = "config/crd/bases" // in the project

// Root returns the directory of the project: the nearest above the working directory that
// has the CustomResourceDefinitions.
func Root() (string, error) {
	working, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := working; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, crds)); err == nil {
			return dir, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no directory above %s has %s", working, crds)
		}
	}
}

// RunKubectl runs kubectl as an administrator in the directory of the project, and returns
// what it prints.
func (c *Cluster) RunKubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := c.Kubectl(ctx, args...)
	cmd.Dir = c.Root
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// CreateNamespace creates a namespace.
func (c *Cluster) CreateNamespace(ctx context.Context, name string, labels map[string]string) error {
	return c.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
}
