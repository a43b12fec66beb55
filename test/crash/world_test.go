package crash_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	// The test builds the operator, which the cache of go test does not know otherwise.
	_ "github.com/podidentity/podidentity-operator/controllers"
	_ "github.com/podidentity/podidentity-operator/internal/awsiam"
	_ "github.com/podidentity/podidentity-operator/internal/options"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const (
	clusterName = "test"
	rolePath    = "/podidentity/test/"
	accountID   = "123456789012"
	region      = "us-east-1"
	timeout     = time.Minute
)

// A cluster is a control plane in which the operator is installed, and its binary.
type cluster struct {
	*controlplane.ControlPlane

	user      client.Client
	transport http.RoundTripper // to the API server, as the operator
	binary    string
	token     string // file, of the operator
	worlds    atomic.Int64
}

// openCluster starts the control plane of all stories.
func openCluster(t *testing.T) *cluster {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	logf.SetLogger(logr.Discard())
	dir := t.TempDir()
	c := &cluster{binary: filepath.Join(dir, "operator"), token: filepath.Join(dir, "token")}
	must(installation.Build(t.Context(), "../..", c.binary))
	var err error
	c.ControlPlane, err = controlplane.Start(t.Context(), controlplane.Options{CRDPaths: []string{"../../config/crd/bases"}})
	must(err)
	t.Cleanup(func() { must(c.Stop()) })
	must(c.installation().Apply(t.Context(), c.ControlPlane))
	scheme := runtime.NewScheme()
	must(clientgoscheme.AddToScheme(scheme))
	must(v1alpha1.AddToScheme(scheme))
	c.user, err = client.New(c.Config, client.Options{Scheme: scheme})
	must(err)
	must(installation.WriteToken(t.Context(), c.user, installation.Account(), c.token))
	operator, err := c.ConfigFor(installation.User())
	must(err)
	c.transport, err = rest.TransportFor(operator)
	must(err)
	return c
}

func (c *cluster) installation() installation.Installation {
	return installation.Installation{Root: "../..", Cluster: clusterName, AccountID: accountID, Issuer: c.Issuer}
}

// A world is a namespace, an AWS account, and an operator that knows of no others.
type world struct {
	*testing.T

	cluster   *cluster
	dir       string
	namespace string
	aws       *url.URL
	iam       *iam.Client // an administrator of the account
	granted   installation.Granted
	uid       string // of the object
	operator  *operator
}

// An operator is a process, and its only way to the world.
type operator struct {
	*controlplane.Process

	trap    *trap
	servers []*httptest.Server
}

// open makes a world, in which an operator runs.
func (c *cluster) open(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, cluster: c, dir: t.TempDir(), namespace: fmt.Sprintf("story-%d", c.worlds.Add(1))}
	w.must(c.user.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.CAData)
	account := httptest.NewServer(awslocal.New(awslocal.Options{
		Seed: 1, Account: accountID, RootCAs: pool, Authorize: true, AccessKeys: map[string]string{"admin": "secret"},
	}))
	t.Cleanup(account.Close)
	var err error
	w.aws, err = url.Parse(account.URL)
	w.must(err)
	w.iam = iam.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &account.URL, Credentials: credentials.NewStaticCredentialsProvider("admin", "secret", ""),
	})
	_, err = c.installation().TrustIssuer(t.Context(), w.iam)
	w.must(err)
	w.granted, err = c.installation().Grant(t.Context(), w.iam)
	w.must(err)
	w.createUnrelated()
	w.start(nil)
	t.Cleanup(func() { w.stop() })
	return w
}

// start starts an operator, which crashes if that is given.
func (w *world) start(at *crash) {
	w.Helper()
	api, err := url.Parse(w.cluster.URL)
	w.must(err)
	t := newTrap(at)
	o := &operator{trap: t, servers: []*httptest.Server{
		httptest.NewServer(t.proxy(api, w.cluster.transport, toKubernetes, w.narrow)),
		httptest.NewServer(t.proxy(w.aws, http.DefaultTransport, toAWS, func(*http.Request) {})),
	}}
	kubeconfig := filepath.Join(w.dir, "kubeconfig")
	w.must(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"proxy": {Server: o.servers[0].URL}},
		Contexts:       map[string]*clientcmdapi.Context{"proxy": {Cluster: "proxy"}},
		CurrentContext: "proxy",
	}, kubeconfig))
	env := installation.Credentials(w.granted.Role, w.cluster.token, region, o.servers[1].URL)
	env["KUBECONFIG"] = kubeconfig
	env["GOGC"] = "off"
	o.Process, err = w.cluster.Launch(w.Context(), controlplane.Program{
		Name: "operator-" + w.namespace,
		Path: w.cluster.binary,
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + w.granted.Boundary,
			"--leader-elect=false", "--iam-propagation-delay=0s", "--aws-reads-per-second=0", "--aws-writes-per-second=0",
			"--health-probe-bind-address=0", "--metrics-bind-address=0", "--log-format=text",
		},
		Env: controlplane.Environ(env),
	})
	w.must(err)
	t.kill <- o.Kill
	w.operator = o
}

// stop kills the operator, and takes down what only it has used.
func (w *world) stop() {
	w.operator.Kill()
	for _, server := range w.operator.servers {
		server.CloseClientConnections()
		server.Close()
	}
}

// wide is a request for all objects of a kind in the whole cluster.
var wide = regexp.MustCompile(`^(/api/v1|/apis/iam\.podidentity\.io/[^/]+)/(podidentities|serviceaccounts|pods)$`)

// narrow has the operator see one namespace of the cluster, so that stories share a
// control plane and do not meet.
func (w *world) narrow(r *http.Request) {
	r.URL.Path = wide.ReplaceAllString(r.URL.Path, "$1/namespaces/"+w.namespace+"/$2")
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// eventually waits until check is true. It gives up when the operator has ended,
// unless it was killed.
func (w *world) eventually(what string, check func() bool) {
	w.Helper()
	w.poll(what, func() (bool, error) {
		if check() {
			return true, nil
		}
		if w.operator.trap.sprung() {
			return false, nil
		}
		return false, w.operator.Ended()
	})
}

func (w *world) poll(what string, check func() (bool, error)) {
	w.Helper()
	err := wait.PollUntilContextTimeout(w.Context(), 25*time.Millisecond, timeout, true, func(context.Context) (bool, error) { return check() })
	if err == nil {
		return
	}
	said := ""
	if w.operator != nil {
		said = "; the operator's log:\n" + w.operator.Log()
	}
	w.Fatalf("timed out waiting for %s: %v%s", what, err, said)
}

// clusterID returns the UID of namespace kube-system, which identifies the cluster.
func (w *world) clusterID() string {
	w.Helper()
	var system corev1.Namespace
	w.must(w.cluster.user.Get(w.Context(), client.ObjectKey{Name: "kube-system"}, &system))
	return string(system.UID)
}
