package testenv

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	// The binary is built of them; go test would not notice their changes otherwise.
	_ "github.com/podidentity/podidentity-operator/internal/logline"
	_ "github.com/podidentity/podidentity-operator/internal/options"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// Binary defines how to run the operator's own binary.
type Binary struct {
	Name string   // of its log; by default operator
	Path string   // of the program, as Build returns it
	Args []string // flags, except those for its addresses
	// Metrics is the address of its metrics; by default it has none.
	Metrics string

	// Role is the ARN of the role that it assumes with a token of its ServiceAccount;
	// empty for the credentials of the administrator.
	Role string
	// TokenFile is the token for that; by default one that the API server issues.
	TokenFile string
	// Kubeconfig is how it calls the API server; by default as the operator's ServiceAccount.
	Kubeconfig string
	// Endpoint is that of AWS; by default that of the account.
	Endpoint string
	// Env are more environment variables.
	Env map[string]string
	// WithoutProbes starts it without a readiness check, if it may end at any moment.
	WithoutProbes bool
}

// Build builds the operator's binary, and returns its path.
func Build(t *testing.T) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "manager")
	if err := installation.Build(t.Context(), root, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// StartBinary starts the operator's binary, and returns when it is ready.
func (e *Env) StartBinary(b Binary) *Process {
	e.Helper()
	if b.Name == "" {
		b.Name = "operator"
	}
	program, err := e.Program(e.Context(), e.owner.TempDir(), b)
	e.Must(err)
	process, err := e.Launch(e.Context(), program)
	e.Must(err)
	p := &Process{Process: process, name: b.Name, env: e}
	e.running.add(p)
	return p
}

// Program returns what Launch needs to run the operator's binary, whose credentials it
// writes to a directory. It is for a binary that the test does not start itself, or that may
// end; StartBinary is for all others.
func (e *Env) Program(ctx context.Context, dir string, b Binary) (controlplane.Program, error) {
	variables, err := e.variables(ctx, dir, b)
	if err != nil {
		return controlplane.Program{}, err
	}
	health, ready := "0", (func(context.Context) error)(nil)
	if !b.WithoutProbes {
		free, err := controlplane.FreeAddresses(1)
		if err != nil {
			return controlplane.Program{}, err
		}
		health = free[0]
		ready = func(ctx context.Context) error { return GetOK(ctx, "http://"+health+"/readyz") }
	}
	if b.Metrics == "" {
		b.Metrics = "0"
	}
	return controlplane.Program{
		Name:  b.Name,
		Path:  b.Path,
		Args:  append(slices.Clone(b.Args), "--health-probe-bind-address="+health, "--metrics-bind-address="+b.Metrics),
		Env:   controlplane.Environ(variables),
		Ready: ready,
	}, nil
}

// Deployed returns the operator's binary as its Deployment runs it, in the role that the
// annotation of its ServiceAccount names. Only the addresses differ, and the namespace,
// which a pod reads from its files.
func (c *Cluster) Deployed(ctx context.Context, path string) (Binary, error) {
	var deployment appsv1.Deployment
	if err := c.Client.Get(ctx, installation.Account(), &deployment); err != nil { // it has the name of its ServiceAccount
		return Binary{}, err
	}
	var account corev1.ServiceAccount
	if err := c.Client.Get(ctx, installation.Account(), &account); err != nil {
		return Binary{}, err
	}
	b := Binary{Path: path, Role: account.Annotations[plan.AnnotationRoleARN], Env: map[string]string{}}
	container := deployment.Spec.Template.Spec.Containers[0]
	b.Args = slices.Clone(container.Args)
	for _, variable := range container.Env {
		b.Env[variable.Name] = variable.Value
		for i, arg := range b.Args {
			b.Args[i] = strings.ReplaceAll(arg, "$("+variable.Name+")", variable.Value)
		}
	}
	b.Args = append(b.Args, "--leader-election-namespace="+deployment.Namespace)
	return b, nil
}

// variables returns the environment of a binary.
func (e *Env) variables(ctx context.Context, dir string, b Binary) (map[string]string, error) {
	if b.Kubeconfig == "" {
		b.Kubeconfig = filepath.Join(dir, "kubeconfig")
		if err := e.WriteKubeconfig(b.Kubeconfig, installation.User()); err != nil {
			return nil, err
		}
	}
	if b.Endpoint == "" {
		b.Endpoint = e.AWS.URL
	}
	if b.Role != "" && b.TokenFile == "" {
		b.TokenFile = filepath.Join(dir, "token")
		if err := installation.WriteToken(ctx, e.Client, installation.Account(), b.TokenFile); err != nil {
			return nil, err
		}
	}
	admin := Administrator()
	variables := map[string]string{
		"AWS_REGION": e.AWS.Region, "AWS_ENDPOINT_URL": b.Endpoint,
		"AWS_ACCESS_KEY_ID": admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY": admin.SecretAccessKey,
	}
	if b.Role != "" {
		variables = installation.Credentials(b.Role, b.TokenFile, e.AWS.Region, b.Endpoint)
	}
	variables["KUBECONFIG"] = b.Kubeconfig
	maps.Copy(variables, b.Env)
	return variables, nil
}

// Process is a run of the operator's binary.
type Process struct {
	*controlplane.Process

	name   string
	env    *Env
	ending atomic.Bool // the test has ended it
}

// Kill kills the process, and drops its log.
func (p *Process) Kill() {
	p.ending.Store(true)
	p.env.running.remove(p)
	p.Process.Kill()
}

// Signal sends the process a signal that ends it, and waits for its end.
func (p *Process) Signal(signal os.Signal) {
	p.ending.Store(true)
	p.Process.Signal(signal)
}

// GetOK returns nil if the answer to a GET request is 200 OK.
func GetOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // nothing was read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}
