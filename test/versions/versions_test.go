// Package versions_test runs the operator on the older versions of Kubernetes that the
// API server emulates: it serves the APIs, and has the features, of the emulated version.
package versions_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/client-go/discovery"

	"github.com/podidentity/podidentity-operator/test/controlplane/assets"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// oldest is the oldest minor version of Kubernetes 1 that the operator supports.
const oldest = 32

func TestOperator_RunsOnEmulatedVersions(t *testing.T) {
	minor := serverMinor(t)
	const emulated = 3 // so many older versions an API server emulates
	if minor-emulated < oldest {
		t.Skipf("kube-apiserver 1.%d emulates versions that the operator does not support; the tests ran on this one", minor)
	}
	binary := testenv.Build(t)
	for older := minor - emulated; older < minor; older++ {
		version := fmt.Sprintf("1.%d", older)
		t.Run(version, func(t *testing.T) {
			e := newEnv(t, version, binary)
			e.rendersAndApplies()
			e.rejectsAtAdmission()
			e.reconciles()
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

// env is a cluster that emulates a version of Kubernetes, and an AWS account.
type env struct {
	*testenv.Env

	binary string // the operator
}

func newEnv(t *testing.T, version, binary string) *env {
	t.Helper()
	cluster := testenv.Start(t, testenv.ClusterOptions{Bare: true, EmulatedVersion: version})
	e := &env{Env: cluster.NewEnv(t, testenv.Options{}), binary: binary}
	api, err := discovery.NewDiscoveryClientForConfig(e.Config)
	e.Must(err)
	info, err := api.ServerVersion()
	if err != nil || info.EmulationMajor+"."+info.EmulationMinor != version {
		t.Fatalf("the API server is %+v (%v), and does not emulate %s", info, err, version)
	}
	return e
}

// rendersAndApplies applies the manifests as a user would. An unknown field is an error.
func (e *env) rendersAndApplies() {
	e.Helper()
	manifests := e.MustKubectl("", "kustomize", filepath.Join(e.Root, "config", "default"))
	e.MustKubectl(manifests, "apply", "--server-side", "--validate=strict", "--filename=-")
	e.MustKubectl("", "wait", "--for=condition=Established", "--timeout=60s",
		"crd/podidentities.iam.podidentity.io", "crd/podidentityguardrails.iam.podidentity.io")
}
