package crash_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/installation"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

const (
	clusterName = "test"
	rolePath    = "/podidentity/test/"
)

// A cluster is a control plane in which the operator is installed, and its binary.
type cluster struct {
	*testenv.Cluster

	transport http.RoundTripper // to the API server, as the operator
	binary    string
	token     string // file, of the operator
	envs      atomic.Int64
}

// startCluster starts the control plane of all scenarios.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c := &cluster{
		Cluster: testenv.Start(t, testenv.ClusterOptions{Installed: true}),
		binary:  testenv.Build(t), token: filepath.Join(t.TempDir(), "token"),
	}
	must(installation.WriteToken(t.Context(), c.Client, installation.Account(), c.token))
	operator, err := c.ConfigFor(installation.User())
	must(err)
	c.transport, err = rest.TransportFor(operator)
	must(err)
	return c
}

// An env is a namespace, an AWS account, and an operator that knows of no others.
type env struct {
	*testenv.Env

	cluster  *cluster
	dir      string
	granted  installation.Granted
	uid      string // of the object
	events   bool   // the operator gets events through a queue
	operator *operator
}

// An operator is a process, and its only connections to the API server and to AWS.
type operator struct {
	*testenv.Process

	breakpoint *breakpoint
	servers    []*httptest.Server
}

// newEnv returns an environment in which an operator runs.
func (c *cluster) newEnv(t *testing.T, events bool) *env {
	t.Helper()
	e := &env{
		Env:     c.NewEnv(t, testenv.Options{Namespace: fmt.Sprintf("crash-%d", c.envs.Add(1))}),
		cluster: c, dir: t.TempDir(), events: events,
	}
	e.Must(c.CreateNamespace(t.Context(), e.Namespace, nil))
	e.granted = e.Grant(e.Installation(clusterName))
	e.createUnrelated()
	if events {
		e.openQueue()
	}
	e.start(nil)
	t.Cleanup(e.stop)
	return e
}

// start starts an operator, which crashes if that is given.
func (e *env) start(at *crash) {
	e.Helper()
	api, err := url.Parse(e.URL)
	e.Must(err)
	aws, err := url.Parse(e.AWS.URL)
	e.Must(err)
	t := newBreakpoint(at)
	o := &operator{breakpoint: t, servers: []*httptest.Server{
		httptest.NewServer(t.proxy(api, e.cluster.transport, toKubernetes, e.narrow)),
		httptest.NewServer(t.proxy(aws, http.DefaultTransport, toAWS, func(*http.Request) {})),
	}}
	kubeconfig := filepath.Join(e.dir, "kubeconfig")
	e.Must(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"proxy": {Server: o.servers[0].URL}},
		Contexts:       map[string]*clientcmdapi.Context{"proxy": {Cluster: "proxy"}},
		CurrentContext: "proxy",
	}, kubeconfig))
	o.Process = e.StartBinary(testenv.Binary{
		Name: "operator-" + e.Namespace,
		Path: e.cluster.binary,
		Args: append([]string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + e.granted.Boundary,
			"--leader-elect=false", "--iam-propagation-delay=0s", "--aws-reads-per-second=0", "--aws-writes-per-second=0",
			"--log-format=text",
		}, e.queueArgs()...),
		Role: e.granted.Role, TokenFile: e.cluster.token, Kubeconfig: kubeconfig, Endpoint: o.servers[1].URL,
		Env:           map[string]string{"GOGC": "off"},
		WithoutProbes: true,
	})
	t.kill <- o.Kill
	e.operator = o
}

// stop kills the operator, and closes what only it has used.
func (e *env) stop() {
	e.operator.Kill()
	for _, server := range e.operator.servers {
		server.CloseClientConnections()
		server.Close()
	}
}

// wide is a request for all objects of a kind in the whole cluster.
var wide = regexp.MustCompile(`^(/api/v1|/apis/iam\.podidentity\.io/[^/]+)/(podidentities|serviceaccounts|pods)$`)

// narrow has the operator see one namespace of the cluster, so that scenarios share a
// control plane and do not meet.
func (e *env) narrow(r *http.Request) {
	r.URL.Path = wide.ReplaceAllString(r.URL.Path, "$1/namespaces/"+e.Namespace+"/$2")
}

// clusterID returns the UID of namespace kube-system, which identifies the cluster.
func (e *env) clusterID() string {
	e.Helper()
	var system corev1.Namespace
	e.Must(e.Client.Get(e.Context(), client.ObjectKey{Name: "kube-system"}, &system))
	return string(system.UID)
}
