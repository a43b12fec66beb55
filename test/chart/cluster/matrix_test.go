package cluster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	// Its module holds the CustomResourceDefinitions of ServiceMonitor and PrometheusRule.
	_ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// A real API server accepts every field of the manifests of each row of the matrix.
func TestMatrix_IsAcceptedByTheAPIServer(t *testing.T) {
	monitoring := filepath.Join(moduleDir(t, "github.com/prometheus-operator/prometheus-operator"), "example", "prometheus-operator-crd")
	cluster := testenv.Start(t, testenv.ClusterOptions{CRDPaths: []string{
		filepath.Join(monitoring, "monitoring.coreos.com_servicemonitors.yaml"),
		filepath.Join(monitoring, "monitoring.coreos.com_prometheusrules.yaml"),
	}})
	e := cluster.NewEnv(t, testenv.Options{})
	e.Must(cluster.CreateNamespace(t.Context(), charttest.Namespace, nil))
	files, err := filepath.Glob("../testdata/values/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files with values, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			e := e.In(t)
			values, err := os.ReadFile(file)
			e.Must(err)
			rendered, err := charttest.Render(t.Context(), load(e, charttest.Dir(e.Root)), parse(e, string(values)))
			e.Must(err)
			dryRun(e, rendered.Manifest)
		})
	}
	// The same without Helm.
	for _, dir := range []string{"prometheus", "grafana"} {
		t.Run("config/"+dir, func(t *testing.T) {
			e := e.In(t)
			dryRun(e, e.MustKubectl("", "kustomize", filepath.Join("config", dir)))
		})
	}
	t.Run("config/kube-state-metrics", func(t *testing.T) {
		e := e.In(t)
		role, err := os.ReadFile(filepath.Join(e.Root, "config", "kube-state-metrics", "rbac.yaml"))
		e.Must(err)
		dryRun(e, string(role))
	})
}

// dryRun asks the API server whether it accepts objects.
func dryRun(e *testenv.Env, manifest string) {
	e.Helper()
	e.MustKubectl(manifest, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "--filename=-")
}

// moduleDir returns the directory of a module that go.mod requires.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
