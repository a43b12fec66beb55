package cluster_test

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
	"github.com/podidentity/podidentity-operator/test/installation"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// helm returns Helm's configuration for the cluster.
func (e *env) helm() *action.Configuration {
	e.Helper()
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = new(e.KubeconfigPath), new(charttest.Namespace)
	config := action.NewConfiguration(action.ConfigurationSetLogger(slog.NewTextHandler(io.Discard, nil)))
	e.Must(config.Init(flags, charttest.Namespace, "secret"))
	return config
}

// values returns the values of the release: those that every operation passes, and more.
func (e *env) values(more string) map[string]any {
	e.Helper()
	values := parse(e.Env, more)
	maps.Copy(values, parse(e.Env, `
serviceAccount: {annotations: {eks.amazonaws.com/role-arn: `+e.granted.Role+`}}
rbac: {metricsReaders: [{kind: ServiceAccount, name: prometheus, namespace: monitoring}]}
replicaCount: 0 # there is no kubelet`))
	if values["clusterName"] == nil {
		values["clusterName"] = clusterName
	}
	options, ok := values["options"].(map[string]any)
	if !ok {
		options = map[string]any{}
	}
	options["permissionsBoundary"], options["iamPropagationDelay"] = e.granted.Boundary, "0s"
	values["options"] = options
	return values
}

// install installs the chart as `helm install --create-namespace --wait` does.
func (e *env) install(v version, values string) {
	e.Helper()
	install := action.NewInstall(e.helm())
	install.ReleaseName, install.Namespace, install.CreateNamespace = charttest.ReleaseName, charttest.Namespace, true
	install.WaitStrategy, install.Timeout = kube.StatusWatcherStrategy, timeout
	_, err := install.RunWithContext(e.Context(), v.chart, e.values(values))
	e.Must(err)
}

func (e *env) upgrade(v version, values string) {
	e.Helper()
	_, err := e.upgradeAction().RunWithContext(e.Context(), charttest.ReleaseName, v.chart, e.values(values))
	e.Must(err)
}

// rejectUpgrade checks that an upgrade is rejected, with a message.
func (e *env) rejectUpgrade(v version, values, want string) {
	e.Helper()
	_, err := e.upgradeAction().RunWithContext(e.Context(), charttest.ReleaseName, v.chart, e.values(values))
	if err == nil || !strings.Contains(err.Error(), want) {
		e.Errorf("an upgrade with %s: got %v, want: %s", values, err, want)
	}
}

func (e *env) upgradeAction() *action.Upgrade {
	e.Helper()
	upgrade := action.NewUpgrade(e.helm())
	upgrade.Namespace, upgrade.WaitStrategy, upgrade.Timeout = charttest.Namespace, kube.StatusWatcherStrategy, timeout
	return upgrade
}

func (e *env) rollback(revision int) {
	e.Helper()
	rollback := action.NewRollback(e.helm())
	rollback.Version, rollback.WaitStrategy, rollback.Timeout = revision, kube.StatusWatcherStrategy, timeout
	e.Must(rollback.Run(charttest.ReleaseName))
}

// uninstall uninstalls the release, and the operator with it.
func (e *env) uninstall() {
	e.Helper()
	e.stop()
	uninstall := action.NewUninstall(e.helm())
	uninstall.WaitStrategy, uninstall.Timeout = kube.StatusWatcherStrategy, timeout
	_, err := uninstall.Run(charttest.ReleaseName)
	e.Must(err)
	if err := e.Client.Get(e.Context(), operatorKey(), &appsv1.Deployment{}); client.IgnoreNotFound(err) != nil || err == nil {
		e.Errorf("the Deployment after the uninstall: %v, want it to be gone", err)
	}
}

func operatorKey() client.ObjectKey {
	return client.ObjectKey{Namespace: charttest.Namespace, Name: "podidentity-controller-manager"}
}

// A version of the project is what an installation has of it.
type version struct {
	chart    *chartv2.Chart
	operator string // its binary
}

// current returns the version of this checkout.
func (e *env) current() version {
	e.Helper()
	return e.build(e.Root)
}

// first returns the first version that had a chart, from which an upgrade must always
// work. Without the history of the repository it is that of this checkout.
func (e *env) first() version {
	e.Helper()
	commits := exec.CommandContext(e.Context(), "git", "-C", e.Root, "log", "--format=%H", "--diff-filter=A", "--", "charts/podidentity-operator/Chart.yaml")
	out, err := commits.Output()
	added := strings.Fields(string(out))
	if err != nil || len(added) == 0 {
		e.Log("This checkout has no history of the chart: the upgrade begins with the version of this checkout.")
		return e.current()
	}
	commit, tree := added[len(added)-1], e.TempDir()
	content, err := exec.CommandContext(e.Context(), "git", "-C", e.Root, "archive", commit).Output()
	e.Must(err)
	extract := exec.CommandContext(e.Context(), "tar", "-x", "-C", tree)
	extract.Stdin = bytes.NewReader(content)
	e.Must(extract.Run())
	e.Logf("The upgrade begins with the version of commit %s.", commit)
	return e.build(tree)
}

// build builds the version of a directory.
func (e *env) build(dir string) version {
	e.Helper()
	v := version{load(e.Env, charttest.Dir(dir)), filepath.Join(e.TempDir(), "manager")}
	e.Must(installation.Build(e.Context(), dir, v.operator))
	return v
}

func load(e *testenv.Env, dir string) *chartv2.Chart {
	e.Helper()
	chart, err := charttest.Load(dir)
	e.Must(err)
	return chart
}

func parse(e *testenv.Env, text string) map[string]any {
	e.Helper()
	values, err := charttest.Values(text)
	e.Must(err)
	return values
}
