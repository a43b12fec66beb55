// Package controlplane runs a real Kubernetes control plane for tests, demos
// and benchmarks: etcd, kube-apiserver and kube-controller-manager as child
// processes.
//
// It stands where an envtest.Environment would, and takes the custom resource
// installer from there. It starts the processes itself because of what envtest
// does not do: the controller manager makes default ServiceAccounts, collects
// garbage and empties namespaces; ServiceAccount tokens are signed with RS256
// by an issuer that is publicly discoverable, as on EKS; no process outlives the
// one that started it; and a process that ends early is reported immediately, with
// the end of its log.
//
// Importing this package registers envtest's -kubeconfig flag on
// flag.CommandLine; a command that wants such a flag must use a FlagSet of its own.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/podidentity/podidentity-operator/test/controlplane/assets"
)

// Options define what to start. The zero value is a control plane without custom
// resources.
type Options struct {
	// CRDPaths are files, or directories of files, of CustomResourceDefinitions
	// to install. One that does not exist is an error.
	CRDPaths []string

	// LogDir is where each process writes <name>.log; it is made if need be, and
	// kept. By default the logs are deleted by Stop.
	LogDir string

	// Issuer is the issuer of ServiceAccount tokens. By default it is the URL of
	// the API server, so that discovery and keys are served at that URL.
	Issuer string

	// Audiences are audiences that the API server accepts in addition to its
	// own. Tokens can be requested for any audience regardless.
	Audiences []string

	// EmulatedVersion is an older minor version, such as 1.34, that the API server
	// emulates: it serves the APIs and has the features of that version.
	EmulatedVersion string

	// StartTimeout bounds the start of the whole; by default 3 minutes, as even
	// a small machine that also compiles something needs less.
	StartTimeout time.Duration
}

// A ControlPlane is running until Stop. Its fields are for reading only.
type ControlPlane struct {
	Config         *rest.Config // of an administrator, without client-side rate limit
	KubeconfigPath string       // of the same administrator
	URL            string       // of the API server
	Issuer         string       // of ServiceAccount tokens
	CAData         []byte       // PEM, what the API server's certificate is proven by
	CAFile         string       // the same in a file
	AssetsDir      string       // where the programs are, kubectl among them

	dir  string // everything temporary
	logs string
	etcd string // its URL
	ca   *authority

	mu    sync.Mutex
	procs []*Process // in the order of their start
}

const (
	defaultStartTimeout = 3 * time.Minute
	attempts            = 3 // a port may be taken between its choice and its use
)

// Start starts a control plane, and returns when it serves: the custom
// resources are installed, and the default ServiceAccount exists. When it fails
// it leaves nothing behind but LogDir. ctx bounds only the start.
func Start(ctx context.Context, o Options) (*ControlPlane, error) {
	dir, err := assets.Locate()
	if err != nil {
		return nil, err
	}
	timeout := o.StartTimeout
	if timeout == 0 {
		timeout = defaultStartTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not ready after %s", timeout))
	defer cancel()

	for n := 1; ; n++ {
		c, err := start(ctx, dir, o)
		if err == nil {
			return c, nil
		}
		if n == attempts || !errors.Is(err, errPortTaken) {
			return nil, fmt.Errorf("starting the control plane: %w", err)
		}
	}
}

func start(ctx context.Context, programs string, o Options) (*ControlPlane, error) {
	c := &ControlPlane{AssetsDir: programs}
	if err := c.up(ctx, o); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// up brings everything up. Whatever it started or wrote is for Stop to end.
func (c *ControlPlane) up(ctx context.Context, o Options) error {
	if err := c.prepare(o); err != nil {
		return err
	}
	for _, step := range []func(context.Context, Options) error{
		c.startEtcd,
		c.startAPIServer,
		c.allowDiscovery,
		c.startControllerManager,
		c.installCRDs,
		c.awaitServiceAccount,
	} {
		if err := step(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// prepare chooses the ports and writes the files that the processes need.
func (c *ControlPlane) prepare(o Options) error {
	var err error
	if c.dir, err = os.MkdirTemp("", "controlplane-"); err != nil {
		return err
	}
	c.logs = c.dir
	if o.LogDir != "" {
		if err := os.MkdirAll(o.LogDir, 0o755); err != nil {
			return fmt.Errorf("making the log directory: %w", err)
		}
		c.logs = o.LogDir
	}
	if err := c.writeKeys(); err != nil {
		return fmt.Errorf("making certificates and keys: %w", err)
	}
	return nil
}

// installCRDs installs the custom resources and waits until they are served.
func (c *ControlPlane) installCRDs(_ context.Context, o Options) error {
	if len(o.CRDPaths) == 0 {
		return nil
	}
	_, err := envtest.InstallCRDs(c.Config, envtest.CRDInstallOptions{
		Paths:              o.CRDPaths,
		ErrorIfPathMissing: true,
		MaxTime:            time.Minute,
	})
	if err != nil {
		return fmt.Errorf("installing custom resources: %w", err)
	}
	return nil
}

// Stop ends every process and deletes every file except those in LogDir. It
// may be called again.
//
// The processes are killed: nothing of what they hold is kept, and so there is
// nothing to wait for.
func (c *ControlPlane) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range slices.Backward(c.procs) {
		p.Kill()
	}
	c.procs = nil
	if c.dir == "" {
		return nil
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("removing the control plane's files: %w", err)
	}
	return nil
}

// file returns the path of a temporary file.
func (c *ControlPlane) file(name string) string { return filepath.Join(c.dir, name) }
