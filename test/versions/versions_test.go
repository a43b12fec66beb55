// Package versions_test runs the operator on the older versions of Kubernetes that the
// API server emulates: it serves the APIs, and has the features, of the emulated version.
package versions_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/discovery"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/controlplane/assets"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const root = "../.."

// oldest is the oldest minor version of Kubernetes 1 that the operator supports.
const oldest = 32

func TestOperator_RunsOnEmulatedVersions(t *testing.T) {
	logf.SetLogger(logr.Discard())
	minor := serverMinor(t)
	const emulated = 3 // so many older versions an API server emulates
	if minor-emulated < oldest {
		t.Skipf("kube-apiserver 1.%d emulates versions that the operator does not support; the tests ran on this one", minor)
	}
	binary := filepath.Join(t.TempDir(), "manager")
	if err := installation.Build(t.Context(), root, binary); err != nil {
		t.Fatal(err)
	}
	for older := minor - emulated; older < minor; older++ {
		version := fmt.Sprintf("1.%d", older)
		t.Run(version, func(t *testing.T) {
			c := start(t, version, binary)
			c.rendersAndApplies(t)
			c.rejectsAtAdmission(t)
			c.livesThroughAStory(t)
		})
	}
}

// serverMinor returns the minor version of the API server that the tests start.
func serverMinor(t *testing.T) int {
	t.Helper()
	dir, err := assets.Locate()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "kube-apiserver"), "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var minor int
	if _, err := fmt.Sscanf(string(out), "Kubernetes v1.%d.", &minor); err != nil {
		t.Fatalf("kube-apiserver --version: %q: %v", out, err)
	}
	return minor
}

// cluster emulates a version of Kubernetes.
type cluster struct {
	*controlplane.ControlPlane

	binary string // the operator
}

func start(t *testing.T, version, binary string) *cluster {
	t.Helper()
	cp, err := controlplane.Start(t.Context(), controlplane.Options{EmulatedVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := &cluster{ControlPlane: cp, binary: binary}
	api, err := discovery.NewDiscoveryClientForConfig(cp.Config)
	if err != nil {
		t.Fatal(err)
	}
	info, err := api.ServerVersion()
	if err != nil || info.EmulationMajor+"."+info.EmulationMinor != version {
		t.Fatalf("the API server is %+v (%v), and does not emulate %s", info, err, version)
	}
	return c
}

// rendersAndApplies applies the manifests as a user would. An unknown field is an error.
func (c *cluster) rendersAndApplies(t *testing.T) {
	t.Helper()
	manifests := c.kubectl(t, "", "kustomize", filepath.Join(root, "config", "default"))
	c.kubectl(t, manifests, "apply", "--server-side", "--validate=strict", "--filename=-")
	c.kubectl(t, "", "wait", "--for=condition=Established", "--timeout=60s",
		"crd/podidentities.iam.podidentity.io", "crd/podidentityguardrails.iam.podidentity.io")
}

func (c *cluster) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	said, err := c.tryKubectl(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func (c *cluster) tryKubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := c.Kubectl(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}
