package cluster_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	// Its module holds the CustomResourceDefinitions of ServiceMonitor and PrometheusRule.
	_ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// What each row of the matrix renders is accepted by a real API server, field by field.
func TestMatrix_IsAcceptedByTheAPIServer(t *testing.T) {
	monitoring := filepath.Join(moduleDir(t, "github.com/prometheus-operator/prometheus-operator"), "example", "prometheus-operator-crd")
	cluster := start(t, controlplane.Options{CRDPaths: []string{
		root + "/config/crd/bases",
		filepath.Join(monitoring, "monitoring.coreos.com_servicemonitors.yaml"),
		filepath.Join(monitoring, "monitoring.coreos.com_prometheusrules.yaml"),
	}})
	kubectl(t, cluster, "", "create", "namespace", charttest.Namespace)
	files, err := filepath.Glob("../testdata/values/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files with values, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			values, err := os.ReadFile(file)
			must(t, err)
			rendered, err := charttest.Render(t.Context(), load(t, charttest.Dir(root)), parse(t, string(values)))
			must(t, err)
			dryRun(t, cluster, rendered.Manifest)
		})
	}
	// The same without Helm.
	for _, dir := range []string{"prometheus", "grafana"} {
		t.Run("config/"+dir, func(t *testing.T) {
			dryRun(t, cluster, kubectl(t, cluster, "", "kustomize", filepath.Join(root, "config", dir)))
		})
	}
	t.Run("config/kube-state-metrics", func(t *testing.T) {
		role, err := os.ReadFile(filepath.Join(root, "config", "kube-state-metrics", "rbac.yaml"))
		must(t, err)
		dryRun(t, cluster, string(role))
	})
}

// dryRun asks the API server whether it accepts objects.
func dryRun(t *testing.T, cluster *controlplane.ControlPlane, manifest string) {
	t.Helper()
	kubectl(t, cluster, manifest, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "--filename=-")
}

// moduleDir returns the directory of a module that go.mod requires.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	must(t, err)
	return strings.TrimSpace(string(out))
}

// start starts a control plane for the time of a test.
func start(t *testing.T, o controlplane.Options) *controlplane.ControlPlane {
	t.Helper()
	cluster, err := controlplane.Start(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Stop()) })
	return cluster
}

// kubectl runs kubectl and returns what it prints.
func kubectl(t *testing.T, cluster *controlplane.ControlPlane, stdin string, args ...string) string {
	t.Helper()
	cmd := cluster.Kubectl(t.Context(), args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
