package testenv

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	// The binary is built of them; go test would not notice their changes otherwise.
	_ "github.com/podidentity/podidentity-operator/internal/logline"
	_ "github.com/podidentity/podidentity-operator/internal/options"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// Binary says how to run the operator's own binary.
type Binary struct {
	Name string   // of its log; by default operator
	Path string   // of the program, as Build returns it
	Args []string // flags, except those for its addresses

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
	health, ready := "0", (func(context.Context) error)(nil)
	if !b.WithoutProbes {
		free, err := controlplane.FreeAddresses(1)
		e.Must(err)
		health = free[0]
		ready = func(ctx context.Context) error { return GetOK(ctx, "http://"+health+"/readyz") }
	}
	process, err := e.Launch(e.Context(), controlplane.Program{
		Name:  b.Name,
		Path:  b.Path,
		Args:  append([]string{"--health-probe-bind-address=" + health, "--metrics-bind-address=0"}, b.Args...),
		Env:   controlplane.Environ(e.variables(b)),
		Ready: ready,
	})
	e.Must(err)
	p := &Process{Process: process, name: b.Name, env: e}
	e.running.add(p)
	return p
}

// variables returns the environment of a binary.
func (e *Env) variables(b Binary) map[string]string {
	e.Helper()
	dir := e.owner.TempDir()
	if b.Kubeconfig == "" {
		b.Kubeconfig = filepath.Join(dir, "kubeconfig")
		e.Must(e.WriteKubeconfig(b.Kubeconfig, installation.User()))
	}
	if b.Endpoint == "" {
		b.Endpoint = e.AWS.URL
	}
	if b.Role != "" && b.TokenFile == "" {
		b.TokenFile = filepath.Join(dir, "token")
		e.Must(installation.WriteToken(e.Context(), e.Client, installation.Account(), b.TokenFile))
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
	return variables
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
